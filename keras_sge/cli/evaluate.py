"""`sge evaluate`: mAP of a Keras model or of a .tflite file."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_sge.cli.quiet_keras import import_keras

HELP = "measure mAP of a Keras model or a .tflite file"
EPILOG = """examples:
  sge evaluate runs/first                                      on the built-in synthetic validation clips
  sge evaluate runs/first --data data/sky --split val          reads data/sky/annotations/val.json
  sge evaluate first.tflite --data data/sky --split val --json val.json

Every frame of every clip is run in order with carried state. AP is taken at IoU .5 with all-point interpolation, for
each class and as the mean over classes (mAP); figures are fractions from 0 to 1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a .tflite, a .keras file, a run folder, a shipped name")
    parser.add_argument("--data", metavar="DIR", help="a COCO-VID directory (default: the built-in synthetic set)")
    parser.add_argument("--split", default="val", metavar="NAME", help="reads DIR/annotations/NAME.json (default: val)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the .tflite runtime (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.atomic import check_writable

    if arguments.json:
        check_writable(arguments.json)

    if Path(arguments.model).is_dir() or Path(arguments.model).suffix == ".keras":
        import_keras()

    from tqdm import tqdm

    from keras_sge.data import CocoVid, synthetic_split
    from keras_sge.evaluation import SCORE_THRESHOLD, evaluate, open_detector

    detector = open_detector(arguments.model, arguments.threads, SCORE_THRESHOLD)
    if arguments.data:
        dataset, name = CocoVid(arguments.data, arguments.split), f"{arguments.data}, {arguments.split}"
    else:
        size = max(detector.metadata.height, detector.metadata.width)
        dataset, name = synthetic_split(arguments.split, size), f"built-in synthetic set, {arguments.split}"
    result = evaluate(detector, dataset, progress=lambda clips: tqdm(clips, unit="clip", desc="evaluate"))
    print(f"{arguments.model} on {name}: {result.clips} clips, {result.frames:,} frames, {result.runtime}\n")
    print(f"{result.table()}\n\n{result.protocol}.")
    if arguments.json:
        result.write_json(arguments.json)
    return 0
