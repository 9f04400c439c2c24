"""`sge data convert|split`: other people's annotations in, splits of one's own out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.run_command import add_json_option, json_output
from keras_sge.cli.data_source import add_source, source_videos
from keras_sge.cli.own_data import print_next
from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.data import VideoDataset


def add_import_actions(actions: Any) -> None:
    """The actions' arguments, added to the subparsers of `sge data`."""
    convert = actions.add_parser("convert", help="write annotations of any form as COCO-VID with mp4 files")
    add_source(convert, "all that there are")
    convert.add_argument("--out", metavar="DIR", required=True, help="the new data set's folder")
    convert.add_argument("--link", action="store_true", help="track the objects of videos whose labels name no tracks")
    add_json_option(convert, "what was read")
    convert.set_defaults(run_action=_convert)

    split = actions.add_parser("split", help="make train and val of one COCO-VID split, recordings kept whole")
    split.add_argument("data", metavar="DIR", help="a COCO-VID folder, as `sge data convert` writes it")
    split.add_argument("--split", metavar="NAME", help="what to divide (default: all, or the only one)")
    split.add_argument("--val", type=float, default=0.2, metavar="SHARE", help="share for val (default: 0.2)")
    split.add_argument("--test", type=float, metavar="SHARE", help="also a share for test")
    split.add_argument(
        "--by",
        choices=("block", "video", "time"),
        default="block",
        help="block: neighbouring recordings together (default); video: drawn one by one; time: the end of every video",
    )
    split.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other recordings (default: 0)")
    split.set_defaults(run_action=_split)


def _convert(arguments: argparse.Namespace) -> int:
    from edge.atomic import check_folder
    from keras_sge.config.run_folder import run_data
    from keras_sge.data.formats.form import unpacked
    from keras_sge.data.open import find_source

    check_folder(arguments.out)
    with json_output(arguments.json) as write, unpacked(Path(arguments.data)) as folder:
        splits = [arguments.split]
        if arguments.split is None and not run_data(arguments.data):
            form, folder = find_source(folder, arguments.format)
            print(f"{arguments.data}: {form.layout}")
            arguments.data, arguments.format = str(folder), form.name
            splits = [*form.splits(folder)] or splits
        document: dict[str, Any] = {}
        taken: set[str] = set()
        for arguments.split in splits:
            with source_videos(arguments) as dataset:
                # What others call valid is what `sge train` looks for as val.
                name = "val" if arguments.split == "valid" and "val" not in splits else arguments.split
                dataset = _of_its_own_names(dataset, name, taken)
                document[name] = _write(dataset, name, arguments)
        if not {"train", "val", "test"}.intersection(document):
            print_next(["sge", "data", "split", arguments.out])
        write(document)
    return 0


def _of_its_own_names(dataset: VideoDataset, split: str, taken: set[str]) -> VideoDataset:
    """The videos of a split; those whose names another split has taken get them behind their own split's name."""
    from keras_sge.data.views import RenamedVideos

    names = [video.name for video in dataset.videos]
    shared = [name for name in names if name in taken]
    if shared:
        print(
            f"note: {len(shared)} videos of {split} are called as videos of another split, {shared[0]} the first, and "
            f"are written as {split}/{shared[0]}. If they are of the same recordings, scores will flatter.",
            file=sys.stderr,
        )
        dataset = RenamedVideos(dataset, [f"{split}/{name}" if name in taken else name for name in names])
    taken.update(names)
    return dataset


def _write(dataset: VideoDataset, split: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes one split and reports on it; the figures as JSON takes them."""
    from edge.errors import InputError
    from keras_sge.data import check_videos, write_coco_vid
    from keras_sge.data.views import LinkedTracks

    if arguments.link:
        dataset = LinkedTracks(dataset)
    report = check_videos(dataset, read_frames=False, progress=progress_bar("video", "labels"))
    if report.problems:
        raise InputError(report.problems[0])
    path = write_coco_vid(dataset, arguments.out, split, progress_bar("video", f"convert {split}"))
    print(f"\n{split}: wrote {path}\n\n{report.text()}")
    return {"written": str(path), **report.to_dict()}


def _split(arguments: argparse.Namespace) -> int:
    import numpy as np

    from edge.errors import InputError
    from keras_sge.data import CocoVid
    from keras_sge.data.formats.coco_vid import FORM
    from keras_sge.data.formats.form import ONLY_SPLIT
    from keras_sge.data.partition import partition, same_scenes, write_partition

    splits = FORM.splits(Path(arguments.data))
    arguments.split = arguments.split or (splits[0] if len(splits) == 1 else ONLY_SPLIT)
    dataset = CocoVid(arguments.data, arguments.split)
    source = Path(arguments.data) / "annotations" / f"{arguments.split}.json"
    if not source.is_file():
        raise InputError(f"{arguments.data} is no COCO-VID folder. `sge data convert` makes one of any annotations.")
    shares = {"val": arguments.val} | ({} if arguments.test is None else {"test": arguments.test})
    parts = partition(dataset, shares, arguments.by, arguments.seed)
    pairs = [] if arguments.by == "time" else same_scenes(dataset, parts, progress_bar("video", "compare"))
    targets = write_partition(dataset, source, parts)
    print(f"| split | videos | frames | boxes | {' | '.join(dataset.classes)} |")
    print(f"|---|{'---:|' * (3 + len(dataset.classes))}")
    single = []
    for name, videos in parts.items():
        counts = np.array([_boxes(dataset, index, frames) for index, frames in videos.items()])
        frames = sum(len(own) for own in videos.values())
        cells = " | ".join(f"{count:,}" for count in counts.sum(axis=0).tolist())
        print(f"| {name} | {len(videos):,} | {frames:,} | {counts.sum():,} | {cells} |")
        if name != "train" and len(videos) > 1:
            alone = np.flatnonzero((counts > 0).sum(axis=0) == 1).tolist()
            single += [f"{dataset.classes[kind]} in {name}" for kind in alone]
    if single:
        print(f"note: in one video only: {', '.join(single)}. AP of these is of one scene.", file=sys.stderr)
    if arguments.by == "time":
        print("note: all splits show the same scenes and objects: scores will flatter.", file=sys.stderr)
    elif pairs:
        held_back = len(dataset) - len(parts["train"])
        print(
            f"note: {len(pairs)} of {held_back} videos held back seem to show a scene that is trained on "
            f"({pairs[0][0]} that of {pairs[0][1]}): their scores will flatter. Name neighbours so that their numbers "
            "follow each other, or try another --seed.",
            file=sys.stderr,
        )
    print("wrote " + ", ".join(map(str, targets)))
    return 0


def _boxes(dataset: VideoDataset, index: int, frames: range) -> list[int]:
    """How many boxes of each class some frames of a video have."""
    labels = dataset.labels(index)
    return [sum(int((labels[frame].classes == kind).sum()) for frame in frames) for kind in range(len(dataset.classes))]
