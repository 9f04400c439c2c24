"""YOLO's label files: a line an object, fractions of the frame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import Annotation
from keras_sge.data.formats.form import read_text

_EXPECTED = "Expected `CLASS X Y WIDTH HEIGHT [CONFIDENCE] [TRACK]` or `CLASS X1 Y1 X2 Y2 ...`, fractions of the frame"
POLYGON = "taken as the bounding box of a polygon"


class YoloFrame(NamedTuple):
    """What one file says: entries in pixels, and a reason for each that is not taken as it stands."""

    entries: list[Annotation]
    changes: list[str]


def read_yolo_labels(path: Path, size: tuple[int, int], classes: int) -> YoloFrame:
    """Reads one file.

    Of 6 columns the last one is a track if it is a whole number from 1, and else a confidence, which labels do not
    need; of 7 columns that end in such a number the last two are both. All longer lines are polygons.

    Args:
        path: the file. size: width and height of its frame in pixels. classes: how many there are.

    Raises:
        InputError: a line is none of these, or of a class that there is not; the message has file and line.
    """
    frame = YoloFrame([], [])
    for number, line in enumerate(read_text(path, _EXPECTED).splitlines(), 1):
        if words := line.split():
            entry, polygon = _entry(words, f"{path}:{number}", size, classes)
            frame.entries.append(entry)
            frame.changes.extend([POLYGON] * polygon)
    return frame


def _entry(words: list[str], where: str, size: tuple[int, int], classes: int) -> tuple[Annotation, bool]:
    try:
        kind, *values = (float(word) for word in words)
    except ValueError as error:
        raise InputError(f"{where} is not understood: {error}. {_EXPECTED}.") from error
    if not all(map(math.isfinite, (kind, *values))):
        raise InputError(f"{where} has a number that is none. {_EXPECTED}.")
    if kind not in range(classes):
        raise InputError(f"{where} has class {words[0]}; names has 0 to {classes - 1}.")
    has_track = len(words) in (6, 7) and words[-1].isdecimal() and int(words[-1]) >= 1
    polygon = len(words) >= 7 and not has_track
    if len(words) < 5 or (polygon and len(words) % 2 == 0):
        raise InputError(f"{where} has {len(words)} columns. {_EXPECTED}.")
    if polygon:
        x1, y1, x2, y2 = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    else:
        x, y, width, height = values[:4]
        x1, y1, x2, y2 = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    columns, rows = size
    corners = x1 * columns, y1 * rows, x2 * columns, y2 * rows
    return Annotation(corners, int(kind), int(words[-1]) if has_track else None), polygon
