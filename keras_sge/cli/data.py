"""`sge data`: data sets."""

from __future__ import annotations

import argparse

HELP = "make the built-in synthetic set, look at a data set"
EPILOG = """examples:
  sge data synthetic --out data/synthetic                      train and val as COCO-VID with mp4 files
  sge data synthetic --out data/big --split train --videos 500 --size 320
  sge data look data/synthetic --split val --out look.png      a contact sheet with the labels drawn in
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    synthetic = actions.add_parser("synthetic", help="write the built-in synthetic set as COCO-VID")
    synthetic.add_argument("--out", metavar="DIR", required=True, help="the data set's folder")
    synthetic.add_argument("--split", choices=("train", "val", "test"), help="one split (default: train and val)")
    synthetic.add_argument("--videos", type=int, default=100, metavar="N", help="videos of a split (default: 100)")
    synthetic.add_argument("--frames", type=int, default=30, metavar="N", help="frames of a video (default: 30)")
    synthetic.add_argument("--size", type=int, default=128, metavar="PX", help="side of the frames (default: 128)")
    synthetic.set_defaults(run_action=_synthetic)

    look = actions.add_parser("look", help="draw frames and labels into one picture")
    look.add_argument("data", metavar="DIR", help="a COCO-VID directory")
    look.add_argument("--split", default="val", metavar="NAME", help="reads DIR/annotations/NAME.json (default: val)")
    look.add_argument("--out", metavar="FILE.png", required=True, help="the picture")
    look.add_argument("--videos", type=int, default=6, metavar="N", help="rows (default: 6)")
    look.add_argument("--frames", type=int, default=8, metavar="N", help="columns (default: 8)")
    look.set_defaults(run_action=_look)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    return arguments.run_action(arguments)


def _synthetic(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from keras_sge.data import synthetic_split, write_coco_vid

    for split in [arguments.split] if arguments.split else ["train", "val"]:
        dataset = synthetic_split(split, arguments.size, arguments.videos, arguments.frames)
        path = write_coco_vid(dataset, arguments.out, split, lambda videos: tqdm(videos, unit="video", desc=split))  # noqa: B023
        print(f"wrote {path}")
    return 0


def _look(arguments: argparse.Namespace) -> int:
    import cv2
    import numpy as np

    from edge.atomic import atomic_path
    from edge.errors import InputError
    from keras_sge.data import CocoVid
    from keras_sge.data.contact_sheet import contact_sheet

    if arguments.videos < 1 or arguments.frames < 1:
        raise InputError(f"--videos and --frames must be above 0. Received: {arguments.videos} and {arguments.frames}")
    dataset = CocoVid(arguments.data, arguments.split)
    videos = np.unique(np.linspace(0, len(dataset) - 1, arguments.videos).round().astype(int)).tolist()
    shortest = min(dataset.videos[video].length for video in videos)
    frames = np.unique(np.linspace(0, shortest - 1, arguments.frames).round().astype(int)).tolist()
    sheet = contact_sheet(dataset, videos, frames)
    with atomic_path(arguments.out) as temporary:
        if not cv2.imwrite(str(temporary), sheet):
            raise InputError(f"OpenCV cannot write pictures of the kind of {arguments.out}. Give a .png or .jpg name.")
    print(f"wrote {arguments.out}: {len(videos)} videos, {len(frames)} frames each")
    return 0
