"""Average precision as ImageNet VID and PASCAL VOC 2010 define it: all-point interpolation at one IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.boxes import iou_matrix


@dataclass(frozen=True)
class FrameRecord:
    """One evaluated frame: boxes are (n, 4) corners in one unit, scores (n,), classes int (n,)."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray


def average_precision(frames: Sequence[FrameRecord], class_index: int, iou_threshold: float = 0.5) -> float:
    """AP of one class over all frames.

    Detections are taken from the best score down; each claims the free object of its frame and class that it overlaps
    most, if by at least `iou_threshold`, and is false otherwise.

    Returns:
        The area under the precision envelope, 0..1; NaN where no frame holds an object of the class.
    """
    objects = sum(int((frame.true_classes == class_index).sum()) for frame in frames)
    if objects == 0:
        return float("nan")
    scores, hits = [np.empty(0)], [np.empty(0, bool)]
    for frame in frames:
        mine = np.flatnonzero(frame.classes == class_index)
        mine = mine[np.argsort(-frame.scores[mine], kind="stable")]
        overlap = iou_matrix(frame.boxes[mine], frame.true_boxes[frame.true_classes == class_index])
        scores.append(frame.scores[mine])
        hits.append(_claim(overlap, iou_threshold))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit = np.concatenate(hits)[order]
    found = np.cumsum(hit)
    precision = np.maximum.accumulate((found / np.arange(1, len(hit) + 1))[::-1])[::-1]
    return float(precision[hit].sum() / objects)


def _claim(overlap: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Which detections (rows, best first) claim an object (columns)."""
    hit = np.zeros(len(overlap), bool)
    if overlap.shape[1] == 0:
        return hit
    free = overlap.copy()
    for row in range(len(free)):
        best = free[row].argmax()
        if free[row, best] >= iou_threshold:
            hit[row] = True
            free[:, best] = -1
    return hit
