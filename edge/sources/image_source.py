"""Frames from image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.sources.video_source import Item, VideoSource, size_change
from edge.stream_event import StreamEvent
from edge.video.pictures import read_picture


class ImageSource(VideoSource):
    """Images as the frames of a stream, 30 a second, turned as their EXIF orientation says.

    Args:
        paths: at least one, in order.
        name: for people.

    Raises:
        InputError: an image cannot be decoded; the first at once, others when it is their turn.
    """

    def __init__(self, paths: Sequence[Path], name: str):
        self.name, self._paths = name, paths
        self.length = len(paths)
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
