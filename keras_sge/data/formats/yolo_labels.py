"""YOLO's label files: a line an object, fractions of the frame, and what else tools write behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import Annotation
from keras_sge.data.formats.form import read_text

POLYGON = "taken as the bounding box of a polygon"
_EXPECTED = "Expected `CLASS X Y WIDTH HEIGHT [CONFIDENCE] [TRACK]` or `CLASS X1 Y1 X2 Y2 ...`, fractions of the frame"
_BOX = 5
# A whole number as a track is one: digits alone, and not very many.
_MOST_DIGITS = 15
_FLAGS = ("0", "1")


class YoloLine(NamedTuple):
    """One line: its file and number for people, and its words."""

    where: str
    words: tuple[str, ...]


class YoloEndings(NamedTuple):
    """How the lines of a data set end: whether those of 6 columns end in a track (else in a confidence), and those of
    7, 9, 11 ... in a confidence and a track (else in the last point of a polygon)."""

    track: bool
    scored_track: bool


class YoloFrame(NamedTuple):
    """What one file says: entries in pixels, and a reason for each that is not taken as it stands."""

    entries: list[Annotation]
    changes: list[str]


def read_yolo_lines(path: Path, keypoints: int = 0) -> list[YoloLine]:
    """The lines of one file, without keypoints.

    Args:
        path: the file. keypoints: how many numbers of keypoints follow the box, as the set's `kpt_shape` says.

    Raises:
        InputError: it is unreadable, or a line has too few columns for its keypoints.
    """
    lines = []
    for number, line in enumerate(read_text(path, _EXPECTED).splitlines(), 1):
        words = tuple(line.split())
        if keypoints and _BOX < len(words) < _BOX + keypoints:
            raise InputError(
                f"{path}:{number} has {len(words)} columns. Expected {_BOX + keypoints}: kpt_shape is of {keypoints} "
                "numbers."
            )
        if words:
            lines.append(YoloLine(f"{path}:{number}", words[:_BOX] + words[_BOX + keypoints :]))
    return lines


def find_endings(files: Iterable[Sequence[YoloLine]]) -> YoloEndings:
    """What the lines of a whole data set end in: one line does not tell, for a confidence can be 1 and a polygon can
    end at the frame's edge.

    Tracks are whole numbers, from 0 in CVAT's exports. Of two numbers alone that are twice in a file, none is a track.
    """
    ends: set[str] = set()
    scored: set[tuple[int, str]] = set()
    twice = False
    for lines in files:
        own = [words[-1] for words in {line.words for line in lines if len(line.words) == _BOX + 1}]
        twice |= len(set(own)) < len(own)
        ends.update(own)
        scored.update((len(line.words), line.words[-1]) for line in lines if _is_odd(line.words))
    return YoloEndings(
        bool(ends) and all(map(_is_whole, ends)) and (len(ends) > 2 or not twice),
        # Longer lines are polygons more often: they need a number that is no fraction.
        bool(scored)
        and all(_is_whole(end) for _, end in scored)
        and any(columns == _BOX + 2 or end not in _FLAGS for columns, end in scored),
    )


def read_yolo_frame(
    lines: Sequence[YoloLine], size: tuple[int, int], classes: int, endings: YoloEndings
) -> YoloFrame:
    """What the lines of one file say.

    Args:
        lines: of `read_yolo_lines`. size: width and height of the frame in pixels. classes: how many there are.
        endings: what the lines of the set end in.

    Raises:
        InputError: a line is none of what is expected, or of a class that there is not; the message has file and line.
    """
    frame = YoloFrame([], [])
    for line in lines:
        entry, polygon = _entry(line.words, line.where, size, classes, endings)
        frame.entries.append(entry)
        frame.changes.extend([POLYGON] * polygon)
    return frame


def _entry(
    words: Sequence[str], where: str, size: tuple[int, int], classes: int, endings: YoloEndings
) -> tuple[Annotation, bool]:
    try:
        kind, *values = (float(word) for word in words)
    except ValueError as error:
        raise InputError(f"{where} is not understood: {error}. {_EXPECTED}.") from error
    if not all(map(math.isfinite, (kind, *values))):
        raise InputError(f"{where} has a number that is none. {_EXPECTED}.")
    if kind not in range(classes):
        raise InputError(f"{where} has class {words[0]}; names has 0 to {classes - 1}.")
    track = None
    columns = len(words)
    if columns == _BOX + 1:
        track = int(words[-1]) if endings.track else None
        del values[-1]
    elif _is_odd(words) and endings.scored_track:
        track = int(words[-1])
        del values[-2:]
    elif columns > _BOX and columns % 2 == 0 and _is_whole(words[-1]):
        # A polygon and its track.
        track = int(words[-1])
        del values[-1]
    if len(values) < _BOX - 1 or len(values) % 2:
        raise InputError(f"{where} has {columns} columns. {_EXPECTED}.")
    polygon = len(values) >= _BOX + 1
    if polygon:
        x1, y1, x2, y2 = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    else:
        x, y, width, height = values
        x1, y1, x2, y2 = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    across, down = size
    return Annotation((x1 * across, y1 * down, x2 * across, y2 * down), int(kind), track), polygon


def _is_odd(words: Sequence[str]) -> bool:
    """Whether a line can be a polygon, or end in a confidence and a track."""
    return len(words) > _BOX and len(words) % 2 == 1


def _is_whole(word: str) -> bool:
    return word.isdecimal() and len(word) <= _MOST_DIGITS
