"""`sge-edge benchmark`: medians and 95th percentiles of every stage."""

from __future__ import annotations

import argparse
import json

from edge.benchmark import run_benchmark
from edge.cli.detect import add_model_arguments
from edge.model_zoo import default_model
from edge.quiet import quiet_stderr

EPILOG = """examples:
  sge-edge benchmark --model model.tflite                          frames made up here, without decoding
  sge-edge benchmark clip.mp4 --model model.tflite --threads 4     the whole way from the file
  sge-edge benchmark --model model.tflite --json > board.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="as for detect; left out, frames are made up")
    add_model_arguments(parser)
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="frames counted (default: 200)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    model = arguments.model or default_model()
    with quiet_stderr(active=not arguments.delegate):
        report = run_benchmark(model, arguments.source, arguments.frames, arguments.threads, arguments.delegate)
    print(json.dumps(report.to_dict(), indent=1) if arguments.json else report)
    return 0
