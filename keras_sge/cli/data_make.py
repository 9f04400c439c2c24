"""`sge data synthetic|windows|paste`: data sets made from numbers, or from others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.data import VideoDataset

_SOURCES = "data sets of whole frames: DIR, DIR:SPLIT (default split: train), or a COCO file of pictures, FILE.json"


def add_make_actions(actions: Any) -> None:
    """The actions' arguments, added to the subparsers of `sge data`."""
    synthetic = actions.add_parser("synthetic", help="write the built-in synthetic set as COCO-VID")
    synthetic.add_argument("--out", metavar="DIR", required=True, help="the data set's folder")
    synthetic.add_argument("--split", choices=("train", "val", "test"), help="one split (default: train and val)")
    synthetic.add_argument("--videos", type=int, default=100, metavar="N", help="videos of a split (default: 100)")
    synthetic.add_argument("--frames", type=int, default=30, metavar="N", help="frames of a video (default: 30)")
    synthetic.add_argument("--size", type=int, default=128, metavar="PX", help="side of the frames (default: 128)")
    synthetic.set_defaults(run_action=_synthetic)

    windows = actions.add_parser("windows", help="cut clips around the objects of larger frames")
    _add_common(windows)
    windows.set_defaults(run_action=_windows)

    paste = actions.add_parser(
        "paste", help="cut objects out and let them fly over other scenes, so that a class tells nothing of a scene"
    )
    _add_common(paste)
    paste.add_argument("--background", metavar="DIR", help="also over these videos, in which nothing is to be detected")
    paste.set_defaults(run_action=_paste)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", nargs="+", help=f"{_SOURCES}; the first gives the classes")
    parser.add_argument("--out", metavar="DIR", required=True, help="the new data set's folder; its split is train")
    parser.add_argument("--videos", type=int, default=1000, metavar="N", help="clips (default: 1000)")
    parser.add_argument("--frames", type=int, default=32, metavar="N", help="frames of a clip (default: 32)")
    parser.add_argument("--size", type=int, default=192, metavar="PX", help="side of the frames (default: 192)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other clips (default: 0)")


def _synthetic(arguments: argparse.Namespace) -> int:
    from edge.atomic import check_folder
    from keras_sge.data import synthetic_split, write_coco_vid

    check_folder(arguments.out)
    for split in [arguments.split] if arguments.split else ["train", "val"]:
        dataset = synthetic_split(split, arguments.size, arguments.videos, arguments.frames)
        path = write_coco_vid(dataset, arguments.out, split, progress_bar("video", split))
        print(f"wrote {path}")
    return 0


def _windows(arguments: argparse.Namespace) -> int:
    from keras_sge.data import MixedVideos, ObjectWindows, OfClasses

    sources = _sources(arguments)
    videos = MixedVideos([OfClasses(source, sources[0].classes) for source in sources])
    return _write(
        ObjectWindows(videos, arguments.videos, arguments.size, arguments.frames, arguments.seed), arguments.out
    )


def _paste(arguments: argparse.Namespace) -> int:
    from keras_sge.data import BackgroundVideos, MixedVideos, OfClasses, PastedTracks, cut_out

    sources = _sources(arguments)
    cutouts = [
        cutout
        for source in sources
        for cutout in cut_out(source, arguments.frames, seed=arguments.seed, progress=progress_bar("video", "cut out"))
    ]
    classes = sources[0].classes
    for kind in classes:
        print(f"{kind}: {sum(one.kind == kind for one in cutouts)} cutouts")
    # What is of no class must not fly in the background either.
    every = tuple(dict.fromkeys(name for source in sources for name in source.classes))
    backgrounds: list[VideoDataset] = [OfClasses(source, every) for source in sources]
    if arguments.background:
        backgrounds.append(
            BackgroundVideos(arguments.background, every, 200, 2 * arguments.size, arguments.frames, arguments.seed)
        )
    pasted = PastedTracks(
        cutouts, MixedVideos(backgrounds), classes, arguments.videos, arguments.size, arguments.frames, arguments.seed
    )
    return _write(pasted, arguments.out)


def _sources(arguments: argparse.Namespace) -> Sequence[VideoDataset]:
    from edge.atomic import check_folder
    from edge.errors import InputError
    from keras_sge.data import open_videos

    for name, least in (("videos", 1), ("frames", 1), ("size", 32), ("seed", 0)):
        if getattr(arguments, name) < least:
            raise InputError(f"--{name} must be at least {least}. Received: {getattr(arguments, name)}")
    check_folder(arguments.out)
    pairs = [text.rpartition(":") for text in arguments.data]
    return [
        open_videos(folder, split, progress_bar("video", "index")) if folder else open_videos(split, "train")
        for folder, _, split in pairs
    ]


def _write(dataset: VideoDataset, folder: str) -> int:
    from keras_sge.data import write_coco_vid

    path = write_coco_vid(dataset, folder, "train", progress_bar("clip", "write"))
    print(f"wrote {path}: {len(dataset):,} clips")
    return 0
