"""Some frames of some videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_sge.data.video_dataset import FrameLabels, Video, VideoDataset


class PickedFrames(VideoDataset):
    """Videos of which only some frames exist, read one by one, so that what lies between is never in memory.

    Args:
        dataset: where the frames come from. picks: pairs of a video's index and its frame numbers, at least one each.
    """

    def __init__(self, dataset: VideoDataset, picks: Sequence[tuple[int, Sequence[int]]]):
        self.dataset, self._picks = dataset, [(index, list(frames)) for index, frames in picks]
        self.classes, self.notes = dataset.classes, dataset.notes
        self.videos = [_cut(dataset.videos[index], frames) for index, frames in self._picks]

    def labels(self, index: int) -> list[FrameLabels]:
        own, frames = self._picks[index]
        labels = self.dataset.labels(own)
        return [labels[frame] for frame in frames]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        own, frames = self._picks[index]
        return np.concatenate([self.dataset.read(own, frame, frame + 1) for frame in frames[start:stop]])


def _cut(video: Video, frames: Sequence[int]) -> Video:
    unlabelled = frozenset(place for place, frame in enumerate(frames) if frame in video.unlabelled)
    return dataclasses.replace(video, length=len(frames), unlabelled=unlabelled)
