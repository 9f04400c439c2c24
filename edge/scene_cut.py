"""Tells a cut to another scene from everything that moves within one."""

from __future__ import annotations

import cv2
import numpy as np

# A cut changes the picture in place and its brightnesses as a whole; motion and pans do only the former, a change of
# light mostly the latter. Of 19,480 pairs of neighbouring frames of the sky clips 8 exceed both limits (the four looked
# at are real cuts), and so do 84% of the pairs made of two clips: from sky to like sky nothing is seen.
DIFFERENCE_LIMIT = 8.0
HISTOGRAM_LIMIT = 0.25
_SIDE = 40
_BINS = 16


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) BGR, at the network's input size or so -> uint8 (40, 40), gray."""
    return cv2.cvtColor(cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)


class SceneCut:
    """Looks for cuts in one stream of thumbnails.

    A cut is where, from one frame to the next, both change by more than their limits: the mean absolute difference of
    the thumbnails (of 255) by `DIFFERENCE_LIMIT`, and the part of the pixels that changed their bin in a 16-bin
    histogram by `HISTOGRAM_LIMIT`. Fades are no cuts.
    """

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        """Forgets the last frame."""
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, small: np.ndarray) -> bool:
        """Whether `small`, a `thumbnail`, begins another scene than the last one's. The first begins none."""
        histogram = cv2.calcHist([small], [0], None, [_BINS], [0, 256]).reshape(-1) / small.size
        last, self._last = self._last, (small, histogram)
        if last is None:
            return False
        difference = cv2.norm(small, last[0], cv2.NORM_L1) / small.size
        return difference > DIFFERENCE_LIMIT and float(np.abs(histogram - last[1]).sum()) / 2 > HISTOGRAM_LIMIT
