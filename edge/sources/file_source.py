"""Frames from a video with an end: a file, or one behind a URL."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.errors import InputError
from edge.sources.video_source import Item, VideoSource
from edge.stream_event import StreamEvent
from edge.video.reader import VideoReader


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
        self.fps, self.length = self._reader.fps, self._reader.length

    def items(self) -> Iterator[Item | StreamEvent]:
        yield from self._reader
        if missing := self._reader.missing():
            raise InputError(
                f"{self.name} is cut short or damaged: its header announces {self.length} frames, "
                f"{self.length - missing} could be decoded. Copy or record it again."
            )

    def close(self) -> None:
        self._reader.close()
