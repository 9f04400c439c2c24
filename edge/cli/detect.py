"""`sge-edge detect`: a source through a model, to the screen, a video, JSON lines, a browser, or just counts."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter

import cv2

from edge.atomic import check_writable
from edge.cli.model_arguments import add_model_arguments, model_settings
from edge.detector import Detector
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.model_zoo import default_model, model_path
from edge.pipeline import Pipeline
from edge.quiet import native_log
from edge.sinks.annotated_video import AnnotatedVideo
from edge.sinks.contact_sheet import ContactSheet
from edge.sinks.json_lines import JsonLines
from edge.sinks.mjpeg_page import MjpegPage
from edge.sinks.outputs import Outputs
from edge.sinks.sink import Sink
from edge.sinks.window import Window
from edge.sources.live_limits import LiveLimits
from edge.sources.open_source import open_source
from edge.sources.video_source import VideoSource
from edge.stream_event import StreamEvent
from edge.tracker import Tracker

EPILOG = """examples:
  sge-edge detect clip.mp4                                   count objects with the shipped model
  sge-edge detect clip.mp4 --save out.mp4 --sheet out.png    a video with boxes, six of its frames as a picture
  sge-edge detect frames/ --model model.tflite --jsonl out.jsonl --score 0.5
  sge-edge detect 0 --show --track
  sge-edge detect 0 --serve 127.0.0.1:8080                   look at http://127.0.0.1:8080/
  sge-edge detect rtsp://camera/stream --jsonl - | grep drone

