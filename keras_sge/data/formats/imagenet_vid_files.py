"""ImageNet VID's folders, annotations and lists as they lie on disk."""

from __future__ import annotations

import math
import os
from pathlib import Path
from xml.etree import ElementTree

from edge.errors import InputError
from keras_sge.data.dataset import FrameLabels
from keras_sge.data.formats.annotation_values import LARGEST_SIDE, Annotation, build_frame_labels
from keras_sge.progress import Progress, no_progress

# WordNet id -> name, in the order of the field, which is that of the names.
VID_CLASSES = {
    "n02691156": "airplane",
    "n02419796": "antelope",
    "n02131653": "bear",
    "n02834778": "bicycle",
    "n01503061": "bird",
    "n02924116": "bus",
    "n02958343": "car",
    "n02402425": "cattle",
    "n02084071": "dog",
    "n02121808": "domestic_cat",
    "n02503517": "elephant",
    "n02118333": "fox",
    "n02510455": "giant_panda",
    "n02342885": "hamster",
    "n02374451": "horse",
    "n02129165": "lion",
    "n01674464": "lizard",
    "n02484322": "monkey",
    "n03790512": "motorcycle",
    "n02324045": "rabbit",
    "n02509815": "red_panda",
    "n02411705": "sheep",
    "n01726692": "snake",
    "n02355227": "squirrel",
    "n02129604": "tiger",
    "n04468005": "train",
    "n01662784": "turtle",
    "n04530566": "watercraft",
    "n02062744": "whale",
    "n02391049": "zebra",
}


