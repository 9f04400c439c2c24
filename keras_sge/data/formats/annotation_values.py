"""What every annotation format has in common: numbers that must be numbers, and the objects of one frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge.errors import InputError
from keras_sge.data.dataset import NO_TRACK, FrameLabels, Video

# Sides of a frame: what OpenCV writes and reads.
LARGEST_SIDE = 32767
# A regular gap between labels is believed from so many labelled frames on.
_GAP_EVIDENCE = 10
_TRACKS = range(2**31)

# What can happen to an entry: words of `FrameLabels.changes`.
CLIPPED = "clipped to the frame"
MERGED = "merged with an equal one"
NO_AREA = "left out: no area inside the frame"


class Annotation(NamedTuple):
    """One entry of a frame: x1, y1, x2, y2 in pixels as they stand in the file, class index, track as the file names it
    (None: it names none), and whether it is a region that is neither learned nor scored."""

    corners: tuple[float, float, float, float]
    kind: int
    track: int | str | None = None
    ignored: bool = False


def build_frame_labels(
    entries: Sequence[Annotation], width: int, height: int, left_out: Sequence[str] = ()
) -> FrameLabels:
    """The labels of one frame of `width` x `height` px: boxes clipped to it, those without area skipped.

    Args:
        entries: in the file's order, tracks being numbers; an entry that repeats another one wholly is taken once.
        left_out: for each entry that the reader has left out already the reason, as in "left out: hidden".

    Returns:
        `changes` says CLIPPED, MERGED, NO_AREA or a reason of `left_out` for each entry that was not taken as it is.
    """
    changes = list(left_out)
    kept: dict[Annotation, tuple[float, ...]] = {}
    for entry in entries:
        if entry in kept:
            changes.append(MERGED)
            continue
        x1, y1, x2, y2 = entry.corners
        inside = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
        if not (inside[0] < inside[2] and inside[1] < inside[3]):
            changes.append(NO_AREA)
            continue
        kept[entry] = inside
        if inside != entry.corners:
            changes.append(CLIPPED)
    objects, regions = ([entry for entry in kept if entry.ignored is side] for side in (False, True))
    return FrameLabels(
        _boxes([kept[entry] for entry in objects]),
        np.array([entry.kind for entry in objects], np.int32),
        np.array([entry.track for entry in objects], np.int32),
        _boxes([kept[entry] for entry in regions]),
        np.array([entry.kind for entry in regions], np.int32),
        tuple(changes),
    )


def track_numbers(ids: Iterable[int | str | None]) -> dict[int | str | None, int]:
    """Track ids of one video -> numbers from 0 that an int32 holds: the ids themselves where all of them are such
    numbers, else 1, 2, 3 ... in their order; None -> `NO_TRACK`."""
    named = [track for track in dict.fromkeys(ids) if track is not None]
    if all(isinstance(track, int) and track in _TRACKS for track in named):
        return {None: NO_TRACK} | {track: track for track in named}
    return {None: NO_TRACK} | {track: number for number, track in enumerate(named, 1)}


def labels_note(videos: Sequence[Video]) -> tuple[str, ...]:
    """A sentence about frames that nobody has labelled; none where there are none."""
    unlabelled = sum(len(video.unlabelled) for video in videos)
    if not unlabelled:
        return ()
    total = sum(video.length for video in videos)
    return (f"{unlabelled:,} of {total:,} frames are unlabelled: they are run, but neither learned nor scored.",)


def label_gap(frames: Iterable[Sequence[int]]) -> int:
    """The largest k for which labels stand on every k-th frame only; 1 where they stand closer or are few.

    Args:
        frames: for each video the ascending numbers of the frames that hold an entry.
    """
    frames = [numbers for numbers in frames if len(numbers)]
    gap = math.gcd(*(int(number) - int(numbers[0]) for numbers in frames for number in numbers))
    return gap if gap > 1 and sum(map(len, frames)) >= _GAP_EVIDENCE else 1


def whole_number(value: Any, where: str, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int of any size; InputError, naming `where`, for text, fractions, NaN and what is out of range."""
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    if not whole or (low is not None and value < low) or (high is not None and value > high):
        limits = ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")
        raise InputError(f"{where} must be a whole number{limits}. Received: {_short(value)}")
    return int(value)


def finite_number(value: Any, where: str, above: float | None = None) -> float:
    """`value` as a float; InputError, naming `where`, for text, NaN, infinity and what is not above `above`."""
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number) or (above is not None and number <= above):
        limit = "" if above is None else f" above {above:g}"
        raise InputError(f"{where} must be a number{limit}. Received: {_short(value)}")
    return number


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        # Python does not print integers of thousands of digits.
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:60]}..."


def _boxes(rows: Sequence[tuple[float, ...]]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)
