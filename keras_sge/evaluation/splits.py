"""mAP of parts of a data set: by speed of the objects, by position in the clip, by block of recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.boxes import iou_matrix
from keras_sge.data.motion import FAST, SLOW
from keras_sge.evaluation.matches import Matches
from keras_sge.evaluation.records import FrameRecord

SPEEDS = ("slow", "medium", "fast")
# Frames counted from the clip's start, from 1: first and last of each group.
_POSITIONS = {"1": (1, 1), "2-5": (2, 5), "6-10": (6, 10), "11-30": (11, 30), "31+": (31, np.inf)}
SPLIT_PROTOCOL = (
    "motion IoU of an object at t is its mean IoU with its track at t-10..t+10, slow > 0.9, medium 0.7-0.9, fast < "
    "0.7, objects of other speeds ignored; motion: every false positive counts; motion_weighted: a false positive "
    "nearest to an ignored object does not count, one in a frame without its class counts by the share of objects of "
    "that speed (MEGA's code); frame_index: only frames of that position in their clip, counted from 1; block: the "
    "recordings of a class in order of their numbers, cut into eight runs, mAP of the clips of one run of every class; "
    "std over blocks is that of a sample"
)


def speed_of(motion: np.ndarray) -> np.ndarray:
    """int (m,), index into `SPEEDS` by motion IoU; `len(SPEEDS)` where it is NaN."""
    return np.where(np.isnan(motion), len(SPEEDS), np.where(motion > SLOW, 0, np.where(motion >= FAST, 1, 2)))


def motion_figures(matches: Matches, classes: int, motion: np.ndarray) -> dict[str, float]:
    """mAP@0.5 by speed of the objects.

    Objects of other speeds are ignored: a detection matched to one counts neither way. Every false positive counts for
    every speed, so these figures lie below those of a set with objects of one speed only.

    Args:
        matches: of all frames. motion: (m,), motion IoU of each object, NaN where unknown.
    """
    speeds = speed_of(motion)
    return {name: matches.mean_average_precision(classes, objects=speeds == index) for index, name in enumerate(SPEEDS)}


def weighted_motion_figures(
    matches: Matches, frames: Sequence[FrameRecord], classes: int, motion: np.ndarray
) -> dict[str, float]:
    """mAP@0.5 by speed as in MEGA's evaluation, whose false positives count by what they are near to.

    A false positive counts in full where, of the objects of its frame and class, one of the wanted speed overlaps it
    most; not at all where one of another speed does, or where there are only such; by the share of the ignored among
    them where both overlap it equally; in a frame without its class by the share of the wanted speed in all objects.
    That code also widens boxes by a pixel, which is not done here.
    """
    speeds = speed_of(motion)
    overlap, number = _overlap_by_speed(matches, frames, speeds)
    result = {}
    for index, name in enumerate(SPEEDS):
        others = [speed for speed in range(overlap.shape[1]) if speed != index]
        wanted, ignored = overlap[:, index], overlap[:, others].max(axis=1)
        total = number.sum(axis=1)
        shared = number[:, others].sum(axis=1) / np.maximum(total, 1)
        weights = np.where(wanted > ignored, 1.0, np.where(ignored > wanted, 0.0, shared))
        share = float((speeds == index).mean()) if len(speeds) else 0.0
        weights[total == 0] = share or 1.0
        result[name] = matches.mean_average_precision(classes, objects=speeds == index, false_weights=weights)
    return result


def frame_index_figures(matches: Matches, classes: int, frame_ids: np.ndarray) -> dict[str, float]:
    """mAP@0.5 of the frames at some positions in their clips, and of nothing else.

    Where the state is carried, a frame's position is the number of frames since the reset, itself included.

    Args:
        frame_ids: int (frames,), from 0 in the clip.
    """
    return {
        name: matches.mean_average_precision(classes, frames=(frame_ids + 1 >= first) & (frame_ids + 1 <= last))
        for name, (first, last) in _POSITIONS.items()
    }


def block_figures(matches: Matches, classes: int, blocks: np.ndarray) -> dict[str, float]:
    """mAP@0.5 of the frames of each block of recordings, in the order of their numbers.

    Args:
        blocks: int (frames,), see `keras_sge.data.splits.video_blocks`; -1 where it is not known.
    """
    known = np.unique(blocks[blocks >= 0]).tolist()
    return {str(block): matches.mean_average_precision(classes, frames=blocks == block) for block in known}


def spread(figures: Mapping[str, float]) -> dict[str, float]:
    """How much a figure differs from block to block.

    Args:
        figures: by block, NaN where there is nothing to measure.

    Returns:
        `std`, the standard deviation of a sample, `smallest` and `largest`; empty for fewer than two numbers.
    """
    values = [value for value in figures.values() if not np.isnan(value)]
    if len(values) < 2:
        return {}
    return {"std": float(np.std(values, ddof=1)), "smallest": min(values), "largest": max(values)}


def _overlap_by_speed(
    matches: Matches, frames: Sequence[FrameRecord], speeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each detection and speed: the best IoU with an object of its class, -1 for none, and how many there are."""
    kinds, first = len(SPEEDS) + 1, 0
    overlap, number = [np.empty((0, kinds))], [np.empty((0, kinds), np.int64)]
    for frame in frames:
        frame_speeds = speeds[first : first + len(frame.true_classes)]
        first += len(frame.true_classes)
        same = frame.classes[:, None] == frame.true_classes[None]
        iou = np.where(same, iou_matrix(frame.boxes.astype(np.float64), frame.true_boxes.astype(np.float64)), -1)
        overlap.append(
            np.stack([iou[:, frame_speeds == kind].max(axis=1, initial=-1) for kind in range(kinds)], axis=1)
        )
        number.append(np.stack([same[:, frame_speeds == kind].sum(axis=1) for kind in range(kinds)], axis=1))
    return np.concatenate(overlap)[matches.position], np.concatenate(number)[matches.position]
