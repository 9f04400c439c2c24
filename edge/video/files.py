"""Frames from what has an end: video files and image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.results import StreamEvent
from edge.video.pictures import read_picture
from edge.video.reader import VideoReader
from edge.video.source import Item, VideoSource, size_change


class FileSource(VideoSource):
    """A video with an end, every frame of it that is to be seen, upright; see `edge.video.reader.VideoReader`.

    Args:
        path: of the file, or a URL.
        name: for people.
        deadline: seconds that opening or one read may take, for URLs; None does not watch.
        times: when each frame is seen, in seconds, for URLs; None where that is not known.

    Raises:
        InputError: it does not open or holds no frame; after the last frame, where fewer came than its header says.
    """

    def __init__(self, path: str, name: str, deadline: float | None = None, times: np.ndarray | None = None):
        self.name = name
        self._reader = VideoReader(path, name=name, deadline=deadline, times=times)
        self.height, self.width = self._reader.height, self._reader.width
        self.fps, self.frame_count = self._reader.fps, self._reader.frame_count

    def items(self) -> Iterator[Item | StreamEvent]:
        yield from self._reader
        missing = self._reader.missing()
        if missing and self.frame_count is not None:
            raise InputError(
                f"{self.name} is cut short or damaged: its header announces {self.frame_count} frames, "
                f"{self.frame_count - missing} could be decoded. Copy or record it again."
            )

    def close(self) -> None:
        self._reader.close()


class ImageSource(VideoSource):
    """Images as the frames of a stream, 30 per second, turned as their EXIF orientation says.

    Args:
        paths: at least one, in order.
        name: for people.

    Raises:
        InputError: an image cannot be decoded; the first at once, others when it is their turn.
    """

    def __init__(self, paths: Sequence[Path], name: str):
        self.name, self._paths = name, paths
        self.frame_count = len(paths)
        self.height, self.width = read_picture(paths[0]).shape[:2]

    def items(self) -> Iterator[Item | StreamEvent]:
        size = self.height, self.width
        for frame_id, path in enumerate(self._paths):
            frame, time = read_picture(path), frame_id / self.fps
            if event := size_change(frame, size, time, frame_id - 1):
                size = frame.shape[:2]
                yield event
            yield frame_id, time, frame
            if not self._paths:
                return

    def close(self) -> None:
        self._paths = ()
