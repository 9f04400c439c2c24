"""Cameras and streams without an end: deadlines, reconnection, the newest frame."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

from edge.errors import InputError
from edge.results import StreamEvent
from edge.video.connection import Connection, FrameReader, TakenFrame
from edge.video.source import Item, VideoSource, size_change

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveLimits:
    """Deadlines of a live source, and how often it is connected again.

    Attributes:
        open_seconds: from connecting to the first frame.
        stall_seconds: without a frame, until the event `stalled`.
        read_seconds: without a frame, until the connection is closed, with the event `lost`; at least `stall_seconds`.
        attempts: to connect again before the source is given up; 0 gives it up at once.
        first_wait, longest_wait: seconds before the first attempt, doubled before each further one up to the longest.
            With the defaults ten attempts take two and a half minutes or more: a camera has started again by then.

    Raises:
        InputError: a value is out of range.
    """

    open_seconds: float = 10.0
    stall_seconds: float = 2.0
    read_seconds: float = 10.0
    attempts: int = 10
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            good, words = (value >= 0, "0 or more") if name == "attempts" else (value > 0, "above 0")
            if not good:
                raise InputError(f"{name} must be {words}. Received: {value}")
        if self.read_seconds < self.stall_seconds:
            raise InputError(
                f"read_seconds must be at least stall_seconds. Received: {self.read_seconds} and {self.stall_seconds}"
            )

    def wait(self, attempt: int) -> float:
        """Seconds to wait before attempt 0, 1, 2, ..."""
        return min(self.first_wait * 2.0 ** min(attempt, 64), self.longest_wait)


class LiveSource(VideoSource):
    """A camera or a stream without an end: the newest frame, within a deadline, connected again when it was lost.

    Numbers count the frames that arrived, those dropped included, over all connections; times are seconds since the
    source was opened. A connection that does not answer in time is left to its thread and replaced.

    Args:
        connect: makes a connection; called in a thread of its own.
        name: for people.
        limits: deadlines and attempts.
        advice: what to check, for the messages.

    Raises:
        InputError: no first frame within `limits.open_seconds`; while iterating, when all attempts to connect again
            have failed.
    """

    live = True

    def __init__(self, connect: Callable[[], Connection], name: str, limits: LiveLimits, advice: str):
        self.name, self._connect, self._limits, self._advice = name, connect, limits, advice
        self._closed = threading.Event()
        self._opened = monotonic()
        self._reader = FrameReader(connect)
        self._first = self._reader.take(limits.open_seconds)
        if self._first is None:
            reason = self._reader.reason or f"no frame within {limits.open_seconds:g} s"
            self.close()
            raise InputError(f"{name} does not open: {reason}. {advice}")
        self.height, self.width = self._first.frame.shape[:2]
        self.fps = self._first.fps

    def items(self) -> Iterator[Item | StreamEvent]:
        # Numbers of a new connection go on where the last one's ended.
        frame_id, base, size = -1, 0, (self.height, self.width)
        # What was read since it was opened is newer.
        taken, self._first = self._reader.take(0) or self._first, None
        while not self._closed.is_set():
            if taken is None:
                taken = self._reader.take(self._limits.stall_seconds)
            if taken is None and not self._reader.ended:
                yield self._event("stalled", frame_id, f"no frame for {self._limits.stall_seconds:g} s")
                taken = self._reader.take(self._limits.read_seconds - self._limits.stall_seconds)
            if taken is None:
                if self._closed.is_set():
                    return
                reason = self._reader.reason or f"no frame for {self._limits.read_seconds:g} s"
                yield self._event("lost", frame_id, reason)
                taken, attempts = self._reconnect(frame_id, reason)
                if taken is None:
                    return
                base = frame_id + 1
                yield self._event("reconnected", frame_id, f"after {attempts} attempt{'s' * (attempts != 1)}")
            time = taken.time - self._opened
            if event := size_change(taken.frame, size, time, frame_id):
                size = taken.frame.shape[:2]
                yield event
            frame_id, frame = base + taken.number, taken.frame
            taken = None
            yield frame_id, time, frame

    def close(self) -> None:
        self._closed.set()
        self._reader.stop()

    def _reconnect(self, frame_id: int, reason: str) -> tuple[TakenFrame | None, int]:
        """The first frame of a new connection and how many attempts it took; no frame when the source was closed."""
        for attempt in range(self._limits.attempts):
            self._reader.stop()
            if self._closed.wait(self._limits.wait(attempt)):
                return None, attempt
            self._reader = FrameReader(self._connect)
            if self._closed.is_set():
                # Closed between the wait and the new reader, which `close` did not know yet.
                self._reader.stop()
                return None, attempt
            if (taken := self._reader.take(self._limits.open_seconds)) is not None:
                return taken, attempt + 1
            reason = self._reader.reason or f"no frame within {self._limits.open_seconds:g} s"
        self._reader.stop()
        if self._closed.is_set():
            return None, 0
        count = self._limits.attempts
        raise InputError(
            f"{self.name} was lost after frame {frame_id} and did not come back in {count} "
            f"attempt{'s' * (count != 1)}: {reason}. {self._advice}"
        )

    def _event(self, kind: str, frame_id: int, message: str) -> StreamEvent:
        _log.debug("%s: %s after frame %d: %s", self.name, kind, frame_id, message)
        return StreamEvent(kind, monotonic() - self._opened, frame_id, message)
