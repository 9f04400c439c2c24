"""Videos of dark bars that fly over calm skies, with known pixels and boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sge.data import FrameLabels, Video, VideoDataset

WIDTH, HEIGHT, FRAMES = 260, 200, 12
# Of the bar; its box has two pixels more on each side, as annotators leave them.
BAR, LOOSE = (24, 14), 2


class Flights(VideoDataset):
    """One bar a video, of class `number % 2`, black over a sky of its own shade; the last videos are empty.

    Args:
        videos: with a bar. empty: without one. restless: whether the sky is noise.
    """

    classes = ("kite", "plane")

    def __init__(self, videos: int = 4, empty: int = 0, frames: int = FRAMES, restless: bool = False):
        self._flying, self._restless = videos, restless
        self.videos = [
            Video(number, f"V_{self.classes[number % 2].upper()}_{number:03d}", WIDTH, HEIGHT, 30.0, frames)
            for number in range(videos + empty)
        ]

    def shade(self, index: int) -> int:
        """Gray value of a video's sky."""
        return 120 + 20 * index

    def box(self, index: int, number: int) -> np.ndarray:
        """Corners of the labelled box."""
        left, top = 40 + 2 * number, 30 + 4 * index
        return np.array([left, top, left + BAR[0] + 2 * LOOSE, top + BAR[1] + 2 * LOOSE], np.float32)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        numbers = range(self.videos[index].length)[start:stop]
        frames = np.full((len(numbers), HEIGHT, WIDTH, 3), self.shade(index), np.uint8)
        if self._restless:
            frames = np.random.default_rng(index).integers(0, 255, frames.shape, np.uint8)
        for frame, number in zip(frames, numbers, strict=True):
            if index < self._flying:
                x1, y1, x2, y2 = self.box(index, number).astype(int)
                frame[y1 + LOOSE : y2 - LOOSE, x1 + LOOSE : x2 - LOOSE] = 20
        return frames

    def labels(self, index: int) -> Sequence[FrameLabels]:
        here = index < self._flying
        return [
            FrameLabels(
                np.array([self.box(index, number)] * here, np.float32).reshape(-1, 4),
                np.array([index % 2] * here, np.int32),
                np.array([7] * here, np.int32),
            )
            for number in range(self.videos[index].length)
        ]
