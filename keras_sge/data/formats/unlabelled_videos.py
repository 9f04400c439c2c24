"""Folders of videos that nobody has labelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.reader import VIDEO_SUFFIXES, VideoReader, is_video
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.formats.media import measure, video_name
from keras_sge.progress import Progress, no_progress

_UNKNOWN = FrameLabels(np.empty((0, 4), np.float32), np.empty(0, np.int32), np.empty(0, np.int32))


class UnlabelledVideos(VideoDataset):
    """Video files as they are; no frame of them is labelled.

    A file that cannot be read is left out and named in `notes`.

    Args:
        sources: video files, and folders that are searched for them to any depth.
        classes: that a network looks for in them.
        progress: around the files while they are measured.

    Raises:
        InputError: no such file or folder, or no video that can be read.
    """

    def __init__(
        self, sources: Iterable[str | Path], classes: Sequence[str] = (), progress: Progress = no_progress
    ):
        sources = [Path(source) for source in sources]
        files = dict.fromkeys(file for source in sources for file in _files(source))
        self.classes, self.videos, self._files = tuple(classes), [], []
        names: set[str] = set()
        notes = []
        for file in progress(list(files)):
            try:
                width, height, fps, length = measure(file)
            except InputError as error:
                notes.append(f"left out: {error}")
                continue
            if not length:
                notes.append(f"left out: {file} has no frames that can be counted.")
                continue
            name, unlabelled = video_name(file.stem, names), frozenset(range(length))
            self.videos.append(Video(len(self.videos), name, width, height, fps, length, unlabelled))
            self._files.append(file)
        self.notes = tuple(notes)
        if not self.videos:
            raise InputError(
                f"no video in {', '.join(map(str, sources))}. Expected files with the endings "
                f"{', '.join(VIDEO_SUFFIXES)}.{' ' if notes else ''}{' '.join(notes)}"
            )

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return [_UNKNOWN] * self.videos[index].length

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, file = self.videos[index], self._files[index]
        stop = video.length if stop is None else min(stop, video.length)
        frames = []
        with VideoReader(file, start, str(file)) as reader:
            while len(frames) < stop - start and (item := reader.read()) is not None:
                frames.append(item[2])
        if not frames:
            raise InputError(f"{file} cannot be decoded at frame {start}. Copy it again.")
        # A header may promise a frame or two more than there are.
        return np.stack(frames + frames[-1:] * (stop - start - len(frames)))


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if is_video(path))
    if not source.exists():
        raise InputError(f"no file or folder {source}.")
    return [source]
