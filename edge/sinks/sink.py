"""Where results go: the base of all sinks, several fed as one, and a function as one."""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from edge.draw import draw_detections
from edge.results import FrameResult, StreamEvent

# Gives the result's frame with its boxes drawn in, uint8 (height, width, 3) BGR; drawn at the first call only, so a
# sink that does not call it costs no drawing. The array is shared and must not be written to.
Picture = Callable[[], np.ndarray]


class Sink(ABC):
    """Takes the results of a stream. Use it as a context manager.

    Attributes:
        closed: whether the viewer wants to end; the caller stops then.
    """

    closed: bool = False

    @abstractmethod
    def write(self, result: FrameResult, picture: Picture) -> None:
        """Takes the next frame's result."""

    def event(self, event: StreamEvent) -> None:  # noqa: B027
        """Takes what happened between two frames; most sinks have no use for it."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


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


class Outputs:
    """Several sinks fed as one. Entering it enters them in order; leaving it leaves all, whatever one of them raises.

    Args:
        sinks: any number of them.
        shared: sinks that are fed as well, but entered and left by the caller, who shares them among several of these.

    Example:
        with Outputs([JsonLines("out.jsonl"), AnnotatedVideo("out.mp4", source.fps)]) as outputs:
            for result in detector.stream(source):
                outputs.write(result)
                if outputs.closed:
                    break
    """

    def __init__(self, sinks: Sequence[Sink], shared: Sequence[Sink] = ()):
        self._own, self._sinks = tuple(sinks), (*sinks, *shared)

    def __enter__(self) -> Outputs:
        with contextlib.ExitStack() as stack:
            for sink in self._own:
                stack.enter_context(sink)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self._stack.__exit__(*exception)

    @property
    def closed(self) -> bool:
        """Whether one of them asks to end."""
        return any(sink.closed for sink in self._sinks)

    def write(self, result: FrameResult) -> None:
        """Hands a result, with its frame, to all of them."""

        @functools.cache
        def picture() -> np.ndarray:
            assert result.frame is not None, "results of a stream have their frames"
            return draw_detections(result.frame, result)

        for sink in self._sinks:
            sink.write(result, picture)

    def event(self, event: StreamEvent) -> None:
        """Hands an event to all of them."""
        for sink in self._sinks:
            sink.event(event)