_CLASS_OF = {wnid: index for index, wnid in enumerate(VID_CLASSES)}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_frame_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the annotation's `size`.

    Raises:
        InputError: the file is missing or unreadable, or its size is no pair of numbers above 0.
    """
    root = _parse(path)
    width, height = (_number(root, f"size/{side}", path, int) for side in ("width", "height"))
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise InputError(f"{path}: the frame's sides must be 1 to {LARGEST_SIDE} px. Received: {width} x {height}")
    return width, height


def read_frame_labels(path: Path, width: int, height: int) -> FrameLabels:
    """The objects of one frame, in the file's order; coordinates as they stand, clipped to the frame.

    A box without area inside the frame is left out: the field's reference readers let such boxes pass, but nothing can
    overlap them.

    Args:
        path: the XML file. width, height: of the frame in pixels.

    Raises:
        InputError: the file is missing or unreadable, an object lacks a part, or its wnid is none of the 30.
    """
    entries = []
    for number, entry in enumerate(_parse(path).iterfind("object"), start=1):
        where = f"{path}: object {number}"
        wnid = (entry.findtext("name") or "").strip()
        if wnid not in _CLASS_OF:
            raise InputError(
                f"{where} has the name {wnid!r}. Expected one of the 30 WordNet ids of ImageNet VID, such as n02691156."
            )
        x1, y1, x2, y2 = (_number(entry, f"bndbox/{side}", where, float) for side in _SIDES)
        track = _number(entry, "trackid", where, int)
        if not -(2**31) <= track < 2**31:
            raise InputError(f"{where}: trackid must fit into 32 bits. Received: {entry.findtext('trackid')[:40]}")
        entries.append(Annotation((x1, y1, x2, y2), _CLASS_OF[wnid], track))
    return build_frame_labels(entries, width, height)


def _parse(path: Path) -> ElementTree.Element:
    try:
        with path.open("rb") as file:
            return ElementTree.parse(file).getroot()
    except FileNotFoundError as error:
        raise InputError(f"no annotation {path}. Expected one XML file for each frame.") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not readable XML: {error}. Extract it again.") from error


def _number(entry: ElementTree.Element, part: str, where: object, kind: type[int] | type[float]) -> int | float:
    text = entry.findtext(part)
    if text is None:
        raise InputError(f"{where} lacks {part}. Expected an annotation of ImageNet VID.")
    try:
        number = kind(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    except (ValueError, OverflowError) as error:
        expected = "a whole number" if kind is int else "a number"
        raise InputError(f"{where}: {part} must be {expected}. Received: {text!r}") from error


def index_imagenet_vid(images: Path, annotations: Path, progress: Progress = no_progress) -> list[tuple[str, int]]:
    """Lists the videos of one split; no file is opened.

    Args:
        images: `ROOT/Data/VID/SPLIT`. annotations: `ROOT/Annotations/VID/SPLIT`. Both hold one folder a video, directly
            or in packages such as `ILSVRC2015_VID_train_0000`.
        progress: around the videos.

    Returns:
        (folder below `images` and `annotations`, number of frames), sorted by folder.

    Raises:
        InputError: a folder is missing; a video or a frame is in one tree and not in the other; frames are not numbered
            000000, 000001 and on; two videos have one name.
    """
    for folder in (annotations, images):
        if not folder.is_dir():
            found = ", ".join(sorted(_folders(folder.parent))) if folder.parent.is_dir() else ""
            raise InputError(
                f"no folder {folder}. Expected ImageNet VID with Data/VID/{folder.name} and Annotations/VID/"
                f"{folder.name}; splits found: {found or 'none'}."
            )
    videos, pictured = _video_folders(annotations), _video_folders(images)
    # A package that is empty in one tree looks like a video there.
    packages = {video.partition("/")[0] for video in (*videos, *pictured) if "/" in video}
    videos, pictured = ([video for video in part if video not in packages] for part in (videos, pictured))
    for here, there, root in ((pictured, videos, annotations), (videos, pictured, images)):
        if lacking := sorted(set(here) - set(there)):
            raise InputError(f"no folder {root / lacking[0]} ({len(lacking)} such videos). Extract the archive again.")
    if not videos:
        raise InputError(f"{annotations} holds no video. Expected folders such as ILSVRC2015_val_00000000 in it.")
    _refuse_shared_names(videos, annotations)
    return [(video, _frames(images / video, annotations / video)) for video in progress(videos)]


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _video_folders(root: Path) -> list[str]:
    videos = []
    for name in _folders(root):
        inner = _folders(root / name) if _is_package(root / name) else None
        videos += [name] if inner is None else [f"{name}/{video}" for video in inner]
    return sorted(videos)


def _is_package(folder: Path) -> bool:
    # The first entry tells: listing all frames twice would double the time.
    with os.scandir(folder) as entries:
        return next((entry.is_dir() for entry in entries if not entry.name.startswith(".")), False)


def _refuse_shared_names(videos: list[str], annotations: Path) -> None:
    place: dict[str, str] = {}
    for video in videos:
        other = place.setdefault(video.rpartition("/")[2], video)
        if other != video:
            raise InputError(f"{annotations} holds two videos of one name, {other} and {video}. Rename or remove one.")


def _frames(images: Path, annotations: Path) -> int:
    pictures, labels = _stems(images, ".JPEG"), _stems(annotations, ".xml")
    if pictures != labels:
        for more, fewer, path in (
            (pictures, labels, annotations / "{}.xml"),
            (labels, pictures, images / "{}.JPEG"),
        ):
            if lacking := sorted(more - fewer):
                raise InputError(
                    f"no file {str(path).format(lacking[0])} ({len(lacking)} such frames): each frame needs an image "
                    "and an annotation. Extract the archive again."
                )
    if not labels:
        raise InputError(f"{annotations} holds no frame. Expected 000000.xml and on.")
    gap = next((number for number in range(len(labels)) if f"{number:06d}" not in labels), None)
    if gap is not None:
        raise InputError(
            f"{annotations} has {len(labels)} frames but no {gap:06d}.xml. Expected frames numbered from 000000 "
            "without a gap."
        )
    return len(labels)


def _stems(folder: Path, suffix: str) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name[: -len(suffix)] for entry in entries if entry.name.endswith(suffix)}
