"""Frames from a camera or a stream without an end, which may stall, die and come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic

from edge.errors import InputError
from edge.sources.connection import Connection
from edge.sources.frame_reader import FrameReader, TakenFrame
from edge.sources.live_limits import LiveLimits
from edge.sources.video_source import Item, VideoSource, size_change
from edge.stream_event import StreamEvent


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
        return StreamEvent(kind, monotonic() - self._opened, frame_id, message)
