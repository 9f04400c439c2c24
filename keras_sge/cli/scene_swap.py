"""`sge scene-swap`: does a detector read the class off the scene?"""

from __future__ import annotations

import argparse

from edge.cli.run_command import add_json_option, json_output
from edge.quiet import native_log
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.progress import progress_bar

HELP = "test whether a detector reads the class off the scene"
EPILOG = """examples:
  sge scene-swap first.tflite --data data/sky --split val
  sge scene-swap runs/first --data data/sky --json swap.json

Objects of the split are cut out of their recordings and laid before the scenes of every class, at the same place and
size. A detector that looks at the object alone gives the same class before all of them. DIR holds whole frames, larger
than their objects, and recordings of every class of the model.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a .tflite, a .keras or .npz file, a run folder, a shipped name")
    parser.add_argument("--data", metavar="DIR", required=True, help="the data set's directory")
    parser.add_argument(
        "--split", metavar="NAME", default="val", help="such as DIR/annotations/NAME.json (default: val)"
    )
    parser.add_argument("--per-track", type=int, default=3, metavar="N", help="cutouts of a track (default: 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the scenes (default: 0)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the .tflite runtime (default: 2)")
    add_json_option(parser, "the figures, and how they were made,")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        write(_swapped(arguments))
    return 0


def _swapped(arguments: argparse.Namespace) -> dict:
    from edge.errors import InputError
    from keras_sge.data import open_videos
    from keras_sge.evaluation import SCORE_THRESHOLD, open_detector
    from keras_sge.evaluation.detector import needs_keras
    from keras_sge.evaluation.scene_swap import scene_swap

    for name, least in (("per_track", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            option = name.replace("_", "-")
            raise InputError(f"--{option} must be at least {least}. Received: {getattr(arguments, name)}")
    if needs_keras(arguments.model):
        import_keras()
    with native_log():
        detector = open_detector(arguments.model, arguments.threads, SCORE_THRESHOLD)
    dataset = open_videos(arguments.data, arguments.split, progress_bar("video", "index"))
    result = scene_swap(detector, dataset, arguments.per_track, arguments.seed, progress_bar("clip", "scene swap"))
    print(f"{arguments.model}: {result.objects} objects of {arguments.data}, {arguments.split}\n\n{result.table()}\n")
    changed = "in no frame is it found before both scenes" if result.changed is None else f"{result.changed:.1%}"
    print(f"frames whose class changes with the scene: {changed} of {result.frames:,} before other scenes")
    return result.to_dict()
