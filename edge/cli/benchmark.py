"""`sge-edge benchmark`: every stage's time, fps, memory and start-up of a model on this machine."""

from __future__ import annotations

import argparse

import cv2

from edge.benchmark import run_benchmark
from edge.cli.model_arguments import add_model_arguments, model_settings
from edge.cli.run_command import add_json_option, json_output
from edge.model_zoo import default_model
from edge.quiet import native_log

EPILOG = """examples:
  sge-edge benchmark                                  the shipped model on generated frames, without decoding
  sge-edge benchmark clip.mp4 --threads 4             the whole way from the file
  sge-edge benchmark clip.mp4 --accelerator gpu       the same on the GPU
  sge-edge benchmark --model model.tflite --json board.json

Stages are timed one after the other; fps are also those of the pipeline that detect uses, where decoding and preparing
run beside the network. Start-up and memory are those of fresh processes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="as for detect; left out, frames are generated")
    add_model_arguments(parser)
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="frames counted (default: 200)")
    add_json_option(parser, "the report")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    model = arguments.model or default_model()
    # As detect does: its own threads would take the network's core.
    cv2.setNumThreads(1)
    with json_output(arguments.json) as write:
        with native_log(active=not arguments.delegate):
            report = run_benchmark(model, arguments.source, arguments.frames, **model_settings(arguments))
        print(report)
        write(report.to_dict())
    return 0
