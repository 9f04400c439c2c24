"""What `sge-edge detect` tells in the terminal: a live line, events, and what each source came to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable
from time import perf_counter
from typing import TextIO

from edge.frame_result import FrameResult
from edge.stream_event import StreamEvent

_REFRESH_SECONDS = 0.2


class Report:
    """Counts by stream, and the lines that tell them; one is kept alive on a terminal.

    Args:
        live: whether standard error is a terminal.

    Attributes:
        failed: what went wrong with sources while others went on, in order.
    """

    def __init__(self, live: bool):
        self.failed: list[str] = []
        self._live, self._drawn = live, 0.0
        self._streams: dict[Hashable, _Counts] = {}
        self._whole = _Counts("0 sources")

    def begin(self, stream: Hashable, name: str) -> None:
        """A stream that is counted from now on; its name is for people."""
        self._streams[stream] = _Counts(name)
        count = len(self._streams)
        self._whole.name = name if count == 1 else f"{count} sources"

    def add(self, stream: Hashable, result: FrameResult, dropped: int) -> int:
        """Counts a result; `dropped` frames of its stream were missed so far. Returns how many frames it has now."""
        counts = self._streams[stream]
        self._whole.dropped += dropped - counts.dropped
        counts.dropped = dropped
        for one in (counts, self._whole):
            one.add(result)
        if self._live and self._whole.seconds - self._drawn > _REFRESH_SECONDS:
            self._drawn = self._whole.seconds
            # \x1b[K clears what a longer line before this one left.
            print(f"\r{self.line()}\x1b[K", end="", file=sys.stderr, flush=True)
        return counts.frames

    def event(self, stream: Hashable, event: StreamEvent) -> None:
        """Tells what befell a source."""
        self._clear()
        name = self._streams[stream].name
        print(f"{name}: {event.kind} after frame {event.frame_id}: {event.message}", file=sys.stderr)
        if event.kind == "failed":
            self.failed.append(event.message)

    def line(self) -> str:
        """All streams in one line."""
        return self._whole.line()

    def lines(self, streams: list[Hashable], file: TextIO) -> None:
        """Prints a line for each of the streams."""
        self._clear()
        for stream in streams:
            print(self._streams[stream].line(), file=file)

    def end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Clears the live line; after Ctrl-C, which is how a camera's run ends, the summary is told all the same."""
        self._clear()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            print(self.line(), file=sys.stderr)

    def _clear(self) -> None:
        if self._live and self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class _Counts:
    """Frames, detections and time of one source, or of all."""

    def __init__(self, name: str):
        self.name, self.frames, self.dropped, self.seconds = name, 0, 0, 0.0
        self._start = perf_counter()
        self._labels: Counter[str] = Counter()

    def add(self, result: FrameResult) -> None:
        self.frames += 1
        self.seconds = perf_counter() - self._start
        self._labels.update(detection.label for detection in result.detections)

    def line(self) -> str:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(self._labels.items()))
        rate = self.frames / self.seconds if self.seconds else 0.0
        return (
            f"{self.name}: {self.frames} frame{'s' * (self.frames != 1)} in {self.seconds:.1f} s ({rate:.1f} fps"
            + (f", {self.dropped} dropped" if self.dropped else "")
            + f"), {sum(self._labels.values())} detections"
            + (f" ({counts})" if counts else "")
        )
