"""Several data sets as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge.errors import InputError
from keras_sge.data.video_dataset import FrameLabels, VideoDataset


class MixedVideos(VideoDataset):
    """The videos of several data sets, one set after the other, numbered anew from 0.

    Args:
        datasets: at least one; the first gives the order of the classes, the others may have any order of the same.

    Raises:
        InputError: the data sets' classes differ.
    """

    def __init__(self, datasets: Sequence[VideoDataset]):
        self.classes = datasets[0].classes
        self.notes = tuple(dict.fromkeys(note for dataset in datasets for note in dataset.notes))
        self.videos, self._where = [], []
        for dataset in datasets:
            if set(dataset.classes) != set(self.classes):
                raise InputError(
                    "data sets can be mixed only where their classes are the same. Received: "
                    f"{', '.join(self.classes)}; and {', '.join(dataset.classes)}"
                )
            for index, video in enumerate(dataset.videos):
                self._where.append((dataset, index))
                self.videos.append(dataclasses.replace(video, id=len(self.videos)))

    def labels(self, index: int) -> Sequence[FrameLabels]:
        dataset, own = self._where[index]
        labels = dataset.labels(own)
        if dataset.classes == self.classes:
            return labels
        order = np.array([self.classes.index(name) for name in dataset.classes], np.int32)
        return [
            dataclasses.replace(
                frame, classes=order[frame.classes], ignored_classes=order[frame.ignored_classes.astype(np.int64)]
            )
            for frame in labels
        ]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        dataset, own = self._where[index]
        return dataset.read(own, start, stop)
