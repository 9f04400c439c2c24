"""`sge bootstrap`: how sure is it that one model is better than another?"""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from edge.cli.run_command import add_json_option, json_output

if TYPE_CHECKING:
    from keras_sge.evaluation import BootstrapResult

HELP = "compare two models by their records: difference of a figure and how sure it is"
EPILOG = """examples:
  sge evaluate memory.tflite --data data/sky --records memory.npz
  sge evaluate single.tflite --data data/sky --records single.npz
  sge bootstrap memory.npz single.npz --json difference.json
  sge bootstrap memory.npz single.npz --metric label_switches

Source videos are drawn with replacement, the same ones for both models, and the figure is compared for each draw. An
interval that holds 0 says that the videos at hand do not decide. It says nothing about other seeds of the training.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("a", metavar="A.npz", help="records of `sge evaluate --records`; A.npz,A2.npz pools several")
    parser.add_argument("b", metavar="B.npz", help="records of another model, or run, on the same frames")
    parser.add_argument(
        "--metric",
        default="map50",
        metavar="NAME",
        help="map50 (the default), label_switches, losses, seconds_to_right, wrong_tracks or never_right",
    )
    parser.add_argument("--resamples", type=int, default=2000, metavar="N", help="how many draws (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the draws (default: 1)")
    add_json_option(parser, "the figures, and how they were made,")
    parser.add_argument("--verbose", action="store_true", help="also print how each model was run")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        write(dataclasses.asdict(_compared(arguments)))
    return 0


def _compared(arguments: argparse.Namespace) -> BootstrapResult:
    from keras_sge.evaluation import bootstrap
    from keras_sge.evaluation.intervals import METRICS
    from keras_sge.evaluation.pooling import load_pooled
    from keras_sge.progress import progress_bar

    a, b = (load_pooled(path) for path in (arguments.a, arguments.b))
    result = bootstrap(a, b, arguments.resamples, arguments.seed, progress_bar("chunk", "bootstrap"), arguments.metric)
    low, high = result.interval
    for name, value, path, protocol in (
        ("A", result.a, arguments.a, result.protocol_a),
        ("B", result.b, arguments.b, result.protocol_b),
    ):
        print(f"{name}: {value:.3f}  {path}{f': {protocol}' if arguments.verbose else ''}")
    if result.protocol_a != result.protocol_b and not arguments.verbose:
        print("A and B were not run alike: --verbose says how")
    print()
    print(
        f"{METRICS[result.metric]} of A minus B: {result.difference:+.3f}, 95% interval [{low:+.3f}, {high:+.3f}], "
        f"above 0 in {result.share_above_zero:.1%} of {result.resamples:,} resamples of {result.sources} source videos "
        f"(paired, percentile, seed {result.seed})."
    )
    return result
