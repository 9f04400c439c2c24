"""The degraded protocol over a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sge.data.degradation import Degradation
from keras_sge.data.video_dataset import FrameLabels, VideoDataset


class DegradedVideos(VideoDataset):
    """A data set whose frames are spoilt, the same ones in the same way for every model that is measured.

    The numbers for a frame come from `numpy.random.default_rng([seed, video id, frame id])`, so they depend neither on
    the order of reading nor on what else is in the set.

    Args:
        dataset: the clean videos. seed: 0 or above. degradation: what is done to the frames.
    """

    def __init__(self, dataset: VideoDataset, seed: int, degradation: Degradation | None = None):
        self.dataset, self.seed = dataset, seed
        self.degradation = degradation or Degradation()
        self.classes, self.videos, self.notes = dataset.classes, dataset.videos, dataset.notes

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self.dataset.labels(index)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video = self.videos[index].id
        frames = self.dataset.read(index, start, stop)
        rngs = (np.random.default_rng([self.seed, video, start + offset]) for offset in range(len(frames)))
        return np.stack([self.degradation.apply(frame, rng)[0] for frame, rng in zip(frames, rngs, strict=True)])