A line of JSON is {"frame_id", "time" in seconds, "reset", "detections": [{"label", "class_id", "score", "box"}], "ms"};
with --track detections have a "track_id" too;
a box is x1, y1, x2, y2 in pixels of the source, and reset says why the network's memory began anew before the frame, or
null. Events of a camera have lines of their own: {"event", "time", "frame_id", "message"}.
Of a file every frame is seen; of a camera the newest, so that it never falls behind.
Ctrl-C ends a camera's recording: what was written so far is kept.
"""
_REFRESH_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="SOURCE", help="video file, folder of frames, image, camera number or URL")
    parser.add_argument("--score", type=float, metavar="S", help="lowest score shown, 0..1 (default: the model's own)")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--no-scene-cut", action="store_true", help="carry the network's memory over cuts to another scene"
    )
    parser.add_argument(
        "--reconnect",
        type=int,
        default=LiveLimits.attempts,
        metavar="N",
        help="tries to get a lost camera back (default: 10)",
    )
    parser.add_argument("--track", action="store_true", help="number the objects: track_id stays with each")
    add_model_arguments(parser)
    group = parser.add_argument_group("where results go")
    group.add_argument("--save", metavar="OUT.mp4", help="write the video with the boxes drawn in")
    group.add_argument("--sheet", metavar="OUT.png", help="write one picture of six frames, evenly spread, with boxes")
    group.add_argument("--jsonl", metavar="OUT.jsonl", help="write one line of JSON a frame; - is standard output")
    group.add_argument("--append", action="store_true", help="add to the lines of an older --jsonl file")
    group.add_argument("--show", action="store_true", help="open a window; q or Esc ends")
    group.add_argument("--serve", metavar="HOST:PORT", help="show the newest picture on a page for browsers")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit must be at least 1. Received: {arguments.limit}")
    model = model_path(arguments.model or default_model())
    _check_outputs(arguments, model)
    with native_log(active=not arguments.delegate):
        detector = Detector(model, score_threshold=arguments.score, **model_settings(arguments))
    if detector.runtime.note:
        print(f"sge-edge: note: {detector.runtime.note}", file=sys.stderr)
    # So a service manager's stop ends a recording as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Its own threads would take the network's core.
    cv2.setNumThreads(1)
    tracker = Tracker() if arguments.track else None
    with contextlib.ExitStack() as stack:
        source = open_source(arguments.source, LiveLimits(attempts=arguments.reconnect))
        report = _Report(source.name, sys.stderr.isatty())
        pipeline = stack.enter_context(Pipeline(detector, source, scene_cut=not arguments.no_scene_cut))
        sinks = _sinks(arguments, source)
        outputs = stack.enter_context(Outputs(sinks, report.line))
        for sink in sinks:
            if isinstance(sink, MjpegPage):
                print(f"{source.name}: the page is at {sink.url}", file=sys.stderr)
        stack.push(report.end)
        for _, item in pipeline.items():
            if isinstance(item, StreamEvent):
                outputs.event(item)
                report.event(item)
                continue
            if tracker is not None:
                item = _tracked(item, tracker)
            outputs.write(item)
            report.add(item, sum(pipeline.dropped.values()))
            if report.frames == arguments.limit or outputs.closed:
                break
    written = [str(output) for output in _files(arguments)]
    print(
        f"{report.line()}, {detector.runtime.name} {detector.runtime.version} on {detector.runtime.accelerator}"
        + (f"; wrote {' and '.join(written)}" if written else ""),
        file=sys.stderr if arguments.jsonl == "-" else sys.stdout,
    )
    return 0


def _sinks(arguments: argparse.Namespace, source: VideoSource) -> list[Sink]:
    sinks: list[Sink] = []
    if arguments.jsonl:
        sinks.append(JsonLines(arguments.jsonl, arguments.append))
    if arguments.save:
        sinks.append(AnnotatedVideo(arguments.save, source.fps, source.live))
    if arguments.sheet:
        sinks.append(ContactSheet(arguments.sheet))
    if arguments.show:
        sinks.append(Window())
    if arguments.serve:
        sinks.append(MjpegPage(arguments.serve, f"sge-edge {source.name}"))
    return sinks


def _tracked(result: FrameResult, tracker: Tracker) -> FrameResult:
    if result.another_scene:
        tracker.forget()
    return dataclasses.replace(result, detections=tracker(result.detections, result.time))


class _Report:
    """Counts, and the line that tells them; kept alive on a terminal."""

    def __init__(self, name: str, live: bool):
        self.frames = 0
        self._name, self._live = name, live
        self._start, self._seconds, self._drawn = perf_counter(), 0.0, 0.0
        self._dropped = 0
        self._labels: Counter[str] = Counter()

    def add(self, result: FrameResult, dropped: int) -> None:
        self.frames += 1
        self._dropped, self._seconds = dropped, perf_counter() - self._start
        self._labels.update(detection.label for detection in result.detections)
        if self._live and self._seconds - self._drawn > _REFRESH_SECONDS:
            self._drawn = self._seconds
            # \x1b[K clears what a longer line before this one left.
            print(f"\r{self.line()}\x1b[K", end="", file=sys.stderr, flush=True)

    def event(self, event: StreamEvent) -> None:
        self._clear()
        print(f"{self._name}: {event.kind} after frame {event.frame_id}: {event.message}", file=sys.stderr)

    def line(self) -> str:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(self._labels.items()))
        rate = self.frames / self._seconds if self._seconds else 0.0
        return (
            f"{self._name}: {self.frames} frame{'s' * (self.frames != 1)} in {self._seconds:.1f} s ({rate:.1f} fps"
            + (f", {self._dropped} dropped" if self._dropped else "")
            + f"), {sum(self._labels.values())} detections"
            + (f" ({counts})" if counts else "")
        )

    def end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Clears the live line; after Ctrl-C, which is how a camera's run ends, the summary is told all the same."""
        self._clear()
        if kind is KeyboardInterrupt:
            print(self.line(), file=sys.stderr)

    def _clear(self) -> None:
        if self._live and self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _files(arguments: argparse.Namespace) -> list[Path]:
    """What is written, in the order of the options."""
    names = arguments.save, arguments.sheet, arguments.jsonl
    return [Path(name) for name in names if name and name != "-"]


def _check_outputs(arguments: argparse.Namespace, model: Path) -> None:
    """Before anything slow starts: every output can be written, and none would replace an input or another."""
    outputs = _files(arguments)
    for output in outputs:
        check_writable(output)
        for taken in (Path(arguments.source), model):
            if output.exists() and taken.exists() and output.samefile(taken):
                raise InputError(f"{output} would replace {taken}, which is being read. Give another name.")
        if sum(output.resolve() == other.resolve() for other in outputs) > 1:
            raise InputError(f"two of --save, --sheet and --jsonl name {output}. Give each a name of its own.")
    for option, suffixes in (("save", (".mp4",)), ("sheet", ContactSheet.SUFFIXES)):
        name = getattr(arguments, option)
        if name and Path(name).suffix.lower() not in suffixes:
            raise InputError(f"--{option} writes {' or '.join(suffixes)} files. Received: {name}")
