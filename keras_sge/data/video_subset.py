"""Some of a data set's videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sge.data.video_dataset import FrameLabels, VideoDataset


class VideoSubset(VideoDataset):
    """The videos of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: VideoDataset, indices: Sequence[int]):
        self.dataset, self._indices = dataset, list(indices)
        self.classes, self.notes = dataset.classes, dataset.notes
        self.videos = [dataset.videos[index] for index in self._indices]

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self.dataset.labels(self._indices[index])

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self.dataset.read(self._indices[index], start, stop)
