"""Data sets seen through others: some videos, some frames, several as one, kept in memory, degraded."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence

import numpy as np

from edge.errors import InputError
from edge.results import Box, Detection
from edge.tracker import Tracker
from keras_sge.data.dataset import NO_TRACK, FrameLabels, Video, VideoDataset
from keras_sge.data.degradation import Degradation


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


class LinkedTracks(VideoDataset):
    """A data set in whose videos the objects are tracked (`edge.Tracker`, scores of 1) where labels name no tracks.

    Tracks that somebody has labelled stay as they are. An object that is unlabelled for a second starts a new track.
    """

    def __init__(self, dataset: VideoDataset):
        self.dataset = dataset
        self.classes, self.videos, self.notes = dataset.classes, dataset.videos, dataset.notes

    def labels(self, index: int) -> Sequence[FrameLabels]:
        labels = self.dataset.labels(index)
        if any((frame.tracks != NO_TRACK).any() for frame in labels):
            return labels
        tracker, fps = Tracker(), self.videos[index].fps
        return [self._linked(frame, tracker, number / fps) for number, frame in enumerate(labels)]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self.dataset.read(index, start, stop)

    def _linked(self, frame: FrameLabels, tracker: Tracker, time: float) -> FrameLabels:
        found = [
            Detection(self.classes[kind], kind, 1.0, Box(*box))
            for box, kind in zip(frame.boxes.tolist(), frame.classes.tolist(), strict=True)
        ]
        tracks = [NO_TRACK if one.track_id is None else one.track_id for one in tracker(found, time)]
        return dataclasses.replace(frame, tracks=np.array(tracks, np.int32))


class OfClasses(VideoDataset):
    """A data set with other classes: objects of a class that is not among them are left out, as if they were not there.

    Args:
        dataset: where the videos come from. classes: names, in the new order.
    """

    def __init__(self, dataset: VideoDataset, classes: Sequence[str]):
        self.dataset, self.classes = dataset, tuple(classes)
        self.videos, self.notes = dataset.videos, dataset.notes
        names = [self.classes.index(name) if name in self.classes else -1 for name in dataset.classes]
        self._new = np.array(names, np.int32)

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return [self._renamed(frame) for frame in self.dataset.labels(index)]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self.dataset.read(index, start, stop)

    def _renamed(self, frame: FrameLabels) -> FrameLabels:
        classes, ignored = self._new[frame.classes], self._new[frame.ignored_classes]
        kept, regions = classes >= 0, ignored >= 0
        return dataclasses.replace(
            frame,
            boxes=frame.boxes[kept],
            classes=classes[kept],
            tracks=frame.tracks[kept],
            ignored=frame.ignored[regions],
            ignored_classes=ignored[regions],
        )


class RenamedVideos(VideoDataset):
    """A data set whose videos have other names, one for each."""

    def __init__(self, dataset: VideoDataset, names: Sequence[str]):
        self.dataset = dataset
        self.classes, self.notes = dataset.classes, dataset.notes
        self.videos = [
            dataclasses.replace(video, name=name) for video, name in zip(dataset.videos, names, strict=True)
        ]

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self.dataset.labels(index)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self.dataset.read(index, start, stop)


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
                    f"{', '.join(self.classes)}; and {', '.join(dataset.classes)}. data.mix_synthetic=0 adds no "
                    "synthetic videos."
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


class DegradedVideos(VideoDataset):
    """A data set whose frames are degraded, the same ones in the same way for every model that is measured.

    The numbers for a frame come from `numpy.random.default_rng([seed, video id, frame id])`, the plan of a video's
    bursts from `[seed, video id, 0, 1]`, and what the frames of burst b share from `[seed, video id, b, 2]`: all of it
    depends neither on the order of reading nor on what else is in the set.

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
        key, numbers = [self.seed, video], range(start, start + len(frames))
        plan = self.degradation.plan(self.videos[index].length, np.random.default_rng([*key, 0, 1]))
        rngs = (np.random.default_rng([*key, number]) for number in numbers)
        part = None if plan is None else plan[start : start + len(frames)]
        return np.stack(self.degradation.degrade(frames, rngs, part, key))


def _cut(video: Video, frames: Sequence[int]) -> Video:
    unlabelled = frozenset(place for place, frame in enumerate(frames) if frame in video.unlabelled)
    return dataclasses.replace(video, length=len(frames), unlabelled=unlabelled)
