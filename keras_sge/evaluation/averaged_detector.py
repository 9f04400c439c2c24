"""A detector whose class scores are averaged over its past."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.detection import Detection
from edge.detector import Detector
from edge.frame_result import FrameResult
from keras_sge.evaluation.clip_averager import ClipAverager
from keras_sge.evaluation.track_averager import TrackAverager

_AVERAGERS = {"clip": ClipAverager, "track": TrackAverager}


class AveragedDetector:
    """The face of `edge.Detector` around one, so that any model can be evaluated with averaging and without.

    Args:
        detector: whose `raw` outputs are averaged. kind: `clip` or `track`. score_threshold: of detections.
    """

    def __init__(self, detector: Detector, kind: str, score_threshold: float):
        self.detector, self.metadata, self.runtime = detector, detector.metadata, detector.runtime
        self.labels = detector.labels
        self._averager: Any = _AVERAGERS[kind](detector.metadata, score_threshold)
        self._next_id = 0

    def reset(self) -> None:
        """Forgets the clip: the network's state and what was averaged. `detector.reset` forgets the former only."""
        self.detector.reset()
        self._averager.reset()
        self._next_id = 0

    def __call__(self, frame: np.ndarray) -> FrameResult:
        """Detects in the clip's next frame: uint8 (height, width, 3), BGR."""
        boxes, scores, classes = self._averager(*self.detector.raw(frame))
        height, width = frame.shape[:2]
        pixels = boxes * np.array([width, height, width, height], np.float32)
        detections = tuple(
            Detection(self.labels[class_id], class_id, score, tuple(box))
            for class_id, score, box in zip(classes.tolist(), scores.tolist(), pixels.tolist(), strict=True)
        )
        self._next_id += 1
        return FrameResult(self._next_id - 1, 0.0, detections)
