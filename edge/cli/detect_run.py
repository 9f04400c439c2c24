"""A run of `sge-edge detect`: sources through the pipeline to their outputs, and the report of it in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TextIO

from edge.detector import Detector
from edge.errors import InputError
from edge.pipeline import Pipeline
from edge.results import FrameResult, StreamEvent
from edge.sinks.contact_sheet import ContactSheet
from edge.sinks.json_lines import JsonLines
from edge.sinks.sink import Outputs, Sink
from edge.sinks.video import AnnotatedVideo
from edge.tracker import Tracker
from edge.video.open import Entry, open_source
from edge.video.source import VideoSource

_REFRESH_SECONDS = 0.2


class DetectRun:
    """Reads sources through a pipeline, at once or one after the other, and hands results to their sinks.

    Args:
        arguments: of the command. detector: for all sources.
        viewers: the window and the page, entered. paths: by stream id, see `OutputFiles.of`.

    Attributes:
        lines: the sink of --jsonl, not entered yet, or None. report: what is printed.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        detector: Detector,
        viewers: Sequence[Sink],
        paths: dict[str, dict[str, Path]],
    ):
        self.detector, self.report = detector, Report(sys.stderr.isatty())
        self.lines = JsonLines(arguments.jsonl, arguments.append) if arguments.jsonl else None
        self._arguments, self._viewers, self._paths = arguments, viewers, paths
        self._several = len(paths) > 1

    @property
    def closed(self) -> bool:
        """Whether a viewer wants to end."""
        return any(viewer.closed for viewer in self._viewers)

    def run_files(self, entries: dict[str, Entry]) -> None:
        """Reads files one after the other, by stream id. One that cannot be read is reported; the next one follows."""
        for stream, entry in entries.items():
            try:
                source = open_source(entry)
            except InputError as error:
                if not self._several:
                    raise
                self.report.begin(stream, stream)
                event = StreamEvent("failed", 0.0, -1, str(error), stream)
                for sink in self._shared():
                    sink.event(event)
                self.report.event(stream, event)
                continue
            self.run({stream: source}, more_follow=self._several)
            if self.closed:
                return

    def run(self, sources: dict[str, VideoSource], more_follow: bool = False) -> None:
        """Reads sources at once, to the end of all, or to --frames, or until a viewer closes its window."""
        # Results of a single source carry no stream id.
        streams: list[Hashable] = list(sources) if self._several else [None]
        by_stream = dict(zip(streams, sources.values(), strict=True))
        with contextlib.ExitStack() as stack:
            pipeline = stack.enter_context(
                Pipeline(
                    self.detector,
                    by_stream if self._several else by_stream[None],
                    scene_cut=not self._arguments.no_scene_cut,
                )
            )
            if self.lines:
                self.lines.begin(self.detector.metadata, by_stream)
            outputs, trackers = {}, {}
            for (stream, source), name in zip(by_stream.items(), sources, strict=True):
                outputs[stream] = stack.enter_context(Outputs(_recorders(self._paths[name], source), self._shared()))
                trackers[stream] = self._tracker(stream)
                self.report.begin(stream, name)
            stack.push(self.report.end)
            self._feed(pipeline, outputs, trackers, more_follow)
        if self._several:
            self.report.lines(streams, sys.stderr if self._arguments.jsonl == "-" else sys.stdout)

    def _shared(self) -> list[Sink]:
        return [*([self.lines] if self.lines else []), *self._viewers]

    def _tracker(self, stream: Hashable) -> Tracker | None:
        if not self._arguments.track:
            return None
        start = self._arguments.track_start
        return Tracker(
            self.detector.metadata.score_threshold if start is None else start,
            last_number=self.lines.tracks(stream) if self.lines else 0,
        )

    def _feed(
        self,
        pipeline: Pipeline,
        outputs: dict[Hashable, Outputs],
        trackers: dict[Hashable, Tracker | None],
        more_follow: bool,
    ) -> None:
        done: set[Hashable] = set()
        items = _with_failure(pipeline, next(iter(outputs))) if more_follow else pipeline.items()
        for stream, item in items:
            if isinstance(item, StreamEvent):
                event = dataclasses.replace(item, stream=stream)
                outputs[stream].event(event)
                self.report.event(stream, event)
            elif stream not in done:
                if (tracker := trackers[stream]) is not None:
                    item = _tracked(item, tracker)
                outputs[stream].write(item)
                if self.report.add(stream, item, pipeline.dropped[stream]) == self._arguments.frames:
                    done.add(stream)
                if len(done) == len(outputs) or self.closed:
                    return


def _with_failure(pipeline: Pipeline, stream: Hashable) -> Iterator[tuple[Hashable, FrameResult | StreamEvent]]:
    """The items of a single stream, with its failure as a last event: other files come after it."""
    last = StreamEvent("failed", 0.0, -1, "")
    try:
        for stream, item in pipeline.items():
            last = dataclasses.replace(last, time=item.time, frame_id=item.frame_id)
            yield stream, item
    except InputError as error:
        yield stream, dataclasses.replace(last, message=str(error))


def _recorders(files: dict[str, Path], source: VideoSource) -> list[Sink]:
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    recorders: list[Sink] = []
    if "save" in files:
        recorders.append(AnnotatedVideo(files["save"], source.fps, source.live))
    if "sheet" in files:
        recorders.append(ContactSheet(files["sheet"]))
    return recorders


def _tracked(result: FrameResult, tracker: Tracker) -> FrameResult:
    if result.another_scene:
        tracker.forget()
    return dataclasses.replace(result, detections=tracker(result.detections, result.time))


class Report:
    """Counts frames and detections by stream, and prints them; on a terminal one line is updated all the time.

    Args:
        live: whether standard error is a terminal.

    Attributes:
        failed: messages of sources that failed while others went on, in order.
    """

    def __init__(self, live: bool):
        self.failed: list[str] = []
        self._live, self._drawn = live, 0.0
        self._streams: dict[Hashable, _Counts] = {}
        self._whole = _Counts("0 sources")

    def begin(self, stream: Hashable, name: str) -> None:
        """Counts a stream from now on; its name is for people."""
        self._streams[stream] = _Counts(name)
        count = len(self._streams)
        self._whole.name = name if count == 1 else f"{count} sources"

    def add(self, stream: Hashable, result: FrameResult, dropped: int) -> int:
        """Counts a result; `dropped` frames of its stream were missed so far. Returns how many frames it has now."""
        counts = self._streams[stream]
        self._whole.dropped += dropped - counts.dropped
        counts.dropped = dropped
        counts.add(result)
        self._whole.add(result)
        if self._live and self._whole.seconds - self._drawn > _REFRESH_SECONDS:
            self._drawn = self._whole.seconds
            # \x1b[K clears what a longer line before this one left.
            print(f"\r{self.line()}\x1b[K", end="", file=sys.stderr, flush=True)
        return counts.frames

    def event(self, stream: Hashable, event: StreamEvent) -> None:
        """Prints an event of a source."""
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
        """Clears the live line; after Ctrl-C, which is how a camera's run ends, the summary is printed all the same."""
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
        found = sum(self._labels.values())
        counts = ", ".join(f"{label} {count}" for label, count in sorted(self._labels.items()))
        rate = self.frames / self.seconds if self.seconds else 0.0
        return (
            f"{self.name}: {self.frames} frame{'s' * (self.frames != 1)} in {self.seconds:.1f} s ({rate:.1f} fps"
            + (f", {self.dropped} dropped" if self.dropped else "")
            + f"), {found} detection{'s' * (found != 1)}"
            + (f" ({counts})" if counts else "")
        )
