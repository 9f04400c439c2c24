"""The base class of every source of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from edge.results import StreamEvent
from edge.video.reader import DEFAULT_FPS, Item


class VideoSource(ABC):
    """An open source of frames: iterate once, close it or use it as a context manager.

    Iteration gives (frame_id from 0, time in seconds, uint8 (height, width, 3) BGR frame). Each frame is an array of
    its own that belongs to the caller.

    Attributes:
        name: for people; a URL's password is left out. fps: frames per second; 30 where the source does not say.
        width, height: of the first frame, in pixels; later ones may differ.
        frame_count: how many frames the source says it has; None where it does not.
        live: whether frames come in real time, as from a camera. A live source holds the newest frame only: one that
            is not taken before the next arrives is dropped, and its number is missing. Any other source gives every
            frame and waits.
    """

    name: str
    fps: float = DEFAULT_FPS
    width: int
    height: int
    frame_count: int | None = None
    live: bool = False

    @abstractmethod
    def items(self) -> Iterator[Item | StreamEvent]:
        """Frames and, between them, the source's events in order. Reset the stream's state at each event."""

    def __iter__(self) -> Iterator[Item]:
        return (item for item in self.items() if not isinstance(item, StreamEvent))

    @abstractmethod
    def close(self) -> None:
        """Frees the file or the camera, from any thread; an iteration then ends."""

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def size_change(frame: np.ndarray, size: tuple[int, int], time: float, frame_id: int) -> StreamEvent | None:
    """The event before a frame whose (height, width) is not `size`, that of the frame before, number `frame_id`."""
    received = frame.shape[:2]
    if received == size:
        return None
    message = f"frames were {size[1]} x {size[0]}, now they are {received[1]} x {received[0]}"
    return StreamEvent("size_changed", time, frame_id, message)
