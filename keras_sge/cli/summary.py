"""`sge summary`: what a configuration, or the network in a file, costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.run_command import add_json_option, json_output
from keras_sge.cli.quiet_keras import import_keras

if TYPE_CHECKING:
    from keras_sge.config import NetworkConfig

HELP = "print the layers, parameters and multiply-adds of a configuration or of a .tflite"
EPILOG = """examples:
  sge summary paper320
  sge summary paper320 --set network.memory.squeeze=gate
  sge summary first.tflite                     its network, and the file's size and precision
  sge summary sge_skyzoom_192x0.5_int8         the same of a shipped file
  sge summary my.yaml --json - | jq .params

Multiply-adds count convolutions only; T-params count the temporal module's kernels without biases, as the paper does.
"""
_FIGURES = ("params", "temporal_params", "temporal_biases", "macs_per_frame")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a YAML file or a built-in configuration's name; a .tflite or a shipped one's name",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting of a configuration"
    )
    add_json_option(parser, f"{', '.join(_FIGURES)}, and of a .tflite bytes and precision,")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        network, file = _network(arguments)

        import_keras()

        from keras_sge.models.summary import summarize

        summary = summarize(network)
        print(f"{'layer':36}{'output, h x w x c':>20}{'parameters':>13}{'MMAC':>10}")
        for layer in summary.layers:
            if layer.macs:
                output = " x ".join(map(str, layer.output))
                print(f"{layer.name:36}{output:>20}{layer.params:13,}{layer.macs / 1e6:10.2f}")
        print(f"\n{network.name}: {network.size_text}, alpha {network.alpha:g}, {len(network.classes)} classes")
        print(f"parameters       {summary.params:,} (batch norm's included)")
        print(f"T-params         {summary.temporal_params:,} (and {summary.temporal_biases:,} biases)")
        print(f"MACs per frame   {summary.macs_per_frame / 1e9:.4f} G")
        print(f"MACs, 10 frames  {summary.macs_per_frame / 1e8:.2f} G")
        if file:
            print("file             {file}: {bytes:,} bytes, {precision}".format(**file))
        write({**{key: getattr(summary, key) for key in _FIGURES}, **file})
    return 0


def _network(arguments: argparse.Namespace) -> tuple[NetworkConfig, dict[str, Any]]:
    """The network meant, and of a .tflite `file`, `bytes` and `precision`."""
    from edge.errors import InputError
    from edge.metadata import read_model
    from edge.model_zoo import list_models, model_path
    from keras_sge.config import load_config
    from keras_sge.config.config import network_from_dict

    if Path(arguments.config).suffix != ".tflite" and arguments.config not in list_models():
        return load_config(arguments.config, arguments.set).network, {}
    if arguments.set:
        raise InputError(f"--set changes a configuration's settings; those of {arguments.config} are fixed.")
    path = model_path(arguments.config)
    _, metadata = read_model(path)
    if "config" not in metadata.details:
        raise InputError(f"{path} does not say how its network was configured. Expected a file of `sge export`.")
    network = network_from_dict(metadata.details["config"])
    return network, {"file": str(path), "bytes": path.stat().st_size, "precision": metadata.precision}
