"""`gt.txt` of MOTChallenge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import InputError
from keras_sge.data.video_dataset import Video

PEDESTRIAN = 1
_EXPECTED = "Expected frame, id, left, top, width, height, flag[, class, visibility]: 7 to 10 numbers with commas"


@dataclass(frozen=True)
class MotGroundTruth:
    """The entries of one file that count, in its order.

    Attributes:
        path: the file.
        frames: int64 (n,), from 0. tracks: int32 (n,). classes: int64 (n,), the file's numbers.
        boxes: float32 (n, 4), x1, y1, x2, y2 in pixels, clipped to the frame.
        lines: int64 (n,), where each stands in the file, from 1.
    """

    path: Path
    frames: np.ndarray
    tracks: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    lines: np.ndarray


def read_mot_ground_truth(path: Path, video: Video) -> MotGroundTruth:
    """Reads one file; entries of flag 0 and boxes wholly outside the frame are left out, an absent class is 1.

    Args:
        path: comma-separated, a line an entry, frames from 1. video: the sequence.

    Raises:
        InputError: the file is missing, or a line has other columns, no numbers, a frame beyond the sequence or a box
            without area; the message has file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Expected SEQUENCE/gt/gt.txt.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file. {_EXPECTED}.") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and (entry := _entry(line, f"{path}:{number}", video)):
            rows.append((*entry, number))
    table = np.array(rows, np.float64).reshape(-1, 8)
    return MotGroundTruth(
        path,
        frames=table[:, 0].astype(np.int64),
        tracks=table[:, 1].astype(np.int32),
        classes=table[:, 2].astype(np.int64),
        boxes=table[:, 3:7].astype(np.float32),
        lines=table[:, 7].astype(np.int64),
    )


def _entry(line: str, where: str, video: Video) -> tuple[float, ...] | None:
    """Frame from 0, track, class and clipped corners; None for an entry that does not count."""
    try:
        values = [float(word) for word in line.split(",") if word.strip()]
    except ValueError as error:
        raise InputError(f"{where} is not understood: {error}. {_EXPECTED}.") from error
    if not 7 <= len(values) <= 10:
        raise InputError(f"{where} has {len(values)} columns. {_EXPECTED}.")
    frame, track, left, top, width, height, flag = values[:7]
    if flag == 0:
        return None
    kind = values[7] if len(values) > 7 and values[7] != -1 else PEDESTRIAN
    for name, value in (("frame", frame), ("id", track), ("class", kind)):
        if not (math.isfinite(value) and value == int(value) and abs(value) < 2**31):
            raise InputError(f"{where}: the {name} must be a whole number. Received: {value:g}")
    if not 1 <= frame <= video.length:
        raise InputError(f"{where} is of frame {frame:g}. The sequence has frames 1 to {video.length}.")
    if not (width > 0 and height > 0 and all(math.isfinite(side) for side in (left, top, width, height))):
        raise InputError(
            f"{where} has the box {left:g}, {top:g}, {width:g}, {height:g} (left, top, width, height), which has no "
            "area. Correct it, or remove the line."
        )
    x1, y1 = max(left, 0.0), max(top, 0.0)
    x2, y2 = min(left + width, float(video.width)), min(top + height, float(video.height))
    return (frame - 1, track, kind, x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None
