"""The arguments that choose a model and what runs it, the same for every command."""

from __future__ import annotations

import argparse
from typing import Any

from edge.model_zoo import DEFAULT_MODEL
from edge.runtimes.runtime import ACCELERATORS


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that choose a model and what runs it."""
    group = parser.add_argument_group("model and machine")
    group.add_argument(
        "--model", metavar="NAME|FILE", help=f"a shipped model or a .tflite of `sge export` (default: {DEFAULT_MODEL})"
    )
    group.add_argument(
        "--accelerator",
        default="auto",
        metavar="|".join(ACCELERATORS),
        help="gpu runs the whole model there or names what it cannot; auto is the CPU, or the delegate (default: auto)",
    )
    group.add_argument("--allow-cpu", action="store_true", help="take the CPU where the GPU cannot run the model")
    group.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the network (default: 1)")
    group.add_argument(
        "--delegate", metavar="LIB", help="shared library of a TFLite delegate, for boards' GPUs and NPUs"
    )


def model_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments as those of `edge.Detector`, without the model."""
    return {name: getattr(arguments, name) for name in ("threads", "delegate", "accelerator", "allow_cpu")}
