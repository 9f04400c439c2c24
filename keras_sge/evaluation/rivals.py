"""The free rivals of a memory, behind the network: holding what was seen, averaging class scores over the past."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.boxes import anchor_boxes
from edge.detector import Detector
from edge.hold import Held, hold
from edge.metadata import Metadata
from edge.postprocess import in_pixels, select_detections
from edge.results import FrameResult
from edge.scores import class_scores, logits_of, objectness
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
        codes, logits, self._held = hold(codes, logits, self._held, self._metadata.scores)
        return _detections(codes, logits, self._anchors, self._metadata, self._threshold)


class ClipAverager:
    """Replaces each anchor's class distribution by the clip's.

    With p the class scores of a frame's anchors and o their objectness (`edge.scores`), a frame's evidence for class c
    is the sum of o * p_c over the anchors with o above the threshold. The evidence of all frames since `reset`, this
    one included, normalized to an objectness of 1, is the clip's class distribution q; an anchor's scores become o * q.

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
            codes: float32 (n, 4) box codes. logits: float32 (n, columns), see `edge.scores`.

        Returns:
            boxes float32 (k, 4) corners within 0..1, scores float32 (k,), classes int64 (k,); best first.
        """
        form = self._metadata.scores
        scores = class_scores(logits, form)
        sure = objectness(scores, form)
        # NaN is above nothing: a poisoned frame leaves no trace.
        seen = sure > self._threshold
        self._evidence += (sure[seen, None] * scores[seen]).sum(axis=0)
        total = objectness(self._evidence[None], form)
        distribution = self._evidence / np.maximum(total, np.finfo(np.float64).tiny)
        logits = logits_of((sure[:, None] * distribution).astype(np.float32), form)
        return _detections(codes, logits, self._anchors, self._metadata, self._threshold)


_RIVALS = {"hold": Holder, "clip": ClipAverager, "track": TrackAverager}


def _detections(
    codes: np.ndarray, logits: np.ndarray, anchors: np.ndarray, metadata: Metadata, score_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    limits = score_threshold, metadata.iou_threshold, metadata.max_detections
    return select_detections(codes, logits, anchors, metadata.variances, *limits, metadata.box_voting, metadata.scores)
