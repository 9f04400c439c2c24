"""From the network's raw outputs to boxes: softmax, threshold, decoding, suppression, voting."""

from __future__ import annotations

import math

import numpy as np

from edge.boxes import VOTING_SHARE, decode_boxes, suppress, vote

# More candidates than this a frame, and suppression costs more than the network.
_MAX_CANDIDATES = 400


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def select_detections(
    codes: np.ndarray,
    logits: np.ndarray,
    anchors: np.ndarray,
    variances: tuple[float, float],
    score_threshold: float,
    iou_threshold: float,
    limit: int,
    box_voting: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turns one frame's outputs into detections. Only candidates are decoded.

    Args:
        codes: float32 (n, 4) box codes. logits: float32 (n, c + 1), background first.
        anchors: float32 (n, 4) centers, fractions of the frame. variances: see `edge.boxes.encode_boxes`.
        score_threshold, iou_threshold, limit: what is kept. box_voting: whether `edge.boxes.vote` moves what is kept.

    Returns:
        boxes float32 (k, 4) corners clipped to 0..1, scores float32 (k,), classes int64 (k,) from 0; best first.
        An anchor may answer with more than one class. Of more than 400 candidates the best are taken. Outputs that are
        not finite give no detection.
    """
    lowest = score_threshold * VOTING_SHARE if box_voting else score_threshold
    # A comparison with NaN is False: a poisoned frame yields nothing instead of garbage, and no warning.
    with np.errstate(invalid="ignore"):
        likely = (logits[:, 1:] - logits[:, :1]) > _lowest_margin(lowest)
        possible = np.unique(np.flatnonzero(likely) // likely.shape[1])
        probabilities = softmax(logits[possible])[:, 1:]
    anchor, classes = np.nonzero(probabilities > lowest)
    rows, scores = possible[anchor], probabilities[anchor, classes]
    if len(rows) > _MAX_CANDIDATES:
        best = np.argpartition(-scores, _MAX_CANDIDATES)[:_MAX_CANDIDATES]
        best.sort()
        rows, classes, scores = rows[best], classes[best], scores[best]
    with np.errstate(invalid="ignore"):
        boxes = np.clip(decode_boxes(codes[rows], anchors[rows], variances), 0, 1)
    whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, classes = boxes[whole], scores[whole], classes[whole]
    kept = suppress(boxes, scores, classes, iou_threshold, limit)
    kept = kept[scores[kept] > score_threshold]
    placed = vote(boxes, scores, classes, kept, iou_threshold) if box_voting else boxes[kept]
    return placed.astype(np.float32), scores[kept].astype(np.float32), classes[kept]


def _lowest_margin(score: float) -> float:
    """Softmax gives a class at most sigmoid(its logit - background's): below this margin it cannot exceed `score`."""
    if score >= 1:
        return math.inf
    # A little lower, for float32 rounds. From the score 0 on everything is possible.
    return math.log(score / (1 - score)) - 1e-3 if score > 0 else -math.inf
