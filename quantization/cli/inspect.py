"""`sge inspect`: what is in a .tflite, whether it keeps its promises, whether a GPU runs it."""

from __future__ import annotations

import argparse

from edge.cli.run_command import add_json_option, json_output

HELP = "look into a .tflite and check it: operators, sizes, precision, state, GPU"
EPILOG = """examples:
  sge inspect first.tflite                     operators, bytes by part, precision map, state, verdict
  sge inspect first.tflite --gpu required      fails unless a GPU compiles it and agrees with the CPU
  sge inspect sge_skyzoom_256x0.5_float16      a shipped model by name
  sge inspect another.tflite --json -          any .tflite; every tensor as JSON

A GPU is any Vulkan device; `make gpu-driver` fetches one in software. Exit code 1 where a check failed; the reasons are
printed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="FILE", help="a .tflite file or the name of a shipped model")
    parser.add_argument(
        "--gpu",
        default="auto",
        choices=("required", "auto", "off"),
        help="auto (default): float files, on a device where there is one; required: every file, and a device must be "
        "there; off: the list of operators only",
    )
    add_json_option(parser, "everything")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.model_zoo import model_path
    from quantization import inspect_file

    with json_output(arguments.json) as write:
        found = inspect_file(model_path(arguments.model), arguments.gpu)
        print(f"{found}\n\n{'passed' if found.passed else 'FAILED'}")
        write(found.to_dict())
    return 0 if found.passed else 1
