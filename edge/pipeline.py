"""A bounded queue with a lane for each producer."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any

from edge.detector import Detector
from edge.errors import InputError
from edge.results import FrameResult, StreamEvent
from edge.stream import Stream
from edge.video.open import Source, open_sources
from edge.video.source import VideoSource


class FairQueue:
    """Bounded lanes from several producers to one consumer, who serves them in turn.

    A lane that is full makes its own producer wait and nobody else; a lane that is empty is passed over.

    Args:
        depth: items that a bounded lane holds at most, at least 1.
    """

    def __init__(self, depth: int):
        self._depth = depth
        # Of (item, whether the next of its kind replaces it).
        self._lanes: dict[Hashable, deque[tuple[Any, bool]]] = {}
        self._unbounded: set[Hashable] = set()
        self._ends: dict[Hashable, BaseException | None] = {}
        self._turns: deque[Hashable] = deque()
        self._closed = self._awaited = False
        self._changed = threading.Condition()

    def add_lane(self, lane: Hashable, bounded: bool = True) -> None:
        """A lane for a producer; add all before the consumer begins. One that is not bounded never makes it wait: its
        producer replaces what would pile up."""
        self._lanes[lane] = deque()
        if not bounded:
            self._unbounded.add(lane)
        self._turns.append(lane)

    def put(self, lane: Hashable, item: Any, replace: bool = False) -> bool:
        """Waits for room and adds an item; False where the queue was closed and the item is not in it.

        Args:
            replace: whether it takes the place of the last item put so, if that still waits; it comes behind whatever
                else was put since.
        """
        with self._changed:
            if replace:
                self._lanes[lane] = deque(entry for entry in self._lanes[lane] if not entry[1])
            if lane not in self._unbounded:
                self._changed.wait_for(lambda: self._closed or len(self._lanes[lane]) < self._depth)
            if not self._closed:
                self._lanes[lane].append((item, replace))
                self._changed.notify_all()
            return not self._closed

    def wait_for_demand(self) -> bool:
        """Waits until the consumer waits in `get` and nothing is there for it; False where the queue was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._awaited and not any(self._lanes.values())))
            return not self._closed

    def finish(self, lane: Hashable, error: BaseException | None = None) -> None:
        """No more items come in this lane; `get` raises the error after the last items of all finished lanes."""
        with self._changed:
            self._ends[lane] = error
            self._changed.notify_all()

    def get(self) -> tuple[Hashable, Any] | None:
        """Waits for an item and gives it with its lane; None when all lanes are finished or the queue was closed."""
        with self._changed:
            while not self._closed and self._turns:
                for _ in range(len(self._turns)):
                    lane = self._turns.popleft()
                    if self._lanes[lane]:
                        self._turns.append(lane)
                        item, _ = self._lanes[lane].popleft()
                        self._awaited = False
                        self._changed.notify_all()
                        return lane, item
                    if lane not in self._ends:
                        self._turns.append(lane)
                    elif (error := self._ends[lane]) is not None:
                        if not any(self._lanes[ended] for ended in self._ends):
                            raise error
                        # What other producers left before they ended comes first.
                        self._turns.append(lane)
                if self._turns:
                    self._awaited = True
                    self._changed.notify_all()
                    self._changed.wait()
            return None

    def close(self) -> None:
        """Wakes everybody: `put` gives False and `get` None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


# Of sources with an end: prepared frames that wait for the network, and results that wait for the caller.
DEPTH = 2
_JOIN_SECONDS = 15.0


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
        self._sources = dict(sources) if isinstance(sources, Mapping) else {None: sources}
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
        """Stream ids with results and, in order and as they happen, with what befell the sources."""
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
                    entry = item
                else:
                    last, time, frame = item
                    entry = stream.prepare(frame, (perf_counter() - start) * 1e3), last, time
                if not self._prepared.put(name, entry, replace=source.live and entry is not item):
                    return
        except InputError as error:
            if self._ended_last(name):
                self._prepared.finish(name, error)
            else:
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
        try:
            while (entry := self._next_prepared()) is not None:
                name, item = entry
                if isinstance(item, StreamEvent):
                    events[name], result = item.kind, item
                else:
                    if self._sources[name].live:
                        self.dropped[name] += max(0, item[1] - last[name] - 1)
                    last[name] = item[1]
                    result = self._streams[name].detect(*item, reset=events.pop(name, None))
                if not self._results.put(None, (name, result)):
                    return
        except BaseException as error:
            self._results.finish(None, error)
        else:
            self._results.finish(None)
