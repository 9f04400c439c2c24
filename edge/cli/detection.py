"""The run of `sge-edge detect`: sources through a pipeline, results to their sinks."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

from edge.cli.detect_report import Report
from edge.detector import Detector
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.pipeline import Pipeline
from edge.sinks.annotated_video import AnnotatedVideo
from edge.sinks.contact_sheet import ContactSheet
from edge.sinks.json_lines import JsonLines
from edge.sinks.outputs import Outputs
from edge.sinks.sink import Sink
from edge.sources.open_source import Entry, open_source
from edge.sources.video_source import VideoSource
from edge.stream_event import StreamEvent
from edge.tracker import Tracker


class Detection:
    """Sources through a pipeline, at once or one after the other, and results to their sinks.

    Args:
        arguments: of the command. viewers: what shows pictures, entered. paths: by stream id, see `OutputFiles.of`.

    Attributes:
        lines: of --jsonl, not entered yet, or None. report: what is told in the terminal.
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
        """Whether the person who looks wants to end."""
        return any(viewer.closed for viewer in self._viewers)

    def run_files(self, entries: dict[str, Entry]) -> None:
        """Reads files one after the other, by stream id. One that cannot be read is told, and the next one comes."""
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
            self.run({stream: source}, others_follow=self._several)
            if self.closed:
                return

    def run(self, sources: dict[str, VideoSource], others_follow: bool = False) -> None:
        """Reads sources at once, to the end of all, or to --limit, or until a viewer closes its window."""
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
            self._feed(pipeline, outputs, trackers, others_follow)
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
        others_follow: bool,
    ) -> None:
        done: set[Hashable] = set()
        items = _survived(pipeline, next(iter(outputs))) if others_follow else pipeline.items()
        for stream, item in items:
            if isinstance(item, StreamEvent):
                event = dataclasses.replace(item, stream=stream)
                outputs[stream].event(event)
                self.report.event(stream, event)
            elif stream not in done:
                if (tracker := trackers[stream]) is not None:
                    item = _tracked(item, tracker)
                outputs[stream].write(item)
                if self.report.add(stream, item, pipeline.dropped[stream]) == self._arguments.limit:
                    done.add(stream)
                if len(done) == len(outputs) or self.closed:
                    return


def _survived(pipeline: Pipeline, stream: Hashable) -> Iterator[tuple[Hashable, FrameResult | StreamEvent]]:
    """The items of a single stream, whose failure is an event here: other files come after it."""
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
