"""Frames from a video with an end: a file, or one behind a URL."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import cv2
import numpy as np

from edge.errors import InputError
from edge.quiet import quiet_opencv
from edge.sources.video_source import DEFAULT_FPS, Item, VideoSource
from edge.stream_event import StreamEvent


class FileSource(VideoSource):
    """A video with an end, every frame of it, turned as its rotation metadata say.

    OpenCV scales frames whose size differs from the first one's back to that size, so no such change is seen here.

    Args:
        path: of the file, or a URL.
        name: for people.
        deadline: seconds that opening or one read may take, for URLs; None does not watch.

    Raises:
        InputError: it does not open or holds no frame; after the last frame, where fewer came than its header says.
    """

    def __init__(self, path: str, name: str, deadline: float | None = None):
        self.name = name
        self._lock = threading.Lock()
        self._capture = open_capture(path, deadline)
        opened, self._first = self._capture.isOpened(), self._read()
        if self._first is None:
            self.close()
            if opened:
                raise InputError(f"{name} holds no frame that can be decoded. Copy or record it again.")
            raise InputError(
                f"{name} is no video that OpenCV can read, or its index is cut off. "
                "Expected for example mp4, avi or mkv."
            )
        self.height, self.width = self._first[1].shape[:2]
        self.fps = frames_a_second(self._capture)
        self.length = announced_length(self._capture)

    def items(self) -> Iterator[Item | StreamEvent]:
        frame_id, item = 0, self._first
        self._first = None
        while item is not None:
            seconds, frame = item
            # Some containers carry no time stamps: all of them read as 0.
            yield frame_id, seconds if seconds > 0 else frame_id / self.fps, frame
            frame_id += 1
            item = self._read()
        if not self._capture.isOpened():
            return
        if self.length is not None and self.length - frame_id > max(2, 0.02 * self.length):
            raise InputError(
                f"{self.name} is cut short or damaged: its header announces {self.length} frames, {frame_id} could be "
                "decoded. Copy or record it again."
            )

    def close(self) -> None:
        # Released under a read of another thread, a capture would crash.
        with self._lock:
            self._capture.release()

    def _read(self) -> tuple[float, np.ndarray] | None:
        with self._lock:
            read, frame = self._capture.read()
            return (self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3, frame) if read else None


def open_capture(target: str | int, deadline: float | None = None) -> cv2.VideoCapture:
    """OpenCV's capture of a file, a URL or a camera's number, opened or not; `deadline` in seconds is for URLs."""
    limits = []
    if deadline is not None and not isinstance(target, int):
        milliseconds = int(deadline * 1e3)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    with quiet_opencv():
        capture = cv2.VideoCapture(target, cv2.CAP_FFMPEG, limits) if limits else cv2.VideoCapture(target)
        # OpenCV 4.11 does not turn videos unless told to, 5 does.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def frames_a_second(capture: cv2.VideoCapture) -> float:
    """What the source says, 30 where it says nothing sensible."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS


def announced_length(capture: cv2.VideoCapture) -> int | None:
    """How many frames the source announces, None where it does not say, as a live one."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None
