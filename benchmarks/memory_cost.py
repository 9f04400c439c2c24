"""What the memory and the attention cost: int8 steps of one network with and without them, timed in turn.

    python benchmarks/memory_cost.py --write

Networks of random weights, as time does not depend on them: `none`, the detector alone; `neck`, with the 1x1 that the
shipped single-frame baseline has where the others have their memory; `noie`, with the Squeezed GRU; `sge`, with the
attention as well; `correction`, with a correction GRU on conv12 and conv13. Bare invocations; the ratios are medians
over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from document import circumstances, machine, markdown_table, write_figures
from peers import WARM_UP, bare_invoke, in_turn, paired

from edge.errors import InputError
from edge.metadata import read_model
from edge.runtimes.litert import load_interpreter

CONFIGURATIONS = ("skyzoom320", "skyzoom256", "skyzoom192")
VARIANTS = {
    "none": ("network.entropy=null", "network.memory=null"),
    "reduction": ("network.entropy=null", "network.memory.kind=reduction"),
    "noie": ("network.entropy=null",),
    "sge": (),
    "correction": (
        *("network.entropy=null", "network.reduction={activation: tanh}"),
        "network.memory={kind: correction_gru, attach_to: [conv12, conv13]}",
    ),
}


def main() -> None:
    """Parses the arguments, builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", metavar="DIR", help="keep the .tflite files there, and take those that are there")
    parser.add_argument("--rounds", type=int, default=300, metavar="N", help="(default: 300)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the networks (default: 1)")
    parser.add_argument(
        "--write", action="store_true", help="write docs/results/memory_cost.json and docs/benchmarks.md"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1. Received: {arguments.rounds}")
    figures: dict[str, Any] = {"rounds": arguments.rounds, "threads": arguments.threads, "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in CONFIGURATIONS:
                files = {variant: step_file(Path(arguments.files or folder), name, variant) for variant in VARIANTS}
                figures[name] = measure(files, arguments.rounds, arguments.threads)
        except InputError as error:
            parser.error(str(error))
    text = report(figures)
    print(text)
    if arguments.write:
        write_figures("memory_cost", figures, text)


def step_file(folder: Path, name: str, variant: str) -> Path:
    """The int8 step of a configuration's network in one of the variants, exported unless it is there."""
    path = folder / f"{variant}_{name}_int8.tflite"
    if path.is_file():
        return path
    from keras_sge.config import load_config
    from keras_sge.models import SGENet
    from quantization import CalibrationSource, Exporter, write_file

    network = load_config(name, VARIANTS[variant]).network
    exporter = Exporter(SGENet(network, 1), "int8")
    exporter.calibrate(CalibrationSource.synthetic(network, clips=1))
    folder.mkdir(parents=True, exist_ok=True)
    # Not `write`: random weights find nothing that a validation could find again.
    write_file(path, exporter.quantize(), exporter.metadata)
    return path


def measure(files: dict[str, Path], rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each and its ratio to the first, in turn and in a rotating order."""
    invokes: dict[str, Callable[[], None]] = {
        name: bare_invoke(load_interpreter(read_model(path)[0], threads)) for name, path in files.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in files}
    for number, name in in_turn(list(files), WARM_UP + rounds):
        start = perf_counter()
        invokes[name]()
        if number >= WARM_UP:
            seconds[name].append(perf_counter() - start)
    first = next(iter(seconds.values()))
    return {
        name: {
            "invoke_ms_p10": round(1e3 * float(np.percentile(times, 10)), 3),
            "invoke_ms_p50": round(1e3 * statistics.median(times), 3),
            "ratio": round(paired(times, first), 4),
        }
        for name, times in seconds.items()
    }


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [
        [
            name,
            *(
                f"{figures[name][variant]['invoke_ms_p50']:.2f} ms, {figures[name][variant]['ratio']:.3f}"
                for variant in VARIANTS
            ),
        ]
        for name in CONFIGURATIONS
    ]
    head = f"{figures['rounds']} rounds, {circumstances(figures)}: median of one invocation and its ratio to `none`."
    return f"{head}\n\n{markdown_table(['int8', *VARIANTS], rows)}\n"


if __name__ == "__main__":
    main()
