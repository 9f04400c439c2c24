"""One connection to a camera: made, read until it ends, closed."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from edge.video.reader import frames_a_second, open_capture


class Connection(ABC):
    """One connection to a camera. `read` and `close` are called by one thread, `interrupt` by any.

    Attributes:
        fps: what the camera says, 30 where it says nothing.
    """

    fps: float

    @abstractmethod
    def read(self) -> np.ndarray | None:
        """The next uint8 (height, width, 3) BGR frame, None at the end. May block; may raise OSError."""

    def interrupt(self) -> None:  # noqa: B027
        """Makes a `read` that blocks return soon, where that can be done."""

    @abstractmethod
    def close(self) -> None:
        """Gives the camera back."""


class CaptureConnection(Connection):
    """Through OpenCV: cameras by number, RTSP and whatever else FFmpeg reads.

    Args:
        target: the camera's number or a URL.
        deadline: seconds that opening or one read may take, where OpenCV can watch them: for URLs.

    Raises:
        OSError: it does not open.
    """

    def __init__(self, target: str | int, deadline: float):
        self._capture = open_capture(target, deadline)
        if not self._capture.isOpened():
            raise ConnectionError("OpenCV gets nothing from it")
        self.fps = frames_a_second(self._capture)

    def read(self) -> np.ndarray | None:
        return self._capture.read()[1]

    def close(self) -> None:
        self._capture.release()
