"""What the page shows: the newest picture, and what is told beside it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import cv2
import numpy as np

from edge.results import FrameResult, StreamEvent

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


_WINDOW_SECONDS = 2.0
_STALE_SECONDS = 2.0


class PageStatus:
    """Counts of a stream: frames, frames a second over the last two seconds, what the last frame showed, last event.

    Args:
        title: for people: the model's name.
    """

    def __init__(self, title: str):
        self._title = title
        self._lock = threading.Lock()
        self._times: deque[float] = deque()
        self._frames, self._frame_id, self._time = 0, -1, 0.0
        self._labels: Counter[str] = Counter()
        self._event: dict[str, Any] | None = None

    def add(self, result: FrameResult) -> None:
        """Counts a result."""
        now = monotonic()
        with self._lock:
            self._times.append(now)
            while now - self._times[0] > _WINDOW_SECONDS:
                self._times.popleft()
            self._frames += 1
            self._frame_id, self._time = result.frame_id, result.time
            self._labels = Counter(detection.label for detection in result.detections)

    def tell(self, event: StreamEvent) -> None:
        """Keeps an event as the last one."""
        with self._lock:
            self._event = event.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        now = monotonic()
        with self._lock:
            recent = len(self._times) - 1
            fresh = recent > 0 and now - self._times[-1] < _STALE_SECONDS
            span = self._times[-1] - self._times[0] if fresh else 0.0
            return {
                "model": self._title,
                "fps": round(recent / span, 1) if span > 0 else 0.0,
                "frames": self._frames,
                "frame_id": self._frame_id,
                "time": round(self._time, 3),
                "detections": dict(sorted(self._labels.items())),
                "event": self._event,
            }
