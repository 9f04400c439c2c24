"""`sge-edge detect`: a source through a model, to the screen, a video, JSON lines, or just counts."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import cv2

from edge.atomic import atomic_path, check_writable
from edge.detector import Detector
from edge.draw import draw_detections
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.model_zoo import DEFAULT_MODEL, default_model, model_path
from edge.quiet import quiet_stderr
from edge.video_sink import VideoSink
from edge.video_source import open_source

EPILOG = """examples:
  sge-edge detect clip.mp4 --model model.tflite --save out.mp4
  sge-edge detect frames/ --model model.tflite --jsonl out.jsonl --score 0.5
  sge-edge detect 0 --show --threads 4
  sge-edge detect rtsp://camera/stream --jsonl - | grep drone

A line of JSON is {"frame_id", "time" in seconds, "detections": [{"label", "class_id", "score", "box"}], "ms"};
a box is x1, y1, x2, y2 in pixels of the source. Files appear when they are whole; after an error none is left.
Ctrl-C ends a camera's recording: what was written so far is kept.
"""
_REFRESH_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="SOURCE", help="video file, folder of frames, image, camera number or URL")
    add_model_arguments(parser)
    parser.add_argument("--score", type=float, metavar="S", help="lowest score shown, 0..1 (default: the model's own)")
    parser.add_argument("--save", metavar="OUT.mp4", help="write the video with the boxes drawn in")
    parser.add_argument("--jsonl", metavar="OUT.jsonl", help="write one line of JSON a frame; - is standard output")
    parser.add_argument("--show", action="store_true", help="open a window; q or Esc ends")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N frames")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose a model and what runs it."""
    parser.add_argument(
        "--model", metavar="FILE_OR_NAME", help=f"a .tflite or a shipped model (default: {DEFAULT_MODEL})"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the runtime (default: 1)")
    parser.add_argument("--delegate", metavar="LIB", help="shared library of a GPU or NPU delegate (default: CPU)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit must be at least 1. Received: {arguments.limit}")
    model = model_path(arguments.model or default_model())
    _check_outputs(arguments, model)
    if arguments.show:
        _check_display()
    with quiet_stderr(active=not arguments.delegate):
        detector = Detector(model, arguments.threads, arguments.score, delegate=arguments.delegate)
    report = _Report(arguments.source, sys.stderr.isatty())
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(arguments.source))
        outputs: list[Callable[[FrameResult], None]] = []
        if arguments.jsonl:
            lines = sys.stdout
            if arguments.jsonl != "-":
                temporary = stack.enter_context(atomic_path(arguments.jsonl, keep_on_interrupt=True))
                lines = stack.enter_context(temporary.open("w", encoding="utf-8"))
            outputs.append(lambda result: print(json.dumps(result.to_dict()), file=lines, flush=lines is sys.stdout))
        if arguments.save:
            sink = stack.enter_context(VideoSink(arguments.save, source.fps))
            outputs.append(lambda result: sink.write(draw_detections(result.frame, result)))
        stack.push(report.end)
        start = perf_counter()
        for result in itertools.islice(detector.stream(source), arguments.limit):
            for output in outputs:
                output(result)
            report.add(result, perf_counter() - start)
            if arguments.show and not _show(draw_detections(result.frame, result, report.line())):
                break
    written = [name for name in (arguments.save, arguments.jsonl) if name and name != "-"]
    print(
        report.line() + (f"; wrote {' and '.join(written)}" if written else ""),
        file=sys.stderr if arguments.jsonl == "-" else sys.stdout,
    )
    return 0


class _Report:
    """Counts, and the line that tells them; kept alive on a terminal."""

    def __init__(self, name: str, live: bool):
        self._name, self._live = name, live
        self._frames, self._seconds, self._drawn = 0, 0.0, 0.0
        self._labels: Counter[str] = Counter()

    def add(self, result: FrameResult, seconds: float) -> None:
        self._frames += 1
        self._seconds = seconds
        self._labels.update(detection.label for detection in result.detections)
        if self._live and seconds - self._drawn > _REFRESH_SECONDS:
            self._drawn = seconds
            # \x1b[K clears what a longer line before this one left.
            print(f"\r{self.line()}\x1b[K", end="", file=sys.stderr, flush=True)

    def line(self) -> str:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(self._labels.items()))
        rate = self._frames / self._seconds if self._seconds else 0.0
        return (
            f"{self._name}: {self._frames} frame{'s' * (self._frames != 1)} in {self._seconds:.1f} s "
            f"({rate:.1f} fps), {sum(self._labels.values())} detections" + (f" ({counts})" if counts else "")
        )

    def end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Clears the live line; after Ctrl-C, which is how a camera's run ends, the summary is told all the same."""
        if self._live and self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if kind is KeyboardInterrupt:
            print(self.line(), file=sys.stderr)


def _check_outputs(arguments: argparse.Namespace, model: Path) -> None:
    """Before anything slow starts: every output can be written, and none would replace an input."""
    outputs = [Path(name) for name in (arguments.save, arguments.jsonl) if name and name != "-"]
    for output in outputs:
        check_writable(output)
        for taken in (Path(arguments.source), model):
            if output.exists() and taken.exists() and output.samefile(taken):
                raise InputError(f"{output} would replace {taken}, which is being read. Give another name.")
    if len(outputs) == 2 and outputs[0].resolve() == outputs[1].resolve():
        raise InputError(f"--save and --jsonl both name {outputs[0]}. Give two names.")
    if arguments.save and Path(arguments.save).suffix.lower() != ".mp4":
        raise InputError(f"--save writes .mp4 files. Received: {arguments.save}")


def _check_display() -> None:
    # Qt ends the whole process where there is no display.
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set. Use --save instead.")


def _show(frame: object) -> bool:
    """Shows a frame; False when the user wants to end."""
    try:
        cv2.imshow("sge-edge", frame)
        return cv2.waitKey(1) & 0xFF not in (ord("q"), 27)
    except cv2.error as error:
        raise InputError("this OpenCV was built without windows, so --show cannot work. Use --save instead.") from error
