"""The score threshold at which a detector does best."""

from __future__ import annotations

import numpy as np

from keras_sge.evaluation.matches import Matches


def best_f1(matches: Matches) -> dict[str, float]:
    """The best micro-F1 at IoU .5 over all score thresholds; detections and objects of all classes count together.

    Returns:
        `f1`, `threshold` (detections at or above it are kept; the highest where several are as good), `precision`,
        `recall`, 0..1. Without a right detection `f1` is 0, `threshold` and `precision` are NaN; without an object all
        are NaN.
    """
    objects, kept = len(matches.object_classes), np.arange(1, len(matches.scores) + 1)
    nan = float("nan")
    if objects == 0:
        return {"f1": nan, "threshold": nan, "precision": nan, "recall": nan}
    found = np.cumsum(matches.claimed >= 0)
    # Only where the score changes can a threshold cut.
    cut = np.append(matches.scores[1:] < matches.scores[:-1], True)[: len(kept)]
    f1 = np.where(cut, 2 * found / (kept + objects), 0)
    if not f1.any():
        return {"f1": 0.0, "threshold": nan, "precision": nan, "recall": 0.0}
    best = int(f1.argmax())
    return {
        "f1": float(f1[best]),
        "threshold": float(matches.scores[best]),
        "precision": float(found[best] / kept[best]),
        "recall": float(found[best] / objects),
    }
