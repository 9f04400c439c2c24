"""Sources to results in threads: one reads and prepares the frames of each source, one runs the network."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any

from edge.detector import Detector
from edge.errors import InputError
from edge.fair_queue import FairQueue
from edge.results import FrameResult, StreamEvent
from edge.stream import Stream
from edge.video.open import Source, open_sources
from edge.video.source import VideoSource

# Of sources with an end: prepared frames that wait for the network, and results that wait for the caller.
DEPTH = 2
_JOIN_SECONDS = 15.0

_log = logging.getLogger(__name__)


class Pipeline:
    """Detects in every source at once: a thread reads and prepares the frames of each, one runs the network, the caller
    takes the results.

    A source with an end gives every frame and waits where the network is slower. A live one (`VideoSource.live`) goes
    on, and the network gets its newest frame: the numbers of those in between are missing and counted in `dropped`.
    With a live source among them, the network begins a frame when the caller asks for a result: no result waits for the
    caller, and its age is one frame of the source and one run of the network, however slow either is.
    Several sources are served in turn, so a fast one cannot starve a slow one. Results of one source come in its order.

    Iterate once; use it as a context manager or close it, which ends all threads and closes streams and sources. Ctrl-C
    and leaving the loop do so too. What goes wrong in a thread is raised here, after the results before it; but a
    source that fails while others are being read ends alone, with an event `failed`.

    Args:
        detector: whose interpreter serves all sources.
        sources: one open source, or several by stream id; or whatever `edge.open_sources` takes. They are closed at
            the end.
        scene_cut: whether a stream's state is reset at a cut.

    Attributes:
        dropped: frames missed so far, by stream id (None for a single source).

    Raises:
        InputError: too many streams (see `Detector.open`); while iterating, what the only or the last source raises.

    Example:
        with Pipeline(detector, open_source("clip.mp4")) as results:
            for result in results:
                print(result.frame_id, result.detections)
    """

    def __init__(
        self,
        detector: Detector,
        sources: Mapping[Hashable, VideoSource] | Source | Iterable[Source],
        scene_cut: bool = True,
    ):
        if not isinstance(sources, Mapping | VideoSource):
            sources = open_sources(sources)
            # As for a source that was open before: alone it needs no name.
            sources = sources.popitem()[1] if len(sources) == 1 else sources
        self._sources: dict[Hashable, VideoSource] = dict(sources) if isinstance(sources, Mapping) else {None: sources}
        self.dropped: dict[Hashable, int] = dict.fromkeys(self._sources, 0)
        self._streams: dict[Hashable, Stream] = {}
        self._held = contextlib.ExitStack()
        self._prepared, self._results = FairQueue(DEPTH), FairQueue(DEPTH)
        self._results.add_lane(None)
        self._live = any(source.live for source in self._sources.values())
        self._reading, self._reading_lock = set(self._sources), threading.Lock()
        self._threads: list[threading.Thread] = []
        try:
            for name in self._sources:
                # A single source gets an id that no other pipeline on this detector has.
                stream = detector.open(self if name is None else name, scene_cut)
                # Held: a camera that is silent for long does not lose its stream.
                self._streams[name] = self._held.enter_context(stream)
                stream.id = name
                self._prepared.add_lane(name, bounded=not self._sources[name].live)
        except Exception:
            self.close()
            raise
        # Daemons: a read that hangs in native code must not keep the process alive.
        self._threads = [
            threading.Thread(target=self._read, args=(name,), name=f"sge-edge-prepare-{name}", daemon=True)
            for name in self._sources
        ]
        self._threads.append(threading.Thread(target=self._infer, name="sge-edge-infer", daemon=True))

    def items(self) -> Iterator[tuple[Hashable, FrameResult | StreamEvent]]:
        """Stream ids with results and, in order and as they happen, with the events of the sources."""
        try:
            for thread in self._threads:
                thread.start()
            while (entry := self._results.get()) is not None:
                yield entry[1]
        finally:
            self.close()

    def __iter__(self) -> Iterator[FrameResult]:
        return (item for _, item in self.items() if isinstance(item, FrameResult))

    def close(self) -> None:
        """Ends the threads and closes streams and sources. Nothing happens when called again."""
        self._prepared.close()
        self._results.close()
        for source in self._sources.values():
            source.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_SECONDS)
        self._held.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read(self, name: Hashable) -> None:
        source, stream, last, time = self._sources[name], self._streams[name], -1, 0.0
        try:
            items = iter(source.items())
            while True:
                start = perf_counter()
                item = next(items, None)
                if item is None:
                    break
                if isinstance(item, StreamEvent):
                    taken = self._prepared.put(name, item)
                else:
                    last, time, frame = item
                    prepared = stream.prepare(frame, (perf_counter() - start) * 1e3)
                    taken = self._prepared.put(name, (prepared, last, time), replace=source.live)
                if not taken:
                    return
        except InputError as error:
            if self._ended_last(name):
                self._prepared.finish(name, error)
            else:
                _log.debug("%s failed after frame %d: %s", source.name, last, error)
                self._prepared.put(name, StreamEvent("failed", time, last, str(error)))
                self._prepared.finish(name)
        except BaseException as error:
            self._prepared.finish(name, error)
        else:
            self._ended_last(name)
            self._prepared.finish(name)

    def _ended_last(self, name: Hashable) -> bool:
        """Takes an ended source off those that are read; says whether it was the last."""
        with self._reading_lock:
            self._reading.discard(name)
            return not self._reading

    def _next_prepared(self) -> tuple[Hashable, Any] | None:
        if self._live and not self._results.wait_for_demand():
            return None
        return self._prepared.get()

    def _infer(self) -> None:
        events: dict[Hashable, str] = {}
        last = dict.fromkeys(self._sources, -1)
        result: FrameResult | StreamEvent
        try:
            while (entry := self._next_prepared()) is not None:
                name, item = entry
                if isinstance(item, StreamEvent):
                    events[name], result = item.kind, item
                else:
                    prepared, frame_id, time = item
                    if self._sources[name].live:
                        self.dropped[name] += max(0, frame_id - last[name] - 1)
                    last[name] = frame_id
                    result = self._streams[name].detect(prepared, frame_id, time, events.pop(name, None))
                if not self._results.put(None, (name, result)):
                    return
        except BaseException as error:
            self._results.finish(None, error)
        else:
            self._results.finish(None)
