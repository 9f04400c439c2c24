"""What the page tells about a stream, beside its pictures."""

from __future__ import annotations

import threading
from collections import Counter, deque
from time import monotonic
from typing import Any

from edge.frame_result import FrameResult
from edge.stream_event import StreamEvent

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
