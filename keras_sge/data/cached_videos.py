"""Decoded videos kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from keras_sge.data.video_dataset import FrameLabels, VideoDataset


class CachedVideos(VideoDataset):
    """Decodes each video once, as long as there is room; opening a file costs more than training on a small clip.

    Args:
        dataset: where the videos come from.
        limit_bytes: room for decoded frames; what comes later is read anew each time.
    """

    def __init__(self, dataset: VideoDataset, limit_bytes: int):
        self.dataset = dataset
        self.classes, self.videos, self.notes = dataset.classes, dataset.videos, dataset.notes
        self._limit = limit_bytes
        # Room that videos which are being decoded will take; what is kept is counted where it lies.
        self._promised = 0
        self._frames: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    @property
    def cached_bytes(self) -> int:
        """What the decoded frames take."""
        return sum(frames.nbytes for frames in list(self._frames.values()))

    def clear(self) -> None:
        """Gives the frames' memory back; they are decoded anew when asked for."""
        with self._lock:
            self._frames.clear()

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self.dataset.labels(index)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        frames = self._frames.get(index)
        if frames is None:
            video = self.videos[index]
            size = video.length * video.height * video.width * 3
            with self._lock:
                fits = self.cached_bytes + self._promised + size <= self._limit
                self._promised += size if fits else 0
            if not fits:
                return self.dataset.read(index, start, stop)
            try:
                frames = self.dataset.read(index)
                with self._lock:
                    self._frames[index] = frames
            finally:
                with self._lock:
                    self._promised -= size
        return frames[start:stop]
