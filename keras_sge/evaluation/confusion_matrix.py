"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sge.evaluation.frame_record import FrameRecord
from keras_sge.evaluation.matches import match


def confusion_matrix(frames: Sequence[FrameRecord], classes: int, threshold: float) -> np.ndarray:
    """Counts of objects by their class and the class they are taken for.

    Detections that score at least `threshold` claim objects regardless of class, best first, each the free one that it
    overlaps most, if by IoU .5.

    Args:
        classes: how many there are. threshold: NaN keeps no detection.

    Returns:
        int64 (classes + 1, classes + 1): row the true class, column the detected one. The last column counts objects
        that nothing claims, the last row detections that claim nothing.
    """
    kept = [_without_classes(frame, threshold) for frame in frames]
    matches = match(kept)
    # `place` counts the kept detections only.
    detected = np.concatenate([np.empty(0, np.int64), *(frame.classes[frame.scores >= threshold] for frame in frames)])[
        matches.place
    ]
    true = np.concatenate([np.empty(0, np.int64), *(frame.true_classes for frame in frames)])
    result = np.zeros((classes + 1, classes + 1), np.int64)
    found = matches.claimed >= 0
    np.add.at(result, (true[matches.claimed[found]], detected[found]), 1)
    np.add.at(result[classes], detected[~found], 1)
    missed = np.ones(len(true), bool)
    missed[matches.claimed[found]] = False
    np.add.at(result[:, classes], true[missed], 1)
    return result


def _without_classes(frame: FrameRecord, threshold: float) -> FrameRecord:
    kept = frame.scores >= threshold
    return FrameRecord(
        frame.boxes[kept],
        frame.scores[kept],
        np.zeros(int(kept.sum()), np.int64),
        frame.true_boxes,
        np.zeros(len(frame.true_classes), np.int64),
        frame.ignored,
        np.zeros(len(frame.ignored_classes), np.int64),
    )
