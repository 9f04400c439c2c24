"""`sge`: finds the subcommand."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence

from edge.cli.run_command import EXIT_CODES, run_command

EXAMPLES = """the road, in order:
  sge demo                                                     all of it on the built-in data, in minutes
  sge data synthetic --out data/sky                            make the built-in set as COCO-VID
  sge data check data/sky --split train                        what is in a data set, and whether all of it is right
  sge init data/sky --out my.yaml                              a commented configuration for a data set
  sge summary quickstart                                       parameters and multiply-adds
  sge train quickstart --run runs/first                        train; --resume goes on after a stop
  sge teach runs/one --videos DIR --out runs/two               a memory for a detector, from video without labels
  sge evaluate runs/first                                      mAP of the Keras model
  sge crossvalidate quickstart --data DIR --run runs/cv        train and measure on every part of a split in turn
  sge bootstrap a.npz b.npz                                    how sure the difference of two evaluations is
  sge export runs/first --out first.tflite                     one step, explicit state, metadata inside
  sge evaluate first.tflite                                    mAP of the file
  sge qat quickstart --from runs/first --run runs/qat          int8 with training; writes the file
  sge inspect first.tflite                                     operators, state contract, whether a GPU runs it
  sge compare a.tflite b.tflite --data DIR --out report        what precision costs, side by side
  sge-edge detect clip.mp4 --model first.tflite --save out.mp4

`sge COMMAND --help` explains a command.

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments; None takes the process' own.

    Returns:
        The exit code, see `edge.cli.run_command.run_command`.
    """
    _quiet_backends()
    return run_command("sge", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    return arguments.execute(arguments)


def _quiet_backends() -> None:
    """Before anything imports Keras: the backend that is installed, without its start-up chatter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not importlib.util.find_spec("tensorflow") and importlib.util.find_spec("jax"):
        os.environ.setdefault("KERAS_BACKEND", "jax")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sge",
        description="Video object detection from clips to a .tflite with memory.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sge {importlib.metadata.version('keras-sge')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for entry in importlib.metadata.entry_points(group="sge.commands"):
        module = entry.load()
        command = commands.add_parser(
            entry.name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.epilog = f"{command.epilog or ''}\n{EXIT_CODES}"
        command.set_defaults(execute=module.run)
    return parser
