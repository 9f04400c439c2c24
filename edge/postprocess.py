"""From the network's outputs to detections: scores, threshold, decoding, suppression, voting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.boxes import VOTING_SHARE, anchor_boxes, decode_boxes, suppress, vote
from edge.errors import InputError
from edge.metadata import Metadata
from edge.results import Box, Detection
from edge.scores import class_scores, may_exceed

# More candidates than this per frame, and suppression costs more than the network.
MAX_CANDIDATES = 400


class Postprocessor:
    """Turns one network's outputs into detections. Several threads may call it at once.

    Args:
        metadata: of the model: anchors, variances, labels and defaults.
        score_threshold: lowest score of a detection, 0 to 1; None takes the model's own, as below.
        iou_threshold: overlap from which a weaker box of the same class is dropped, 0 to 1.
        max_detections: per frame, at least 1.

    Attributes:
        score_threshold, iou_threshold, max_detections: those in use.

    Raises:
        InputError: an argument out of range.
    """

    def __init__(
        self,
        metadata: Metadata,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ):
        self._metadata = metadata
        self.score_threshold = _fraction("score_threshold", score_threshold, metadata.score_threshold)
        self.iou_threshold = _fraction("iou_threshold", iou_threshold, metadata.iou_threshold)
        self.max_detections = metadata.max_detections if max_detections is None else max_detections
        if self.max_detections < 1:
            raise InputError(f"max_detections must be at least 1. Received: {self.max_detections}")
        self._anchors = anchor_boxes(metadata.anchors)

    def __call__(self, codes: np.ndarray, logits: np.ndarray, height: int, width: int) -> tuple[Detection, ...]:
        """Detections in a frame of `height` x `width` pixels, best score first.

        Args:
            codes: float32 (n, 4) box codes. logits: float32 (n, columns), see `edge.scores`.
        """
        boxes, scores, classes = select_detections(
            codes,
            logits,
            self._anchors,
            self._metadata.variances,
            self.score_threshold,
            self.iou_threshold,
            self.max_detections,
            self._metadata.box_voting,
            self._metadata.scores,
        )
        return in_pixels(boxes, scores, classes, self._metadata.labels, height, width)


def in_pixels(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, labels: Sequence[str], height: int, width: int
) -> tuple[Detection, ...]:
    """Detections of a frame of `height` x `width` pixels, from arrays as of `select_detections`."""
    pixels = boxes * np.array([width, height, width, height], np.float32)
    return tuple(
        Detection(labels[class_id], class_id, score, Box(*box))
        for class_id, score, box in zip(classes.tolist(), scores.tolist(), pixels.tolist(), strict=True)
    )


def select_detections(
    codes: np.ndarray,
    logits: np.ndarray,
    anchors: np.ndarray,
    variances: tuple[float, float],
    score_threshold: float,
    iou_threshold: float,
    limit: int,
    box_voting: bool = False,
    form: str = "softmax",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turns one frame's outputs into detections. Only candidates are decoded.

    Args:
        codes: float32 (n, 4) box codes. logits: float32 (n, columns), see `edge.scores`.
        anchors: float32 (n, 4) centers, fractions of the frame. variances: see `edge.boxes.encode_boxes`.
        score_threshold, iou_threshold, limit: what is kept. box_voting: whether `edge.boxes.vote` moves what is kept.
        form: what the logits are, `softmax` or `sigmoid`.

    Returns:
        boxes float32 (k, 4) corners clipped to 0..1, scores float32 (k,), classes int64 (k,) from 0; best first.
        An anchor may answer with more than one class. Of more than 400 candidates the best are taken. Outputs that are
        not finite give no detection.
    """
    lowest = score_threshold * VOTING_SHARE if box_voting else score_threshold
    likely = may_exceed(logits, lowest, form)
    possible = np.unique(np.flatnonzero(likely) // likely.shape[1])
    probabilities = class_scores(logits[possible], form)
    anchor, classes = np.nonzero(probabilities > lowest)
    rows, scores = possible[anchor], probabilities[anchor, classes]
    if len(rows) > MAX_CANDIDATES:
        best = np.argpartition(-scores, MAX_CANDIDATES)[:MAX_CANDIDATES]
        best.sort()
        rows, classes, scores = rows[best], classes[best], scores[best]
    with np.errstate(invalid="ignore"):
        boxes = np.clip(decode_boxes(codes[rows], anchors[rows], variances), 0, 1)
    valid = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, classes = boxes[valid], scores[valid], classes[valid]
    kept = suppress(boxes, scores, classes, iou_threshold, limit)
    kept = kept[scores[kept] > score_threshold]
    final = vote(boxes, scores, classes, kept, iou_threshold) if box_voting else boxes[kept]
    return final.astype(np.float32), scores[kept].astype(np.float32), classes[kept]


def _fraction(name: str, value: float | None, default: float) -> float:
    value = default if value is None else value
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be within 0..1. Received: {value}")
    return float(value)
