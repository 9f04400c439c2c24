"""Which way up a picture is: EXIF's eight orientations, found in a file and applied to pixels and to boxes."""

from __future__ import annotations

import struct

import cv2
import numpy as np

UPRIGHT = 1
# EXIF orientation -> whether rows and columns change places, then whether columns and whether rows are reversed.
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
# A video's rotation metadata, degrees clockwise, as EXIF says the same.
OF_ROTATION: dict[float, int] = {90: 6, 180: 3, 270: 8}
_TAG = 0x112


def turns_sides(orientation: int) -> bool:
    """Whether width and height change places between the picture as it is stored and upright."""
    return _TURNS[orientation][0]


def turn_picture(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a (height, width, channels) array as it is stored upright; one that is upright is given back itself."""
    swap, columns, rows = _TURNS[orientation]
    if swap:
        picture = cv2.transpose(picture)
    if columns or rows:
        picture = cv2.flip(picture, -1 if columns and rows else int(columns))
    return picture


def turn_boxes(boxes: np.ndarray, orientation: int, width: int, height: int) -> np.ndarray:
    """Turns boxes along with their picture.

    Args:
        boxes: (n, 4), x1, y1, x2, y2 in pixels of the picture as it is stored.
        orientation: EXIF's, 1 to 8.
        width, height: of the picture as it is stored, in pixels.

    Returns:
        The same of the upright picture, an array of its own.
    """
    swap, columns, rows = _TURNS[orientation]
    boxes = boxes[:, [1, 0, 3, 2]] if swap else boxes.copy()
    width, height = (height, width) if swap else (width, height)
    if columns:
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    if rows:
        boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
    return boxes


def exif_orientation(content: bytes) -> tuple[int, int | None]:
    """The orientation that an image file states, and where in the file its two bytes stand.

    Read here and not by OpenCV: 4.11 does not heed it in WebP, 5 does, and both fail on some TIFF files.

    Args:
        content: of a JPEG, PNG, WebP or TIFF file; any other states none.

    Returns:
        1 to 8, and the offset; 1 and None where none is stated, or none that makes sense.
    """
    try:
        start = _tiff_start(content)
        return (UPRIGHT, None) if start is None else _tag_in(content, start)
    except struct.error:
        # The file is cut off within its metadata.
        return UPRIGHT, None


def _tiff_start(content: bytes) -> int | None:
    if content[:4] in (b"II*\0", b"MM\0*"):
        return 0
    if content[:2] == b"\xff\xd8":
        return _in_segments(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return _in_chunks(content, 8, ">I4s", b"eXIf", 12)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _in_chunks(content, 12, "<4sI", b"EXIF", 8)
    return None


def _in_segments(content: bytes) -> int | None:
    at = 2
    while content[at : at + 1] == b"\xff":
        marker, size = struct.unpack_from(">BH", content, at + 1)
        if marker == 0xE1 and content[at + 4 : at + 10] == b"Exif\0\0":
            return at + 10
        # Behind this one stand the pixels.
        if marker == 0xDA:
            return None
        at += 2 + size
    return None


def _in_chunks(content: bytes, at: int, header: str, name: bytes, overhead: int) -> int | None:
    while at + 8 <= len(content):
        first, second = struct.unpack_from(header, content, at)
        kind, size = (second, first) if header == ">I4s" else (first, second)
        if kind == name:
            # Some writers of WebP keep JPEG's preamble.
            return at + 8 + (6 if content[at + 8 : at + 14] == b"Exif\0\0" else 0)
        # Chunks of RIFF have an even size.
        at += overhead + size + (size % 2 if header == "<4sI" else 0)
    return None


def _tag_in(content: bytes, start: int) -> tuple[int, int | None]:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[start : start + 4])
    if order is None:
        return UPRIGHT, None
    directory = start + struct.unpack_from(order + "I", content, start + 4)[0]
    for number in range(struct.unpack_from(order + "H", content, directory)[0]):
        entry = directory + 2 + 12 * number
        tag, kind, count = struct.unpack_from(order + "HHI", content, entry)
        if (tag, kind, count) == (_TAG, 3, 1):
            value = struct.unpack_from(order + "H", content, entry + 8)[0]
            return (value, entry + 8) if value in _TURNS else (UPRIGHT, None)
    return UPRIGHT, None
