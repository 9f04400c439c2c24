"""`sge summary`: what a configuration costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from keras_sge.cli.quiet_keras import import_keras

HELP = "print a configuration's layers, parameters and multiply-adds"
EPILOG = """examples:
  sge summary paper320
  sge summary paper320 --set network.memory.squeeze=gate
  sge summary my.yaml --json my.json

Multiply-adds count convolutions only; T-params count the temporal module's kernels without biases, as the paper does.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("config", metavar="CONFIG", help="a YAML file or a built-in configuration's name")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting")
    parser.add_argument("--json", metavar="FILE", help="also write params, temporal_params, macs_per_frame as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.atomic import atomic_path, check_writable
    from keras_sge.config import load_config

    config = load_config(arguments.config, arguments.set).network
    if arguments.json:
        check_writable(arguments.json)

    import_keras()

    from keras_sge.models.summary import summarize

    summary = summarize(config)
    print(f"{'layer':36}{'output':>16}{'parameters':>13}{'MMAC':>10}")
    for layer in summary.layers:
        if layer.macs:
            output = " x ".join(map(str, layer.output))
            print(f"{layer.name:36}{output:>16}{layer.params:13,}{layer.macs / 1e6:10.2f}")
    print(f"\n{config.name}: {config.size_text}, alpha {config.alpha:g}, {len(config.classes)} classes")
    print(f"parameters       {summary.params:,} (batch norm's included)")
    print(f"T-params         {summary.temporal_params:,} (and {summary.temporal_biases:,} biases)")
    print(f"MACs per frame   {summary.macs_per_frame / 1e9:.4f} G")
    print(f"MACs, 10 frames  {summary.macs_per_frame / 1e8:.2f} G")
    if arguments.json:
        keys = ("params", "temporal_params", "temporal_biases", "macs_per_frame")
        with atomic_path(arguments.json) as temporary:
            Path(temporary).write_text(json.dumps({key: getattr(summary, key) for key in keys}, indent=1) + "\n")
    return 0
