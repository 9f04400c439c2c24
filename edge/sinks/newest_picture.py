"""The newest picture, handed from one thread that makes pictures to those who send them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import cv2
import numpy as np

_JPEG_QUALITY = 80


class NewestPicture:
    """The newest picture as a JPEG. Whoever puts one never waits; those who look skip what they are too slow for.

    A picture is encoded once, by the first who sends it, and not at all where nobody looks.

    Args:
        most_fps: more pictures a second than this are not asked for.

    Attributes:
        watchers: how many look. number: of the newest picture, 0 before the first.
        on_put: called, in the thread that puts, after each picture; may be set.
    """

    def __init__(self, most_fps: float):
        self._lock, self._encoding = threading.Lock(), threading.Lock()
        self._picture: np.ndarray | None = None
        self._jpeg: tuple[int, bytes] = (0, b"")
        self.number = self.watchers = 0
        # No time is "never": the clock may have started a moment ago.
        self._put_at: float | None = None
        self._step = 1 / most_fps
        self.on_put: Callable[[], object] = lambda: None

    @property
    def wanted(self) -> bool:
        """Whether a picture put now would be looked at."""
        due = self._put_at is None or monotonic() - self._put_at >= self._step
        return due and self.watchers > 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """The block of somebody who looks."""
        with self._lock:
            self.watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self.watchers -= 1

    def put(self, picture: np.ndarray) -> None:
        """Replaces the picture: uint8 (height, width, 3) BGR, which nobody writes to from now on."""
        with self._lock:
            self._picture, self._put_at = picture, monotonic()
            self.number += 1
        self.on_put()

    def jpeg(self) -> tuple[int, bytes]:
        """Number and JPEG of the newest picture; (0, b"") before the first."""
        with self._encoding:
            with self._lock:
                number, picture = self.number, self._picture
            if self._jpeg[0] < number:
                quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
                self._jpeg = number, cv2.imencode(".jpg", picture, quality)[1].tobytes()
            return self._jpeg
