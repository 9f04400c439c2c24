"""YOLO folders: `data.yaml`, and beside every picture a text file of class and box; CVAT's YOLO 1.1, too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from edge.errors import InputError
from edge.video.pictures import is_picture, natural_order, read_picture
from edge.video.source import DEFAULT_FPS
from keras_sge.data.formats.annotation_values import label_gap
from keras_sge.data.formats.form import Form, check_split, read_text
from keras_sge.data.formats.frame_names import group_frames
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.data.formats.yolo_labels import YoloFrame, read_yolo_labels
from keras_sge.progress import Progress, no_progress

_SPLITS = ("train", "val", "test")
_EXPECTED = "Expected YOLO's data.yaml with names, and train, val or test"


class YoloFolder(ListedVideos):
    """A folder with `data.yaml` (https://docs.ultralytics.com/datasets/detect), or with CVAT's YOLO 1.1 `obj.data`.

    `train`, `val` and `test` are folders of pictures or text files that list them, one or several, with either slash,
    relative to `path` or to the yaml's folder; what is not there is looked for without a leading `../`, as Ultralytics
    does for Roboflow's exports. The labels of `.../images/x.png` are in `.../labels/x.txt`, else beside the picture.

    A line is a class and center x, center y, width, height as fractions of the frame; then a track, or a confidence and
    a track, as `yolo track save_txt` writes them; or a polygon, of which the bounding box is taken. An empty file is an
    empty frame, and so is a missing one, but where files stand at every k-th frame only, those between are unlabelled.

    Pictures are put together to videos by their names, see `group_frames`, if all of them have one size.

    Args:
        source: the folder, or its yaml file. split: `train`, `val` or `test`. progress: around the videos.

    Raises:
        InputError: a missing or wrong file, a class that is not listed or is twice; the message names file and line.
    """

    def __init__(self, source: Path, split: str, progress: Progress = no_progress):
        names, entries = _read_index(source)
        check_split(split, [name for name in _SPLITS if entries.get(name)], source)
        pictures = list(dict.fromkeys(picture for place in entries[split] for picture in _pictures(place, source)))
        if not pictures:
            raise InputError(f"{source}: there are no pictures in {', '.join(map(str, entries[split]))}.")
        label_files = {os.fspath(picture): _label_file(picture) for picture in pictures}
        if not any(file.is_file() for file in label_files.values()):
            raise InputError(f"no label file {next(iter(label_files.values()))}, nor one for any other picture.")
        root = Path(os.path.commonpath([picture.parent for picture in pictures]))
        by_name = {picture.relative_to(root).as_posix(): picture for picture in pictures}
        videos, single = [], 0
        for name, frames in progress(list(group_frames(list(by_name)).items())):
            files = [by_name[file] for _, file in frames]
            numbers = [number for number, _ in frames]
            for video in _videos(name, numbers, files, label_files, len(names)):
                videos.append(video)
                single += video.length == 1
        note = f"{len(pictures):,} pictures are read as {len(videos) - single:,} videos and {single:,} single pictures."
        super().__init__(names, videos, [note])


def _videos(
    name: str, numbers: Sequence[int], files: Sequence[Path], label_files: dict[str, Path], classes: int
) -> list[ListedVideo]:
    """One video; or one for each picture where their sizes differ."""
    sizes = [read_picture(file).shape[1::-1] for file in dict.fromkeys((files[0], files[-1]))]
    if len(set(sizes)) > 1:
        return [
            _video(f"{name}_{number}", [0], [file], read_picture(file).shape[1::-1], label_files, classes)
            for number, file in zip(numbers, files, strict=True)
        ]
    return [_video(name, numbers, files, sizes[0], label_files, classes)]


def _video(
    name: str,
    numbers: Sequence[int],
    files: Sequence[Path],
    size: tuple[int, int],
    label_files: dict[str, Path],
    classes: int,
) -> ListedVideo:
    own = [label_files[os.fspath(file)] for file in files]
    labelled = [place for place, file in enumerate(own) if file.is_file()]
    frames: dict[int, YoloFrame] = {place: read_yolo_labels(own[place], size, classes) for place in labelled}
    gap = label_gap([labelled])
    between = frozenset(range(len(files))) - set(range(labelled[0] % gap, len(files), gap)) if gap > 1 else frozenset()
    # Where frames between were never kept, those that are there follow each other more slowly.
    span = max(1, (numbers[-1] - numbers[0])) / max(1, len(numbers) - 1)
    return ListedVideo(
        name,
        *size,
        len(files),
        DEFAULT_FPS / span,
        list(files),
        {place: frame.entries for place, frame in frames.items()},
        {place: frame.changes for place, frame in frames.items()},
        between,
    )


def _label_file(picture: Path) -> Path:
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            return Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
    return picture.with_suffix(".txt")


def _pictures(place: Path, source: Path) -> list[Path]:
    """The pictures of a folder, those below it as well, or of a list."""
    if place.is_dir():
        return sorted((path for path in place.rglob("*") if is_picture(path) and path.is_file()), key=natural_order)
    lines = [line.strip().replace("\\", "/") for line in read_text(place, _EXPECTED).splitlines()]
    found = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        # CVAT writes data/obj_train_data/x.png for obj_train_data/x.png beside the list.
        tries = [place.parent / line, place.parent / line.partition("/")[2]]
        path = next((path for path in tries if path.is_file()), None)
        if path is None:
            raise InputError(f"{place}:{number}: there is no picture {line}. Copy the data set again.")
        found.append(path)
    return found


def _read_index(source: Path) -> tuple[list[str], dict[str, list[Path]]]:
    """Class names, and split -> folders or lists."""
    file = _index_file(source)
    if file is None:
        raise InputError(f"no data.yaml in {source}. {_EXPECTED}.")
    text = read_text(file, _EXPECTED)
    if file.suffix == ".data":
        return _read_obj_data(file, text)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file} is not readable YAML: {' '.join(str(error).split())}. {_EXPECTED}.") from error
    if not isinstance(document, dict) or "names" not in document:
        raise InputError(f"{file} has no names. {_EXPECTED}.")
    root = file.parent / str(document.get("path") or "").replace("\\", "/")
    # As Ultralytics: a path of the machine that the set was made on is no reason to fail.
    root = root if root.is_dir() else file.parent
    splits: dict[str, list[Path]] = {}
    for split in _SPLITS:
        entries = document.get(split) or document.get("valid" if split == "val" else "") or []
        for entry in entries if isinstance(entries, list) else [entries]:
            splits.setdefault(split, []).append(_place(str(entry), root, file, split))
    return _names(document["names"], file), splits


def _place(entry: str, root: Path, file: Path, split: str) -> Path:
    entry = entry.replace("\\", "/")
    tries = [root / entry, *([root / entry[3:]] if entry.startswith("../") else [])]
    if found := next((path for path in tries if path.exists()), None):
        return found
    raise InputError(f"{file}: {split} is {entry}, but there is no folder or list {tries[0]}.")


def _read_obj_data(file: Path, text: str) -> tuple[list[str], dict[str, list[Path]]]:
    values = dict(
        (part.strip().strip("'\"") for part in line.split("=", 1)) for line in text.splitlines() if "=" in line
    )
    names = file.with_name("obj.names")
    listed = read_text(names, "Expected obj.names beside obj.data, a class on each line").splitlines()
    splits = {}
    for split, key in (("train", "train"), ("val", "valid"), ("test", "test")):
        if key in values:
            splits[split] = [file.with_name(values[key].replace("\\", "/").rpartition("/")[2])]
    return _names([line for line in listed if line.strip()], names), splits


def _names(names: Any, file: Path) -> list[str]:
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise InputError(f"{file}: the numbers of names must be 0, 1, 2 ... Received: {', '.join(map(str, names))}")
        names = [names[number] for number in sorted(names)]
    names = [str(name).strip() for name in names] if isinstance(names, list) else []
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or not all(names) or twice:
        raise InputError(f"{file}: names must be different texts. Received: {f'{twice} twice' if twice else names}")
    return names


def _index_file(source: Path) -> Path | None:
    if source.is_file():
        return source if source.suffix in (".yaml", ".yml") else None
    names = ("data.yaml", "data.yml", "dataset.yaml", "obj.data")
    return next((source / name for name in names if (source / name).is_file()), None)


def _found_splits(source: Path) -> list[str]:
    try:
        if _index_file(source) is None:
            return []
        _, splits = _read_index(source)
    except InputError:
        # Of this form, and wrong: opening it says what is.
        return ["train"]
    return list(splits)


FORM = Form(
    "yolo",
    "YOLO: data.yaml with names, train, val and test, labels/*.txt; or obj.data as CVAT's YOLO 1.1 has it",
    _found_splits,
    lambda source, split, media, progress: YoloFolder(source, split, progress),
)
