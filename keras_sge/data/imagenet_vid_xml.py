"""One frame's annotation of ImageNet VID."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from edge.errors import InputError
from keras_sge.data.annotation_values import LARGEST_SIDE, Annotation, build_frame_labels
from keras_sge.data.imagenet_vid_classes import VID_CLASSES
from keras_sge.data.video_dataset import FrameLabels

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

    A box whose opposite sides coincide is left out: the field's reference readers let such boxes pass, but nothing can
    overlap them.

    Args:
        path: the XML file. width, height: of the frame in pixels.

    Raises:
        InputError: the file is missing or unreadable, an object lacks a part, its wnid is none of the 30, or its box
            has no area inside the frame.
    """
    entries, left_out = [], 0
    for number, entry in enumerate(_parse(path).iterfind("object"), start=1):
        where = f"{path}: object {number}"
        wnid = (entry.findtext("name") or "").strip()
        if wnid not in _CLASS_OF:
            raise InputError(
                f"{where} has the name {wnid!r}. Expected one of the 30 WordNet ids of ImageNet VID, such as n02691156."
            )
        x1, y1, x2, y2 = (_number(entry, f"bndbox/{side}", where, float) for side in _SIDES)
        if x1 == x2 or y1 == y2:
            left_out += 1
            continue
        if not (max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)):
            raise InputError(
                f"{where} has the box xmin {x1:g}, ymin {y1:g}, xmax {x2:g}, ymax {y2:g}, which has no area inside the "
                f"frame of {width} x {height} px. Correct it, or remove the object."
            )
        track = _number(entry, "trackid", where, int)
        if not -(2**31) <= track < 2**31:
            raise InputError(f"{where}: trackid must fit into 32 bits. Received: {entry.findtext('trackid')[:40]}")
        entries.append(Annotation((x1, y1, x2, y2), _CLASS_OF[wnid], track))
    return build_frame_labels(entries, width, height, left_out)


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
