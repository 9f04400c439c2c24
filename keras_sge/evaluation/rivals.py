"""The free rivals of a memory, behind the network: holding what was seen, averaging class scores over the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.boxes import anchor_boxes, decode_boxes, iou_matrix, suppress, vote
from edge.detector import Detector
from edge.hold import Held, hold
from edge.metadata import Metadata
from edge.postprocess import select_detections, softmax
from edge.results import Box, Detection, FrameResult

# Overlap with a track's last box that makes a box its next one.
_LINK_IOU = 0.5
# A track is forgotten after more frames than this without a box.
_PATIENCE = 30
# As in edge.postprocess: more candidates cost more than they find.
_MAX_CANDIDATES = 400


class RivalDetector:
    """The face of `edge.Detector` around one, so that any model can be evaluated with a rival and without.

    Args:
        detector: whose `raw` outputs are taken. kind: `hold`, `clip` or `track`. score_threshold: of detections.
    """

    def __init__(self, detector: Detector, kind: str, score_threshold: float):
        self.detector, self.metadata, self.runtime = detector, detector.metadata, detector.runtime
        self.labels = detector.labels
        self._rival: Any = _RIVALS[kind](detector.metadata, score_threshold)
        self._next_id = 0

    def reset(self) -> None:
        """Forgets the clip: the network's state and what the rival kept. `detector.reset` forgets the former only."""
        self.detector.reset()
        self._rival.reset()
        self._next_id = 0

    def __call__(self, frame: np.ndarray) -> FrameResult:
        """Detects in the clip's next frame: uint8 (height, width, 3), BGR."""
        boxes, scores, classes = self._rival(*self.detector.raw(frame))
        height, width = frame.shape[:2]
        pixels = boxes * np.array([width, height, width, height], np.float32)
        detections = tuple(
            Detection(self.labels[class_id], class_id, score, Box(*box))
            for class_id, score, box in zip(classes.tolist(), scores.tolist(), pixels.tolist(), strict=True)
        )
        self._next_id += 1
        return FrameResult(self._next_id - 1, 0.0, detections)


class Holder:
    """Holds what an anchor saw while it suddenly sees nothing, see `edge.hold`.

    Args:
        metadata: of the detector. score_threshold: of detections.
    """

    def __init__(self, metadata: Metadata, score_threshold: float):
        self._metadata, self._threshold = metadata, score_threshold
        self._anchors = anchor_boxes(metadata.anchors)
        self.reset()

    def reset(self) -> None:
        """Forgets the clip."""
        self._held: Held | None = None

    def __call__(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next frame's detections: arguments and result as of `ClipAverager`."""
        codes, logits, self._held = hold(codes, logits, self._held)
        return _detections(codes, logits, self._anchors, self._metadata, self._threshold)


class ClipAverager:
    """Replaces each anchor's class distribution by the clip's.

    With p the softmax of a frame's logits and o = 1 - p_background, a frame's evidence for class c is the sum of
    o * p_c over the anchors with o above the threshold. The evidence of all frames since `reset`, this one included,
    normalized to a sum of 1, is the clip's class distribution q; the scores of an anchor become o * q.

    Args:
        metadata: of the detector. score_threshold: of anchors that bear evidence, and of detections.
    """

    def __init__(self, metadata: Metadata, score_threshold: float):
        self._metadata, self._threshold = metadata, score_threshold
        self._anchors = anchor_boxes(metadata.anchors)
        self.reset()

    def reset(self) -> None:
        """Forgets the clip."""
        self._evidence = np.zeros(len(self._metadata.labels))

    def __call__(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next frame's detections.

        Args:
            codes: float32 (n, 4) box codes. logits: float32 (n, c + 1), background first.

        Returns:
            boxes float32 (k, 4) corners within 0..1, scores float32 (k,), classes int64 (k,); best first.
        """
        with np.errstate(invalid="ignore"):
            probabilities = softmax(logits)
        objectness = 1 - probabilities[:, 0]
        # NaN is above nothing: a poisoned frame leaves no trace.
        sure = objectness > self._threshold
        self._evidence += (objectness[sure, None] * probabilities[sure, 1:]).sum(axis=0)
        distribution = self._evidence / max(self._evidence.sum(), np.finfo(np.float64).tiny)
        averaged = np.concatenate([probabilities[:, :1], objectness[:, None] * distribution], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # The softmax of a distribution's logarithm is that distribution.
            logits = np.log(averaged.astype(np.float32))
            return _detections(codes, logits, self._anchors, self._metadata, self._threshold)


class TrackAverager:
    """Replaces each box's class distribution by the running mean along its track.

    Candidates with objectness o = 1 - p_background above the threshold are suppressed regardless of class. From the
    best down, each box takes the free track whose last box it overlaps most, if at IoU 0.5 or above, and begins a new
    one otherwise. The scores of a box are o times the mean of its track's class distributions p_c / o so far, this one
    included.

    Args:
        metadata: of the detector. score_threshold: of candidates, and of detections.
    """

    def __init__(self, metadata: Metadata, score_threshold: float):
        self._metadata, self._threshold = metadata, score_threshold
        self._anchors = anchor_boxes(metadata.anchors)
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks."""
        self._tracks: list[_Track] = []
        self._frame = 0

    def __call__(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next frame's detections.

        Args:
            codes: float32 (n, 4) box codes. logits: float32 (n, c + 1), background first.

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
        best = np.argsort(-scores[rows, classes], kind="stable")[: self._metadata.max_detections]
        rows, classes = rows[best], classes[best]
        return boxes[rows].astype(np.float32), scores[rows, classes].astype(np.float32), classes

    def _candidates(self, codes: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (k, 4), objectness (k,) and class distributions (k, c) after suppression, best first."""
        metadata = self._metadata
        with np.errstate(invalid="ignore"):
            probabilities = softmax(logits)
        objectness = 1 - probabilities[:, 0]
        rows = np.flatnonzero(objectness > self._threshold)
        rows = np.sort(rows[np.argsort(-objectness[rows], kind="stable")[:_MAX_CANDIDATES]])
        with np.errstate(invalid="ignore"):
            boxes = np.clip(decode_boxes(codes[rows], self._anchors[rows], metadata.variances), 0, 1)
        whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        rows, boxes = rows[whole], boxes[whole]
        one_class = np.zeros(len(rows), np.int64)
        kept = suppress(boxes, objectness[rows], one_class, metadata.iou_threshold, metadata.max_detections)
        if metadata.box_voting:
            boxes = vote(boxes, objectness[rows], one_class, kept, metadata.iou_threshold)
        else:
            boxes = boxes[kept]
        rows = rows[kept]
        foreground = probabilities[rows, 1:].astype(np.float64)
        return boxes, objectness[rows], foreground / foreground.sum(axis=1, keepdims=True)

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


_RIVALS = {"hold": Holder, "clip": ClipAverager, "track": TrackAverager}


def _detections(
    codes: np.ndarray, logits: np.ndarray, anchors: np.ndarray, metadata: Metadata, score_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    limits = score_threshold, metadata.iou_threshold, metadata.max_detections
    return select_detections(codes, logits, anchors, metadata.variances, *limits, metadata.box_voting)


@dataclass
class _Track:
    box: np.ndarray
    total: np.ndarray
    boxes: int
    last: int
