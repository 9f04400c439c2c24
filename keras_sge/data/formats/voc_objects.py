"""One XML file of Pascal VOC: the frame's size and what is in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import LARGEST_SIDE, finite_number
from keras_sge.data.formats.form import read_xml

_EXPECTED = "Expected an annotation of Pascal VOC"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NO_BOX = "left out: no bndbox"
# How much of a file is looked at to know it.
_BEGINNING = 4096


class VocObject(NamedTuple):
    """One object: its class, x1, y1, x2, y2 in pixels as they stand, its track, and whether it is `difficult`."""

    name: str
    corners: tuple[float, float, float, float]
    track: int | str | None
    difficult: bool


@dataclass(frozen=True)
class VocFrame:
    """One file.

    Attributes:
        path: the file. picture: as it names it, with forward slashes; empty where it names none.
        size: width and height in pixels; None where it does not say, or says 0.
        objects: in the file's order. left_out: the reason for each object that was not taken.
    """

    path: Path
    picture: str
    size: tuple[int, int] | None
    objects: list[VocObject]
    left_out: list[str]


def is_voc(path: Path) -> bool:
    """Whether a file's first element is `annotation`."""
    try:
        with path.open("rb") as file:
            first = re.search(rb"<([A-Za-z_][\w.-]*)", file.read(_BEGINNING))
    except OSError:
        return False
    return first is not None and first[1] == b"annotation"


def read_voc_frame(path: Path) -> VocFrame:
    """Reads one file; objects without `bndbox`, such as polygons and rotated boxes, are left out.

    Raises:
        InputError: it is missing or unreadable, or an object lacks its name or a number; the message names the object.
    """
    root = read_xml(path, _EXPECTED)
    if root.tag != "annotation":
        raise InputError(f"{path} has the root {root.tag[:40]!r}. {_EXPECTED}, whose root is 'annotation'.")
    objects, left_out = [], []
    for number, entry in enumerate(root.iterfind("object"), start=1):
        where = f"{path}: object {number}"
        name = (entry.findtext("name") or "").strip()
        if not name:
            raise InputError(f"{where} lacks its name. {_EXPECTED}.")
        if entry.find("bndbox") is None:
            left_out.append(_NO_BOX)
            continue
        x1, y1, x2, y2 = (_number(entry, f"bndbox/{side}", where) for side in _SIDES)
        difficult = (entry.findtext("difficult") or "").strip().lower() in ("1", "true")
        objects.append(VocObject(name, (x1, y1, x2, y2), _track(entry), difficult))
    picture = (root.findtext("filename") or "").strip().replace("\\", "/")
    return VocFrame(path, picture, _size(root, path), objects, left_out)


def _size(root: ElementTree.Element, path: Path) -> tuple[int, int] | None:
    if root.find("size/width") is None or root.find("size/height") is None:
        return None
    width, height = (_number(root, f"size/{side}", str(path)) for side in ("width", "height"))
    if width == height == 0:
        return None
    if not all(1 <= side <= LARGEST_SIDE and side.is_integer() for side in (width, height)):
        raise InputError(
            f"{path}: the frame's sides must be whole numbers, 1 to {LARGEST_SIDE}. Received: {width:g} x {height:g}"
        )
    return int(width), int(height)


def _number(entry: ElementTree.Element, part: str, where: str) -> float:
    text = entry.findtext(part)
    if text is None:
        raise InputError(f"{where} lacks {part}. {_EXPECTED}.")
    try:
        return finite_number(float(text), f"{where}: {part}")
    except ValueError:
        raise InputError(f"{where}: {part} must be a number. Received: {text.strip()[:40]!r}") from None


def _track(entry: ElementTree.Element) -> int | str | None:
    """The track as CVAT writes it, among the attributes; None where there is none."""
    for attribute in entry.iterfind("attributes/attribute"):
        if (attribute.findtext("name") or "").strip() == "track_id":
            text = (attribute.findtext("value") or "").strip()
            return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else text or None
    return None
