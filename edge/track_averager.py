"""Averaging an object's class along its track, behind the network: a class that flickers settles, for any network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.boxes import anchor_boxes, decode_boxes, iou_matrix, suppress, vote
from edge.metadata import Metadata
from edge.postprocess import MAX_CANDIDATES
from edge.scores import class_scores, objectness

# Overlap with a track's last box that makes a box its next one.
_LINK_IOU = 0.5
# A track is forgotten after more frames than this without a box.
_PATIENCE = 30


class TrackAverager:
    """Replaces each box's class distribution by the running mean along its track.

    Candidates with objectness o (`edge.scores.objectness`) above the threshold are suppressed regardless of class.
    From the best down, each box takes the free track whose last box it overlaps most, if at IoU 0.5 or above, and
    begins a new one otherwise. The scores of a box are o times the mean of its track's class distributions p_c / o so
    far, this one included.

    Args:
        metadata: of the detector. score_threshold: of candidates, and of detections.
        iou_threshold, max_detections: None takes the model's own.
    """

    def __init__(
        self,
        metadata: Metadata,
        score_threshold: float,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ):
        self._metadata, self._threshold = metadata, score_threshold
        self._iou_threshold = metadata.iou_threshold if iou_threshold is None else iou_threshold
        self._limit = metadata.max_detections if max_detections is None else max_detections
        self._anchors = anchor_boxes(metadata.anchors)
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks."""
        self._tracks: list[_Track] = []
        self._frame = 0

    def __call__(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next frame's detections.

        Args:
            codes: float32 (n, 4) box codes. logits: float32 (n, columns), see `edge.scores`.

        Returns:
            boxes float32 (k, 4) corners within 0..1, scores float32 (k,), classes int64 (k,); best first.
        """
        boxes, objectness, distributions = self._candidates(codes, logits)
        self._frame += 1
        self._tracks = [track for track in self._tracks if self._frame - track.last <= _PATIENCE + 1]
        scores = np.zeros_like(distributions)
        for row, track in enumerate(self._link(boxes)):
            track.box, track.last = boxes[row], self._frame
            track.total = track.total + distributions[row]
            track.boxes += 1
            scores[row] = objectness[row] * track.total / track.boxes
        rows, classes = np.nonzero(scores > self._threshold)
        best = np.argsort(-scores[rows, classes], kind="stable")[: self._limit]
        rows, classes = rows[best], classes[best]
        return boxes[rows].astype(np.float32), scores[rows, classes].astype(np.float32), classes

    def _candidates(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (k, 4), objectness (k,) and class distributions (k, c) after suppression, best first."""
        metadata = self._metadata
        scores = class_scores(logits, metadata.scores)
        sure = objectness(scores, metadata.scores)
        rows = np.flatnonzero(sure > self._threshold)
        rows = np.sort(rows[np.argsort(-sure[rows], kind="stable")[:MAX_CANDIDATES]])
        with np.errstate(invalid="ignore"):
            boxes = np.clip(decode_boxes(codes[rows], self._anchors[rows], metadata.variances), 0, 1)
        whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        rows, boxes = rows[whole], boxes[whole]
        one_class = np.zeros(len(rows), np.int64)
        kept = suppress(boxes, sure[rows], one_class, self._iou_threshold, self._limit)
        voting = metadata.box_voting
        boxes = vote(boxes, sure[rows], one_class, kept, self._iou_threshold) if voting else boxes[kept]
        rows = rows[kept]
        return boxes, sure[rows], scores[rows].astype(np.float64) / sure[rows, None]

    def _link(self, boxes: np.ndarray) -> list[_Track]:
        """The track of each box, new ones added to the list."""
        old = len(self._tracks)
        free = iou_matrix(boxes, np.array([track.box for track in self._tracks]).reshape(-1, 4))
        linked = []
        for row in range(len(boxes)):
            best = int(free[row].argmax()) if old else -1
            if best >= 0 and free[row, best] >= _LINK_IOU:
                free[:, best] = -1
                linked.append(self._tracks[best])
            else:
                linked.append(_Track(boxes[row], np.zeros(len(self._metadata.labels)), 0, self._frame))
                self._tracks.append(linked[-1])
        return linked


@dataclass
class _Track:
    box: np.ndarray
    total: np.ndarray
    boxes: int
    last: int
