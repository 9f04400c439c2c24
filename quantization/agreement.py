"""Do two ways of running find the same objects?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.boxes import iou_matrix
from edge.detection import Detection

# Overlap from which two detections of one class are one object.
_SAME = 0.5
# Partners may score this much lower, so that none is missing only because it fell below the threshold.
SLACK = 0.15
# Least IoU and largest score difference: float files among each other, and where an int8 file takes part.
LIMITS = {"float": (0.9, 0.02), "int8": (0.8, 0.1)}


@dataclass(frozen=True)
class Agreement:
    """How far detections of two runs agree.

    Attributes:
        detections: of the first run, above its threshold. found: those with a partner in the second. matched: their
            share.
        within: share of the matched that keep both limits. limits: least IoU, largest score difference.
        least_iou, largest_score_difference: over all matched. mean_iou, mean_score_difference: of them.
    """

    detections: int
    found: int
    matched: float
    within: float
    limits: tuple[float, float]
    least_iou: float
    largest_score_difference: float
    mean_iou: float
    mean_score_difference: float


def agree(
    first: Sequence[Sequence[Detection]],
    second: Sequence[Sequence[Detection]],
    threshold: float,
    limits: tuple[float, float],
) -> Agreement:
    """Compares detections frame by frame.

    Args:
        first, second: detections of the same frames; those of `second` down to `threshold - SLACK`.
        threshold: score from which a detection of `first` counts.
        limits: see `LIMITS`.
    """
    overlaps, differences, count = [], [], 0
    for ours, theirs in zip(first, second, strict=True):
        wanted = [one for one in ours if one.score > threshold]
        count += len(wanted)
        for one, other, overlap in pairs(wanted, theirs):
            overlaps.append(overlap)
            differences.append(abs(one.score - other.score))
    iou, score = np.array(overlaps), np.array(differences)
    good = (iou >= limits[0]) & (score <= limits[1])
    some = len(iou) > 0
    return Agreement(
        detections=count,
        found=len(iou),
        matched=len(iou) / count if count else 1.0,
        within=float(good.mean()) if some else 1.0,
        limits=limits,
        least_iou=float(iou.min()) if some else 1.0,
        largest_score_difference=float(score.max()) if some else 0.0,
        mean_iou=float(iou.mean()) if some else 1.0,
        mean_score_difference=float(score.mean()) if some else 0.0,
    )


def pairs(first: Sequence[Detection], second: Sequence[Detection]) -> list[tuple[Detection, Detection, float]]:
    """Detections of one class that overlap by at least .5, best overlap first, each once; with their IoU."""
    if not first or not second:
        return []
    overlap = iou_matrix(*(np.array([one.box for one in found], np.float64) for found in (first, second)))
    same = np.array([[one.class_id == other.class_id for other in second] for one in first])
    overlap = np.where(same, overlap, 0)
    result = []
    while overlap.max() >= _SAME:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        result.append((first[row], second[column], float(overlap[row, column])))
        overlap[row], overlap[:, column] = 0, 0
    return result


def difference(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """How much two frames' detections differ: scores of those without a partner, and score and place of the others."""
    partners = pairs(first, second)
    lonely = sum(one.score for one in (*first, *second)) - sum(one.score + other.score for one, other, _ in partners)
    return lonely + sum(abs(one.score - other.score) + (1 - overlap) for one, other, overlap in partners)
