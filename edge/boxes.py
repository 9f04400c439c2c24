"""Box arithmetic in numpy: corners (x1, y1, x2, y2), centres (cx, cy, w, h), SSD codes, overlap, suppression."""

from __future__ import annotations

import cv2
import numpy as np

# Of a kept box's score, what another must have to move it.
VOTING_SHARE = 0.25


def corners_to_centres(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) x1, y1, x2, y2 -> cx, cy, w, h."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def centres_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) cx, cy, w, h -> x1, y1, x2, y2."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def encode_boxes(boxes: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """SSD box codes: what the network has to answer for `boxes` at `anchors`.

    Args:
        boxes: (n, 4) corners, in the anchors' unit, with positive sides.
        anchors: (n, 4) centres.
        variances: of the centre and of the size; .1 and .2 in SSD.

    Returns:
        (n, 4): centre offset in anchor sides, log size ratio, each divided by its variance.
    """
    centres = corners_to_centres(boxes)
    offset = (centres[..., :2] - anchors[..., :2]) / anchors[..., 2:] / variances[0]
    scale = np.log(centres[..., 2:] / anchors[..., 2:]) / variances[1]
    return np.concatenate([offset, scale], axis=-1)


def decode_boxes(codes: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """The inverse of `encode_boxes`: (n, 4) codes at (n, 4) anchors -> (n, 4) corners."""
    centre = codes[..., :2] * variances[0] * anchors[..., 2:] + anchors[..., :2]
    # A garbage frame may ask for e^100: bounded, the box stays finite and clips to the frame.
    size = np.exp(np.minimum(codes[..., 2:] * variances[1], 8.0)) * anchors[..., 2:]
    return centres_to_corners(np.concatenate([centre, size], axis=-1))


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair: (n, 4) and (m, 4) corners -> (n, m); empty boxes overlap nothing."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=-1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


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
    kept = cv2.dnn.NMSBoxesBatched(
        rectangles.tolist(), scores.astype(np.float32).tolist(), classes.tolist(), 0.0, float(iou_threshold)
    )
    kept = np.asarray(kept, np.int64).reshape(-1)
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
