"""`sge inspect`: what is in a .tflite, whether it keeps its promises, whether a GPU runs it."""

from __future__ import annotations

import argparse

HELP = "look into a .tflite: operators, sizes, precision, state, GPU; exit code for CI"
EPILOG = """examples:
  sge inspect first.tflite                     operators, bytes by part, precision map, state, verdict
  sge inspect first.tflite --gpu required      fails unless a GPU compiles it and agrees with the CPU
  sge inspect sge_skyzoom_256x0.5_float16      a shipped model by name
  sge inspect someone_elses.tflite --json -    any .tflite; every tensor as JSON

A GPU is any Vulkan device; `make gpu-driver` fetches one in software. Exit code: 0 no check failed, 1 a check failed
(the reasons are printed), 2 the file cannot be read.
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
    parser.add_argument("--json", metavar="FILE", help="everything as JSON; - prints it instead of the text")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    import json
    from pathlib import Path

    from edge.atomic import atomic_path, check_writable
    from edge.model_zoo import model_path
    from quantization import inspect_file

    printed = arguments.json == "-"
    if arguments.json and not printed:
        check_writable(arguments.json)
    found = inspect_file(model_path(arguments.model), arguments.gpu)
    if arguments.json:
        document = json.dumps(found.to_dict(), indent=1, default=list) + "\n"
        if printed:
            print(document, end="")
        else:
            with atomic_path(arguments.json) as temporary:
                Path(temporary).write_text(document)
    if not printed:
        print(f"{found}\n\n{'passed' if found.passed else 'FAILED'}")
    return 0 if found.passed else 1
