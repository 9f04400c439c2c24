"""Scene cuts, as opposed to what changes within a scene: motion, pans, light and the camera's exposure."""

from __future__ import annotations

import cv2
import numpy as np

# A cut changes the picture in place and its colors as a whole, beyond what another exposure does; motion and pans do
# only the former. Of 63,364 pairs of neighbouring frames of the sky clips and their zoomed windows 22 are taken for
# cuts, and all that were looked at (18) are; so are 92% of the pairs made of frames of two sky clips and 79% of two
# windows: from sky to like sky nothing is seen. Of neighbours with the second at 0.5 to 1.5 times its brightness, 0.2%.
DIFFERENCE_LIMIT = 4.0
HISTOGRAM_LIMIT = 0.15
# What is taken for another exposure: gains, and offsets of the brightness beside them.
GAINS = 0.5, 2.0
LARGEST_OFFSET = 50.0
_SIDE = 40
_BINS = 16
# Values within show brightness; those outside may have been clipped by the camera.
_DARKEST, _BRIGHTEST = 4, 250
# With less of the picture within, nothing can be said.
_LEAST_SHARE = 0.1


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) BGR, at the network's input size or so -> uint8 (40, 40, 3) BGR."""
    return cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


class SceneCut:
    """Looks for cuts in one stream of thumbnails.

    A cut is where, from one frame to the next, both exceed their limits: the mean absolute difference of the thumbnails
    (of 255), `DIFFERENCE_LIMIT`, and the share of values that changed their bin in a 16-bin histogram,
    `HISTOGRAM_LIMIT`; and still do so once the last frame has been brought to this one's exposure by least squares,
    `gain * value + offset` for all colors, as far as `GAINS` and `LARGEST_OFFSET` allow. Values that are nearly black
    or white in either frame do not count. Fades are no cuts.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the last frame."""
        self._last: np.ndarray | None = None

    def __call__(self, small: np.ndarray) -> bool:
        """Whether `small`, a `thumbnail`, begins another scene than the last one's. The first begins none."""
        last, self._last = self._last, small
        return last is not None and _differ(last, small)


def _differ(last: np.ndarray, small: np.ndarray) -> bool:
    within = [cv2.inRange(values.reshape(-1), _DARKEST, _BRIGHTEST).reshape(-1) > 0 for values in (last, small)]
    usable = within[0] & within[1]
    before, now = (values.reshape(-1)[usable].astype(np.float32) for values in (last, small))
    if len(now) < _LEAST_SHARE * small.size:
        return False
    return not _alike(before, now) and not _alike(_exposed_as(now, before), now)


def _exposed_as(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    level = before.mean()
    centered = before - level
    gain = centered @ (now - now.mean()) / max(float(centered @ centered), 1e-6)
    # A plain picture has no gain of its own, so its level is what is bounded.
    level = np.clip(now.mean(), GAINS[0] * level - LARGEST_OFFSET, GAINS[1] * level + LARGEST_OFFSET)
    return np.clip(gain, *GAINS) * centered + level


def _alike(expected: np.ndarray, now: np.ndarray) -> bool:
    if np.abs(now - expected).mean() <= DIFFERENCE_LIMIT:
        return True
    before, after = (cv2.calcHist([values], [0], None, [_BINS], [0, 256]) for values in (expected, now))
    return cv2.norm(before, after, cv2.NORM_L1) / 2 / len(now) <= HISTOGRAM_LIMIT
