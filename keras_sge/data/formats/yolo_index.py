"""What a YOLO data set holds, as its `data.yaml` or CVAT's `obj.data` says: classes, and the pictures of a split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from edge.errors import InputError
from edge.video.pictures import is_picture, natural_order
from keras_sge.data.formats.form import read_text

_FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.data")
_SPLITS = ("train", "val", "test")
_EXPECTED = "Expected YOLO's data.yaml with names, and train, val or test"
_NOTHING = ("", "~", "null")


class YoloPicture(NamedTuple):
    """A picture as the data set calls it, which need not be there; its label file, None where there is none; and
    whether a list names it."""

    path: Path
    label: Path | None
    listed: bool


@dataclass(frozen=True)
class YoloIndex:
    """The content of `data.yaml` or `obj.data`.

    Attributes:
        file: which of them. root: the folder that relative names start from.
        names: of the classes. keypoints: how many numbers of keypoints stand behind a box, 0 but for a pose set.
        places: split -> folders of pictures and text files that list some, as they are written, with forward slashes.
    """

    file: Path
    root: Path
    names: list[str]
    keypoints: int
    places: dict[str, list[str]]

    @property
    def splits(self) -> list[str]:
        """The splits of which something is there; all, where nothing is."""
        found = [
            split
            for split, entries in self.places.items()
            if any(os.path.exists(path) for entry in entries for path in _candidates(entry, [self.root]))
        ]
        return found or list(self.places)

    def pictures(self, split: str) -> list[YoloPicture]:
        """The pictures of one split, in natural order or as listed; those that label files are of, if there are none.

        Raises:
            InputError: a folder or list is missing or has no picture.
        """
        found = [picture for entry in self.places[split] for picture in self._of_place(split, entry)]
        return list({os.path.abspath(picture.path): picture for picture in found}.values())

    def _of_place(self, split: str, entry: str) -> list[YoloPicture]:
        candidates = _candidates(entry, [self.root])
        place = next(filter(os.path.exists, candidates), None)
        if place is not None and place.is_file():
            lines = [line.strip().replace("\\", "/") for line in read_text(place, _EXPECTED).splitlines()]
            return [_listed(_candidates(line, [place.parent, self.root])) for line in lines if line]
        paths = _below(place, is_picture) if place else []
        if paths:
            return [YoloPicture(path, _find_label([path]), False) for path in paths]
        # Labels came without their pictures.
        for folder in candidates:
            labels = label_path(folder / "x").parent
            files = _below(labels, _is_text) if labels != folder and os.path.isdir(labels) else []
            if files:
                return [YoloPicture(folder / file.relative_to(labels), file, False) for file in files]
        lacks = "there are no pictures there" if place else f"there is no folder or list {candidates[0]}"
        raise InputError(f"{self.file}: {split} is {entry}, but {lacks}.")


def index_file(source: Path) -> Path | None:
    """The `data.yaml` or `obj.data` that a source is or holds; None where there is none."""
    if source.is_file():
        return source if source.suffix in (".yaml", ".yml") else None
    return next((source / name for name in _FILES if (source / name).is_file()), None)


def read_index(source: Path) -> YoloIndex:
    """Reads `data.yaml` or `obj.data`.

    Raises:
        InputError: it is missing or unreadable, or names a class twice or none; the message names the file.
    """
    file = index_file(source)
    if file is None:
        raise InputError(f"no data.yaml in {source}. {_EXPECTED}.")
    text = read_text(file, _EXPECTED)
    if file.suffix == ".data":
        return _read_obj_data(file, text)
    try:
        document = yaml.load(text, _TextLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file} is not readable YAML: {' '.join(str(error).split())}. {_EXPECTED}.") from error
    if not isinstance(document, dict) or "names" not in document:
        raise InputError(f"{file} has no names. {_EXPECTED}.")
    names = _numbered(document["names"], file)
    if "nc" in document and str(document["nc"]).strip() != str(len(names)):
        raise InputError(f"{file}: nc is {document['nc']}, but there are {len(names)} names. Correct one of them.")
    # A path of the machine that the set was made on is no reason to fail.
    root = file.parent.joinpath(*_texts(document.get("path"), "path", file)[:1])
    root = root if os.path.isdir(root) else file.parent
    places = {
        split: _texts(document.get(split), split, file)
        or (_texts(document.get("valid"), "valid", file) if split == "val" else [])
        for split in _SPLITS
    }
    places = {split: entries for split, entries in places.items() if entries}
    return YoloIndex(file, root, names, _keypoints(document.get("kpt_shape"), file), places)


class _TextLoader(yaml.BaseLoader):
    """YAML whose values stay texts, for classes named `no` or `007`, and whose keys are there once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if twice := next((key for place, key in enumerate(keys) if key in keys[:place]), None):
            raise yaml.YAMLError(f"{twice} is there twice")
        return super().construct_mapping(node, deep)


