"""Several sinks fed as one, with the boxes drawn once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence

from edge.draw import draw_detections
from edge.frame_result import FrameResult
from edge.sinks.sink import Sink
from edge.stream_event import StreamEvent


class Outputs:
    """Several sinks fed as one. Entering it enters them in order; leaving it leaves all, whatever one of them raises.

    Args:
        sinks: any number of them.
        shared: sinks that are fed as well, but entered and left by whoever shares them among several of these.

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

    def __exit__(self, *exception: object) -> bool | None:
        return self._stack.__exit__(*exception)

    @property
    def closed(self) -> bool:
        """Whether one of them asks to end."""
        return any(sink.closed for sink in self._sinks)

    def write(self, result: FrameResult) -> None:
        """Hands a result, with its frame, to all of them."""
        picture = functools.cache(lambda: draw_detections(result.frame, result))
        for sink in self._sinks:
            sink.write(result, picture)

    def event(self, event: StreamEvent) -> None:
        """Hands an event to all of them."""
        for sink in self._sinks:
            sink.event(event)
