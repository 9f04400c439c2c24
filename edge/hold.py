"""Holding what was seen while it cannot be seen: the simplest memory, behind the network, for any network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge.scores import class_scores, logits_of, objectness

# An anchor is held while its objectness is below this share of what it held.
DROP = 0.7
# What is left of held scores from each frame to the next.
DECAY = 0.9


class Held(NamedTuple):
    """What anchors hold: box codes, float32 (n, 4), and class scores without the background's, float32 (n, c)."""

    codes: np.ndarray
    scores: np.ndarray


def hold(
    codes: np.ndarray, logits: np.ndarray, held: Held | None, form: str = "softmax"
) -> tuple[np.ndarray, np.ndarray, Held]:
    """One frame's outputs, with what was held where an object suddenly seems gone.

    An anchor whose `edge.scores.objectness` is below 0.7 of what it held keeps the held box codes and 0.9 of the
    held class scores, and holds these from then on. Any other keeps and holds what it has now. The cost is that of a
    look at all scores, whatever is held.

    Args:
        codes: float32 (n, 4) box codes. logits: float32 (n, columns), see `edge.scores`.
        held: by the anchors after the frame before; None in a stream's first frame.
        form: what the logits are, `softmax` or `sigmoid`.

    Returns:
        Codes and logits as given, but for anchors that are held: their logits are the logarithms of scores and
        background. And what is held now. Outputs that are not finite stay as they are and leave no trace.
    """
    finite = np.isfinite(codes).all(axis=1) & np.isfinite(logits).all(axis=1)
    scores = class_scores(logits, form)
    if held is None:
        # Nothing is below the objectness of nothing.
        held = Held(np.zeros_like(codes), np.zeros_like(scores))
    gone = finite & (objectness(scores, form) < DROP * objectness(held.scores, form))
    decayed = DECAY * held.scores[gone]
    codes, logits = codes.copy(), logits.copy()
    codes[gone] = held.codes[gone]
    logits[gone] = logits_of(decayed, form)
    scores[gone] = decayed
    keeps = finite[:, None]
    return codes, logits, Held(np.where(keeps, codes, held.codes), np.where(keeps, scores, held.scores))
