"""The free rivals of a memory, behind the network: holding what was seen, averaging class scores over the past."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.boxes import anchor_boxes
from edge.detector import Detector
from edge.hold import Held, hold
from edge.metadata import Metadata
from edge.postprocess import in_pixels, select_detections, softmax
from edge.results import FrameResult
from edge.track_averager import TrackAverager


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
        detections = in_pixels(boxes, scores, classes, self.labels, height, width)
        self._next_id += 1
        return FrameResult(self._next_id - 1, 0.0, detections, frame_size=(width, height))


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


_RIVALS = {"hold": Holder, "clip": ClipAverager, "track": TrackAverager}


def _detections(
    codes: np.ndarray, logits: np.ndarray, anchors: np.ndarray, metadata: Metadata, score_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    limits = score_threshold, metadata.iou_threshold, metadata.max_detections
    return select_detections(codes, logits, anchors, metadata.variances, *limits, metadata.box_voting)
