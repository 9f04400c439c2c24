"""Box arithmetic in numpy: corners (x1, y1, x2, y2), centers (cx, cy, w, h), SSD codes, overlap, suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# Share of a kept box's score that another needs to move it.
VOTING_SHARE = 0.25


def corners_to_centers(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) x1, y1, x2, y2 -> cx, cy, w, h."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def centers_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) cx, cy, w, h -> x1, y1, x2, y2."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def encode_boxes(boxes: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """SSD box codes: what the network is trained to give for `boxes` at `anchors`.

    Args:
        boxes: (n, 4) corners, in the anchors' unit, with positive sides.
        anchors: (n, 4) centers.
        variances: of the center and of the size; 0.1 and 0.2 in SSD.

    Returns:
        (n, 4): center offset in anchor sides, log size ratio, each divided by its variance.
    """
    centers = corners_to_centers(boxes)
    offset = (centers[..., :2] - anchors[..., :2]) / anchors[..., 2:] / variances[0]
    scale = np.log(centers[..., 2:] / anchors[..., 2:]) / variances[1]
    return np.concatenate([offset, scale], axis=-1)


def decode_boxes(codes: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """The inverse of `encode_boxes`: (n, 4) codes at (n, 4) anchors -> (n, 4) corners."""
    center = codes[..., :2] * variances[0] * anchors[..., 2:] + anchors[..., :2]
    # A frame of noise may lead to e^100: bounded, the box stays finite and clips to the frame.
    size = np.exp(np.minimum(codes[..., 2:] * variances[1], 8.0)) * anchors[..., 2:]
    return centers_to_corners(np.concatenate([center, size], axis=-1))


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair: (n, 4) and (m, 4) corners -> (n, m); empty boxes overlap nothing."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=-1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def share_inside(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Share of each box inside each region, as COCO measures crowds: (n, 4) and (m, 4) corners -> (n, m), 0 to 1."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1)[:, None]
    return np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)


def suppress(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou_threshold: float, limit: int
) -> np.ndarray:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes: (n, 4) corners. scores: (n,) above 0. classes: (n,) int.
        iou_threshold: a box that overlaps a better one of its class by more is dropped.
        limit: how many boxes are kept at the most, best first.

    Returns:
        Indices of the boxes kept, best score first.
    """
    if len(boxes) == 0:
        return np.empty(0, np.int64)
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    found = cv2.dnn.NMSBoxesBatched(
        rectangles.tolist(), scores.astype(np.float32).tolist(), classes.tolist(), 0.0, float(iou_threshold)
    )
    kept = np.asarray(found, np.int64).reshape(-1)
    return kept[np.argsort(-scores[kept], kind="stable")][:limit]


def vote(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, kept: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Boxes that suppression kept, each moved to the mean of the boxes of its class around it, weighted by score.

    Box voting of Gidaris and Komodakis (ICCV 2015, section 5), among boxes that overlap the kept one by more than
    `iou_threshold`, which is suppression's own rule, and have at least a quarter of its score: a box is then the same
    whatever lower scores the candidates go down to.

    Args:
        boxes, scores, classes: all candidates, as `suppress` takes them. kept: (k,) what it gave.

    Returns:
        float64 (k, 4) corners.
    """
    near = iou_matrix(boxes[kept], boxes) > iou_threshold
    near &= (classes[kept][:, None] == classes) & (scores >= VOTING_SHARE * scores[kept][:, None])
    # A box overlaps itself by 1, or by 0 if it has no area.
    near[np.arange(len(kept)), kept] = True
    weights = near * scores.astype(np.float64)
    return weights @ boxes / weights.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class AnchorMap:
    """The anchors of one detection map: the same boxes centered in every cell.

    Attributes:
        rows, columns: size of the detection map.
        boxes: (width, height) of each anchor of a cell, as fractions of the frame's width and height.
        step: centers, widths and heights are rounded to multiples of this fraction; 0 for not at all.
    """

    rows: int
    columns: int
    boxes: tuple[tuple[float, float], ...]
    step: float = 0.0


def ssd_cell_boxes(
    size: float, next_size: float, ratios: Sequence[float], image_height: int, image_width: int
) -> tuple[tuple[float, float], ...]:
    """The SSD boxes of one cell: squares of `size` and sqrt(size * next_size), then each ratio and its inverse.

    Args:
        size, next_size: side lengths in pixels of the network's input.
        ratios: aspect ratios above 1, width / height.
        image_height, image_width: the network's input size in pixels.

    Returns:
        2 + 2 * len(ratios) pairs (width, height), fractions of the frame's sides.
    """
    middle = (size * next_size) ** 0.5
    pixels = [(size, size), (middle, middle)]
    for ratio in ratios:
        root = ratio**0.5
        pixels += [(size * root, size / root), (size / root, size * root)]
    return tuple((width / image_width, height / image_height) for width, height in pixels)


def anchor_boxes(maps: Sequence[AnchorMap]) -> np.ndarray:
    """All anchors as float32 (n, 4): cx, cy, width, height; ordered by map, row, column, box like the outputs."""
    parts = []
    for grid in maps:
        cy, cx = np.meshgrid(
            (np.arange(grid.rows) + 0.5) / grid.rows, (np.arange(grid.columns) + 0.5) / grid.columns, indexing="ij"
        )
        centers = np.stack([cx, cy], axis=-1)[:, :, None, :]
        sizes = np.asarray(grid.boxes, np.float64)[None, None]
        shape = (grid.rows, grid.columns, len(grid.boxes), 2)
        boxes = np.concatenate([np.broadcast_to(centers, shape), np.broadcast_to(sizes, shape)], axis=-1)
        parts.append((np.rint(boxes / grid.step) * grid.step if grid.step else boxes).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)
