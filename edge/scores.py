"""What class logits become: a softmax over the classes and a background, or a sigmoid of each class for itself.

The form stands in a file's metadata. Of a softmax, column 0 is the background and column i + 1 is label i; of a
sigmoid, column i is label i.
"""

from __future__ import annotations

import math

import numpy as np

SCORE_FORMS = ("softmax", "sigmoid")
"""What logits may become."""
# The lowest and the highest float32 score whose logit is finite.
_OPEN_INTERVAL = np.float32(1e-37), np.float32(1 - 2**-24)


def class_scores(logits: np.ndarray, form: str) -> np.ndarray:
    """The classes' scores, 0 to 1, without the background's.

    Args:
        logits: float32 (n, columns). form: one of `SCORE_FORMS`.

    Returns:
        float32 (n, classes); NaN where a logit that counts is not finite, without a warning.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if form == "softmax":
            return softmax(logits)[:, 1:]
        return np.where(np.isfinite(logits), 1 / (1 + np.exp(-logits)), np.float32(np.nan))


def objectness(scores: np.ndarray, form: str) -> np.ndarray:
    """(n,): how sure it is that an anchor, or what `scores` (n, classes) says, is any object at all.

    Of a softmax 1 - p_background, which is the sum; of a sigmoid the best class's score.
    """
    return scores.sum(axis=1) if form == "softmax" else scores.max(axis=1)


def logits_of(scores: np.ndarray, form: str) -> np.ndarray:
    """Logits (n, columns) whose `class_scores` are these, float32 (n, classes); of a softmax a score of 0 is minus
    infinity."""
    if form == "sigmoid":
        scores = np.clip(scores, *_OPEN_INTERVAL)
        return np.log(scores) - np.log1p(-scores)
    background = np.maximum(1 - scores.sum(axis=1, keepdims=True), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The softmax of a distribution's logarithm is that distribution.
        return np.log(np.concatenate([background, scores], axis=1))


def may_exceed(logits: np.ndarray, score: float, form: str) -> np.ndarray:
    """bool (n, classes): where a class can have more than `score`; cheap, and never False where it has."""
    margin = _lowest_margin(score)
    # A comparison with NaN is False: outputs that are not finite give nothing, and no warning.
    with np.errstate(invalid="ignore"):
        # Softmax gives a class at most sigmoid(its logit - background's).
        return (logits[:, 1:] - logits[:, :1] if form == "softmax" else logits) > margin


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _lowest_margin(score: float) -> float:
    """The logit from which a sigmoid exceeds `score`, a little lower, for float32 rounds."""
    if score >= 1:
        return math.inf
    # From the score 0 on everything is possible.
    return math.log(score / (1 - score)) - 1e-3 if score > 0 else -math.inf
