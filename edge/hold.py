"""Holding what was seen while it cannot be seen: the simplest memory, behind the network, for any network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge.postprocess import softmax

# An anchor is held while its objectness is below this share of what it held.
DROP = 0.7
# What is left of held scores from each frame to the next.
DECAY = 0.9


class Held(NamedTuple):
    """What anchors hold: box codes, float32 (n, 4), and class scores without the background's, float32 (n, c)."""

    codes: np.ndarray
    scores: np.ndarray


def hold(codes: np.ndarray, logits: np.ndarray, held: Held | None) -> tuple[np.ndarray, np.ndarray, Held]:
    """One frame's outputs, with what was held where an object suddenly seems gone.

    An anchor whose objectness, 1 - p_background, is below 0.7 of what it held keeps the held box codes and 0.9 of the
    held class scores, and holds these from then on. Any other keeps and holds what it has now. The cost is that of a
    softmax over the anchors, whatever is held.

    Args:
        codes: float32 (n, 4) box codes. logits: float32 (n, c + 1), background first.
        held: by the anchors after the frame before; None in a stream's first frame.

    Returns:
        Codes and logits as given, but for anchors that are held: their logits are the logarithms of scores and
        background. And what is held now. Outputs that are not finite stay as they are and leave no trace.
    """
    finite = np.isfinite(codes).all(axis=1) & np.isfinite(logits).all(axis=1)
    with np.errstate(invalid="ignore"):
        scores = softmax(logits)[:, 1:]
    if held is None:
        # Nothing is below the objectness of nothing.
        held = Held(np.zeros_like(codes), np.zeros_like(scores))
    objectness = held.scores.sum(axis=1)
    gone = finite & (scores.sum(axis=1) < DROP * objectness)
    decayed = DECAY * held.scores[gone]
    codes, logits = codes.copy(), logits.copy()
    codes[gone] = held.codes[gone]
    with np.errstate(divide="ignore"):
        # The softmax of a distribution's logarithm is that distribution.
        logits[gone] = np.log(np.concatenate([1 - decayed.sum(axis=1, keepdims=True), decayed], axis=1))
    scores[gone] = decayed
    keeps = finite[:, None]
    return codes, logits, Held(np.where(keeps, codes, held.codes), np.where(keeps, scores, held.scores))
