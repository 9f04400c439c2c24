"""Connections to cameras, each read in a thread of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import numpy as np

from edge.quiet import quiet_opencv
from edge.video.reader import capture_fps, open_capture

_JOIN_SECONDS = 1.0


class Connection(ABC):
    """One connection to a camera. `read` and `close` are called by one thread, `interrupt` by any.

    Attributes:
        fps: what the camera states, 30 where it states none.
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
        self.fps = capture_fps(self._capture)

    def read(self) -> np.ndarray | None:
        return self._capture.read()[1]

    def close(self) -> None:
        self._capture.release()


@dataclass(frozen=True)
class TakenFrame:
    """A frame, its number on its connection from 0, `monotonic()` when it had been read, and the camera's fps."""

    number: int
    time: float
    frame: np.ndarray
    fps: float


class FrameReader:
    """Connects and reads in a thread of its own; holds the newest frame only.

    Args:
        connect: makes the connection; may block, may raise OSError.

    Attributes:
        ended: whether no more frames come. reason: why, for people.
    """

    def __init__(self, connect: Callable[[], Connection]):
        self._connect = connect
        self._changed = threading.Condition()
        self._newest: TakenFrame | None = None
        self._connection: Connection | None = None
        self._stopped = self.ended = False
        self.reason = ""
        # A daemon: a read that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="sge-edge-reader", daemon=True)
        self._thread.start()

    def take(self, seconds: float) -> TakenFrame | None:
        """The newest frame not taken yet, waiting for it; None when `seconds` pass without one or the stream ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self.ended, seconds)
            taken, self._newest = self._newest, None
            return taken

    def stop(self) -> None:
        """Ends the reading. A thread that hangs in native code is left behind; it closes its connection when it can."""
        with self._changed:
            self._stopped = self.ended = True
            self._changed.notify_all()
            connection = self._connection
        if connection is not None:
            connection.interrupt()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        reason = "it sends no more frames"
        with quiet_opencv():
            try:
                self._read()
            except OSError as error:
                reason = str(error) or type(error).__name__
            finally:
                with self._changed:
                    connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()
                with self._changed:
                    self.reason, self.ended = reason, True
                    self._changed.notify_all()

    def _read(self) -> None:
        connection = self._connect()
        with self._changed:
            self._connection = connection
        number = 0
        while not self._stopped:
            frame = connection.read()
            if frame is None:
                return
            with self._changed:
                self._newest = TakenFrame(number, monotonic(), frame, connection.fps)
                self._changed.notify_all()
            number += 1
