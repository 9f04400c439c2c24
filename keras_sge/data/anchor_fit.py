"""How well anchors can answer for a data set's boxes, whatever a network learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.anchors import AnchorMap


@dataclass(frozen=True)
class AnchorFit:
    """The overlap of boxes with the best of all anchors; fractions from 0 to 1, NaN where there are no boxes.

    Attributes:
        recall: share of boxes that an anchor overlaps by IoU .5 or more, the best recall that matching at .5 allows.
        mean_iou: mean of the best IoU.
        by_map: for each detection map the share of all boxes whose best anchor is its and overlaps by .5 or more; the
            sum is `recall`.
    """

    recall: float
    mean_iou: float
    by_map: tuple[float, ...]


def anchor_fit(boxes: np.ndarray, maps: Sequence[AnchorMap]) -> AnchorFit:
    """Measures anchors.

    Args:
        boxes: (n, 4) corners, fractions of the frame, with positive sides. maps: as `edge.anchors` makes them.
    """
    overlaps = np.stack([best_overlap(boxes, grid) for grid in maps], axis=1)
    if not len(boxes):
        return AnchorFit(float("nan"), float("nan"), (float("nan"),) * len(maps))
    best = overlaps.max(axis=1)
    found = best >= 0.5
    shares = [float(np.mean(found & (overlaps.argmax(axis=1) == index))) for index in range(len(maps))]
    return AnchorFit(float(found.mean()), float(best.mean()), tuple(shares))


def best_overlap(boxes: np.ndarray, grid: AnchorMap) -> np.ndarray:
    """The largest IoU of each box with any anchor of one map.

    Anchors of one shape overlap a box most where their centre is nearest to its, so one cell is looked at, not all.

    Args:
        boxes: (n, 4) corners, fractions of the frame, with positive sides. grid: one detection map's anchors.

    Returns:
        float64 (n,), 0 to 1.
    """
    boxes = np.asarray(boxes, np.float64)
    low, high = boxes[:, :2], boxes[:, 2:]
    cells = np.array([grid.columns, grid.rows])
    centres = (np.clip(np.floor((low + high) / 2 * cells), 0, cells - 1) + 0.5) / cells
    area = np.prod(high - low, axis=1)
    best = np.zeros(len(boxes))
    for shape in np.array(grid.boxes):
        sides = np.minimum(high, centres + shape / 2) - np.maximum(low, centres - shape / 2)
        shared = np.prod(np.maximum(sides, 0), axis=1)
        np.maximum(best, shared / (area + shape[0] * shape[1] - shared), out=best)
    return best
