"""`sge import`: somebody else's detector as a run."""

from __future__ import annotations

import argparse
import re

from keras_sge.cli.quiet_keras import import_keras

HELP = "read an SSD-MobileNetV1 of TensorFlow's Object Detection API from a .tflite as a run"
EPILOG = """examples:
  sge import coco_ssd_mobilenet_v1_0.75_300_uint8.tflite --labels coco_labels.txt --out runs/everyday
  sge import coco_ssd_mobilenet_v1_0.75_300_uint8.tflite --labels coco_labels.txt --out runs/wide --size 512x320
  sge export runs/everyday --out everyday_float16.tflite --precision float16
  sge train runs/everyday/config.yaml --set network.classes=[cat] --from runs/everyday --run runs/cat --data data/cat

FILE is quantized or float, with its post-processing or without. Labels are a name a line in the order of the file's
ids; ??? stands for an id without a class, and a first line for the background may be there. The network computes what
the file computes and is a run like any other: evaluate, export, compare and train go on from it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("file", metavar="FILE.tflite", help="the detector")
    parser.add_argument("--labels", metavar="FILE.txt", help="its class names (default: the list that FILE carries)")
    parser.add_argument("--out", metavar="RUN", required=True, help="the run folder to make")
    parser.add_argument(
        "--size",
        metavar="WIDTHxHEIGHT",
        help="another input size, multiples of 32; anchors keep their pixels (default: that of FILE)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.errors import InputError
    from keras_sge.cli.own_data import print_next

    size = None
    if arguments.size is not None:
        found = re.fullmatch(r"(\d+)x(\d+)", arguments.size)
        if not found:
            raise InputError(f"--size is WIDTHxHEIGHT in pixels, such as 320x320. Received: {arguments.size}")
        size = int(found[2]), int(found[1])

    import_keras()

    from keras_sge.models.imported import import_detector

    model = import_detector(arguments.file, arguments.labels, arguments.out, size)
    network = model.config
    print(
        f"{arguments.out}: {network.name}, {network.size_text}, alpha {network.alpha:g}, "
        f"{len(network.classes)} classes, {model.count_params():,} weights"
    )
    out = f"{arguments.out.rstrip('/')}_float16.tflite"
    print_next(["sge", "export", arguments.out, "--out", out, "--precision", "float16"])
    return 0
