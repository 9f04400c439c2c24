"""`sge-edge`: finds the subcommand."""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from collections.abc import Sequence

import edge
from edge.cli.run_command import EXIT_CODES, run_command

# One module in edge/cli each; it is imported, with OpenCV behind it, only when its command is asked for.
COMMANDS = {
    "detect": "find objects in a video, a folder of frames, a camera or a URL",
    "benchmark": "time every stage of a model on this machine",
    "models": "list the models that come with the package",
    "info": "print what a model file says about itself",
}
EXAMPLES = """examples:
  sge-edge detect clip.mp4                                count objects with the shipped model
  sge-edge detect 0 --show                                watch a camera
  sge-edge detect clip.mp4 --model model.tflite           a model of your own
  sge-edge benchmark --threads 4                          how fast is this machine
  sge-edge models                                         the shipped models: classes, size, milliseconds here
  sge-edge info model.tflite                              what is in the file

`sge-edge COMMAND --help` explains a command.

"""

# Keeps the examples' lines, and gives the longest option a column of its own.
_HelpFormatter = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=26)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments; None takes the process' own.

    Returns:
        The exit code, see `edge.cli.run_command.run_command`.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    return run_command("sge-edge", lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    arguments = _parser(argv).parse_args(argv)
    return arguments.run(arguments)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sge-edge",
        description="Video object detection with a .tflite file whose recurrent state goes from frame to frame.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"sge-edge {edge.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        sentence = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(name, help=text, description=sentence, formatter_class=_HelpFormatter)
        if argv and argv[0] == name:
            module = importlib.import_module(f"edge.cli.{name}")
            module.add_arguments(command)
            command.epilog = f"{command.epilog or ''}\n{EXIT_CODES}"
            command.set_defaults(run=module.run)
    return parser