def _texts(value: Any, key: str, file: Path) -> list[str]:
    """The names of one or several folders or lists, with forward slashes."""
    entries = value if isinstance(value, list) else [value or ""]
    if not all(isinstance(entry, str) for entry in entries):
        raise InputError(f"{file}: {key} must be a text or a list of texts. Received: {str(value)[:60]}")
    return [entry.strip().replace("\\", "/") for entry in entries if entry.strip() not in _NOTHING]


def _numbered(names: Any, file: Path) -> list[str]:
    if isinstance(names, dict):
        numbers = [int(key) if key.isdecimal() and len(key) < 10 else key for key in map(str, names)]
        if set(numbers) != set(range(len(names))):
            raise InputError(f"{file}: the numbers of names must be 0, 1, 2 ... Received: {', '.join(map(str, names))}")
        names = [name for _, name in sorted(zip(numbers, names.values(), strict=True))]
    return _distinct(names if isinstance(names, list) else [], file)


def _distinct(names: Sequence[Any], file: Path) -> list[str]:
    names = [name.strip() if isinstance(name, str) else "" for name in names]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if not names or not all(names) or twice:
        raise InputError(f"{file}: names must be different texts. Received: {f'{twice} twice' if twice else names}")
    return names


def _keypoints(shape: Any, file: Path) -> int:
    if shape in (None, *_NOTHING):
        return 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(str(one).isdecimal() for one in shape)):
        raise InputError(f"{file}: kpt_shape must be [points, 2 or 3]. Received: {str(shape)[:60]}")
    return int(shape[0]) * int(shape[1])


def _read_obj_data(file: Path, text: str) -> YoloIndex:
    values = dict(
        (part.strip().strip("'\"") for part in line.split("=", 1)) for line in text.splitlines() if "=" in line
    )
    path = file.with_name("obj.names")
    names = read_text(path, "Expected obj.names beside obj.data, a class on each line").rstrip().splitlines()
    # CVAT writes data/train.txt for train.txt beside obj.data.
    places = {
        split: [values[key].replace("\\", "/").rpartition("/")[2]]
        for split, key in (("train", "train"), ("val", "valid"), ("test", "test"))
        if values.get(key)
    }
    return YoloIndex(file, file.parent, _distinct(names, path), 0, places)


def _candidates(name: str, folders: Iterable[Path]) -> list[Path]:
    """Where a file or folder may lie, best first: as it is named, then without `../` and what stands before its last
    two parts, which names a folder of another machine or, in CVAT's, one that there is not."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    ends = [parts[start:] for start in range(max(1, len(parts) - 1))]
    return [path for folder in folders for path in (folder / name, *(folder.joinpath(*end) for end in ends))]


def _listed(candidates: Sequence[Path]) -> YoloPicture:
    path = next(filter(os.path.isfile, candidates), None)
    return YoloPicture(path or candidates[0], _find_label([path] if path else candidates), True)


def _find_label(pictures: Sequence[Path]) -> Path | None:
    files = (label for path in pictures for label in (label_path(path), _text_beside(path)))
    return next(filter(os.path.isfile, files), None)


def label_path(picture: Path) -> Path:
    """Where Ultralytics looks for the labels of a picture: in `.../labels/x.txt` for `.../images/x.png`, of the last
    folder of this name; else beside the picture."""
    parts = picture.parts
    place = next((place for place in range(len(parts) - 2, -1, -1) if parts[place] == "images"), None)
    return _text_beside(picture if place is None else Path(*parts[:place], "labels", *parts[place + 1 :]))


def _text_beside(picture: Path) -> Path:
    # Unlike with_suffix this takes any text of a list, such as ".".
    return picture.parent / f"{picture.stem}.txt"


def _is_text(path: Path) -> bool:
    return path.suffix == ".txt" and not path.name.startswith(".")


def _below(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    return sorted((path for path in folder.rglob("*") if wanted(path) and path.is_file()), key=natural_order)
