"""Class scores averaged over a clip's past: the free rival of a memory, for clips that show one kind of object."""

from __future__ import annotations

import numpy as np

from edge.anchors import anchor_boxes
from edge.metadata import Metadata
from edge.postprocess import select_detections, softmax


class ClipAverager:
    """Replaces each anchor's class distribution by the clip's.

    With p the softmax of a frame's logits and o = 1 - p_background, a frame's evidence for class c is the sum of
    o * p_c over the anchors with o above the threshold. The evidence of all frames since `reset`, this one included,
    normalised to a sum of 1, is the clip's class distribution q; the scores of an anchor become o * q.

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
            return select_detections(
                codes,
                np.log(averaged.astype(np.float32)),
                self._anchors,
                self._metadata.variances,
                self._threshold,
                self._metadata.iou_threshold,
                self._metadata.max_detections,
                self._metadata.box_voting,
            )
