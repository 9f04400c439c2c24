"""`gt.txt` of MOTChallenge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from keras_sge.data.annotation_values import track_numbers
from keras_sge.data.video_dataset import Video

PEDESTRIAN = 1
_EXPECTED = "Expected frame, id, left, top, width, height, flag[, class, visibility]: 7 to 10 numbers with commas"


class MotEntry(NamedTuple):
    """One line: frame from 0, track, the file's class number, x1, y1, x2, y2 in pixels, whether its flag says that it
    counts, and where it stands in the file, from 1."""

    frame: int
    track: int
    kind: int
    corners: tuple[float, float, float, float]
    counts: bool
    line: int


@dataclass(frozen=True)
class MotGroundTruth:
    """One file.

    Attributes:
        path: the file. entries: its lines, in its order.
    """

    path: Path
    entries: list[MotEntry]


def read_mot_ground_truth(path: Path, video: Video) -> MotGroundTruth:
    """Reads one file; an absent class is 1.

    Args:
        path: comma-separated, a line an entry, frames from 1. video: the sequence.

    Raises:
        InputError: the file is missing, or a line has other columns, no numbers, a frame beyond the sequence, a box
            without area, or the frame and the id of another line with another box; the message has file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Expected SEQUENCE/gt/gt.txt.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file. {_EXPECTED}.") from error
    entries, first = [], {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (entry := _entry(line, number, f"{path}:{number}", video)) is None:
            continue
        entries.append(entry)
        # -1 stands for no identity; what does not count has none to lose.
        same = first.setdefault((entry.frame, entry.track), entry) if entry.track >= 0 and entry.counts else entry
        if entry[:-1] != same[:-1]:
            raise InputError(
                f"{path}:{number} has frame {entry.frame + 1} and id {entry.track} of line {same.line} and another "
                "box or class. An id is one object: give one of the two another, or remove it."
            )
    numbers = track_numbers(entry.track for entry in entries)
    return MotGroundTruth(path, [entry._replace(track=numbers[entry.track]) for entry in entries])


def _entry(line: str, number: int, where: str, video: Video) -> MotEntry | None:
    """One line; None for one whose flag is 0 and that no rule could read."""
    words = [word for word in line.split(",") if word.strip()]
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{where} is not understood: {error}. {_EXPECTED}.") from error
    if not 7 <= len(values) <= 10:
        raise InputError(f"{where} has {len(values)} columns. {_EXPECTED}.")
    frame, track, left, top, width, height, flag = values[:7]
    kind = values[7] if len(values) > 7 and values[7] != -1 else float(PEDESTRIAN)
    try:
        _check(where, video, frame, track, kind, (left, top, width, height))
    except InputError:
        # A line that does not count may be anything.
        if flag == 0:
            return None
        raise
    # A float does not hold every id of 16 digits and more.
    track = int(words[1]) if words[1].strip().lstrip("+-").isdecimal() else int(track)
    corners = left, top, left + width, top + height
    return MotEntry(int(frame) - 1, track, int(kind), corners, flag != 0, number)


def _check(where: str, video: Video, frame: float, track: float, kind: float, box: tuple[float, ...]) -> None:
    for name, value in (("frame", frame), ("id", track), ("class", kind)):
        if not value.is_integer():
            raise InputError(f"{where}: the {name} must be a whole number. Received: {value:g}")
    if not 1 <= frame <= video.length:
        raise InputError(f"{where} is of frame {frame:g}. The sequence has frames 1 to {video.length}.")
    if not (box[2] > 0 and box[3] > 0 and all(map(math.isfinite, box))):
        raise InputError(
            f"{where} has the box {', '.join(f'{side:g}' for side in box)} (left, top, width, height), which has no "
            "area. Correct it, or remove the line."
        )
