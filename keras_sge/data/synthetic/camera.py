"""The camera: where it points, and what it does to the picture."""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np

from keras_sge.data.synthetic.flight import jerks, sway

_TILE_MARGIN = 61


class Camera:
    """Pan, shake and the degradations of one video, all fixed when it is made.

    Attributes:
        places: int (frames, 2), x and y in pixels, at most about 0.06 of the frame's side from 0.
        shutter: share of a frame's time during which the shutter is open.
    """

    def __init__(self, rng: np.random.Generator, size: int, frames: int):
        self.size = size
        shake = np.clip(jerks(rng, frames, rng.choice([0.001, 0.004])), -0.015, 0.015)
        pan = sway(rng, frames, rng.uniform(0, 0.04), (60, 160))
        self.places = np.round((pan + shake) * size).astype(int)
        self.shutter = rng.uniform(0.2, 0.9)
        self._gains = 1 + rng.uniform(0, 0.06) * np.sin(np.arange(frames) / rng.uniform(5, 20))
        if rng.random() < 0.25:
            for burst in _bursts(rng, frames, 1, 3):
                self._gains[burst] *= rng.choice([rng.uniform(0.35, 0.55), rng.uniform(1.5, 1.9)])
        self._blurs = np.zeros((frames, 2))
        if rng.random() < 0.4:
            for burst in _bursts(rng, frames, 2, 5):
                # Equal sigmas are a lost focus, unequal ones a knock on the camera.
                sigma = rng.uniform(0.012, 0.028) * size
                self._blurs[burst] = sigma if rng.random() < 0.6 else rng.permutation([1.4 * sigma, 0.01])
        self._noise_level = rng.uniform(0.5, 5)
        self._noise_places = rng.integers(0, _TILE_MARGIN + 1, (frames, 2))
        self._quality = int(rng.integers(25, 75)) if rng.random() < 0.5 else None

    def develop(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """The uint8 BGR picture of one frame, blurred, exposed, noisy and compressed as this video has it."""
        blur = self._blurs[frame]
        if blur.any():
            picture = cv2.GaussianBlur(picture, (0, 0), sigmaX=blur[0], sigmaY=blur[1])
        left, top = self._noise_places[frame]
        window = slice(top, top + self.size), slice(left, left + self.size)
        brighter, darker = self._noise
        picture = cv2.convertScaleAbs(picture, alpha=self._gains[frame])
        picture = cv2.subtract(cv2.add(picture, brighter[window]), darker[window])
        if self._quality is not None:
            _, code = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, self._quality))
            picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return picture

    @cached_property
    def _noise(self) -> tuple[np.ndarray, np.ndarray]:
        """What to add and what to subtract: uint8, as saturating bytes are several times faster than signed numbers."""
        noise = cv2.multiply(_noise_tile(self.size + _TILE_MARGIN), (self._noise_level,) * 4)
        return cv2.max(noise, 0).astype(np.uint8), cv2.max(-noise, 0).astype(np.uint8)


@lru_cache(maxsize=4)
def _noise_tile(side: int) -> np.ndarray:
    """Unit sensor noise, float32 (side, side, 3), shared by all videos, which take it at random offsets."""
    rng = np.random.default_rng(side)
    grey = rng.standard_normal((side, side, 1), np.float32)
    return 0.8 * grey + 0.6 * rng.standard_normal((side, side, 3), np.float32)


def _bursts(rng: np.random.Generator, frames: int, shortest: int, longest: int) -> list[slice]:
    """Short stretches of the video, about one for every thirty frames."""
    starts = rng.integers(0, frames, max(1, frames // 30))
    return [slice(start, start + rng.integers(shortest, longest + 1)) for start in starts]
