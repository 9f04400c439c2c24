"""Results handed to a function."""

from __future__ import annotations

from collections.abc import Callable

from edge.frame_result import FrameResult
from edge.sinks.sink import Picture, Sink
from edge.stream_event import StreamEvent


class Callback(Sink):
    """Results handed to a function, events to another one or to none.

    Args:
        on_result: called with each `FrameResult`.
        on_event: called with each `StreamEvent`.
    """

    def __init__(self, on_result: Callable[[FrameResult], None], on_event: Callable[[StreamEvent], None] | None = None):
        self._on_result, self._on_event = on_result, on_event

    def write(self, result: FrameResult, picture: Picture) -> None:
        self._on_result(result)

    def event(self, event: StreamEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)
