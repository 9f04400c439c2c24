"""ImageNet VID 2015 (Russakovsky et al., ILSVRC) as it lies on disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.source import DEFAULT_FPS
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.formats.form import Form
from keras_sge.data.formats.frames import read_images
from keras_sge.data.formats.imagenet_vid_files import (
    VID_CLASSES,
    index_imagenet_vid,
    read_frame_labels,
    read_frame_size,
)
from keras_sge.progress import Progress, no_progress

# Videos whose parsed labels stay in memory.
_CACHED_VIDEOS = 64


class ImageNetVid(VideoDataset):
    """A directory with `Data/VID/SPLIT` and `Annotations/VID/SPLIT`, one JPEG and one XML file for each frame.

    Opening lists folders and opens no file. A video's size comes from its first XML, read when the video is asked for;
    an XML file is parsed when the labels of its frame are asked for, so that a clip costs as many files as it has
    frames. Coordinates are taken as they stand and clipped to the frame; every object counts, occluded, generated or
    not. The files say no frame rate: it is given as 30.

    Args:
        directory: the root, the folder named ILSVRC or ILSVRC2015 in the archive.
        split: `train` or `val`.
        progress: around the videos while their folders are listed.

    Attributes:
        videos: sorted by folder, `Video.id` is the position; names are without the package's folder.

    Raises:
        InputError: a missing folder, a frame without image or annotation; while it is read: a wrong XML file or image.
            The message names the file.
    """

    def __init__(
        self,
        directory: str | Path,
        split: str,
        progress: Progress = no_progress,
    ):
        self._images, self._annotations = (Path(directory) / part / "VID" / split for part in ("Data", "Annotations"))
        self._index = index_imagenet_vid(self._images, self._annotations, progress)
        self.classes = tuple(VID_CLASSES.values())
        self.videos = _Videos(self._index, self._annotations)
        self._cache: OrderedDict[int, _Labels] = OrderedDict()
        self._lock = threading.Lock()

    def labels(self, index: int) -> Sequence[FrameLabels]:
        index = range(len(self.videos))[index]
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        labels = _Labels(self._annotations / self._index[index][0], self.videos[index])
        with self._lock:
            # Another thread may have been as quick: what it has parsed is kept.
            labels = self._cache.setdefault(index, labels)
            if len(self._cache) > _CACHED_VIDEOS:
                self._cache.popitem(last=False)
        return labels

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, folder = self.videos[index], self._images / self._index[index][0]
        numbers = range(video.length)[start:stop]
        if not numbers:
            raise InputError(f"{video.name} has frames 0 to {video.length - 1}. Received: {start} to {stop}")
        return read_images([folder / f"{number:06d}.JPEG" for number in numbers], video)


class _Videos(Sequence):
    """Makes a `Video`, and opens its first XML file, when it is asked for."""

    def __init__(self, index: list[tuple[str, int]], annotations: Path):
        self._index, self._annotations = index, annotations
        self._videos: list[Video | None] = [None] * len(index)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        index = range(len(self))[index]
        if self._videos[index] is None:
            folder, length = self._index[index]
            width, height = read_frame_size(self._annotations / folder / "000000.xml")
            name = folder.rpartition("/")[2]
            self._videos[index] = Video(index, name, width, height, DEFAULT_FPS, length)
        return self._videos[index]


class _Labels(Sequence):
    """Parses a frame's XML file when its labels are asked for."""

    def __init__(self, folder: Path, video: Video):
        self._folder, self._video = folder, video
        self._frames: list[FrameLabels | None] = [None] * video.length

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        index = range(len(self))[index]
        if self._frames[index] is None:
            path = self._folder / f"{index:06d}.xml"
            self._frames[index] = read_frame_labels(path, self._video.width, self._video.height)
        return self._frames[index]


def _splits(source: Path) -> list[str]:
    return sorted(path.name for path in (source / "Annotations" / "VID").glob("*") if path.is_dir())


FORM = Form(
    "imagenet-vid",
    "ImageNet VID: Data/VID/SPLIT and Annotations/VID/SPLIT, as ILSVRC2015 unpacks",
    _splits,
    lambda source, split, frames, progress: ImageNetVid(source, split, progress),
)
