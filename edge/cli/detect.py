"""`sge-edge detect`: sources through a model, to the screen, a video, JSON lines, a browser, or just counts."""

from __future__ import annotations

import argparse
import contextlib
import sys

import cv2

from edge.cli.detect_files import OutputFiles
from edge.cli.detect_run import DetectRun
from edge.cli.model_arguments import add_model_arguments, model_settings
from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import default_model, model_path
from edge.quiet import native_log
from edge.sinks.page import MjpegPage
from edge.sinks.sink import Sink
from edge.sinks.window import Mosaic, Window
from edge.video.live import LiveLimits
from edge.video.open import find_sources, open_source

EPILOG = """examples:
  sge-edge detect clip.mp4                                   count objects with the shipped model
  sge-edge detect clip.mp4 --save out.mp4 --sheet out.png    a video with boxes, six of its frames as a picture
  sge-edge detect clips/*.mp4 --save out --jsonl out.jsonl   one video after the other, out/NAME.mp4 for each
  sge-edge detect frames/ --model model.tflite --jsonl out.jsonl --score 0.5
  sge-edge detect 0 --show --track
  sge-edge detect 0 1 --serve 127.0.0.1:8080                 two cameras at once: look at http://127.0.0.1:8080/
  sge-edge detect rtsp://camera/stream --jsonl - | grep '"label": "drone"'

Of a file every frame is seen; of a camera the newest, so that it never falls behind. Files are read one after the
other; where a camera or a URL is among the sources, all are read at once.
The first line of JSON says what the others are of: {"format", "format_version", "started", "model", "sources"}. A
frame's line is {"utc", "stream", "frame_id", "time" in seconds, "reset", "detections": [{"label", "class_id", "score",
"box", "track_id"}], "ms", "tracks"}; "stream" is there with several sources; a box is x1, y1, x2, y2 in pixels of the
source; reset is why the network's state was reset before the frame, or null. Events have lines of their own:
{"utc", "event", "time", "frame_id", "message"}. docs/devices.md describes all of it.
Frames of less than 320 pixels are enlarged before boxes are drawn, so that labels can be read.
Ctrl-C or SIGTERM ends a camera's recording: what was written so far is kept.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="+",
        help="video file, folder of frames or of videos, image, pattern such as 'clips/*.mp4', camera number or URL",
    )
    parser.add_argument("--score", type=float, metavar="S", help="lowest score shown, 0..1 (default: the model's own)")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after N frames of each source (default: all)")
    # Its older name.
    parser.add_argument("--limit", dest="frames", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--no-scene-cut", action="store_true", help="carry the network's state over cuts to another scene"
    )
    parser.add_argument(
        "--hold", action="store_true", help="hold an object that suddenly seems gone, its score falling frame by frame"
    )
    parser.add_argument(
        "--average", action="store_true", help="average an object's class along its track, so that its label settles"
    )
    parser.add_argument(
        "--reconnect",
        type=int,
        default=LiveLimits.attempts,
        metavar="N",
        help="attempts to connect to a lost camera again (default: 10)",
    )
    parser.add_argument("--track", action="store_true", help="number the objects: track_id stays with each")
    parser.add_argument(
        "--track-start",
        type=float,
        metavar="S",
        help="lowest score that begins a track, 0..1; weaker detections only go on with one (default: the model's own)",
    )
    add_model_arguments(parser)
    group = parser.add_argument_group("where results go; a FOLDER gets a file for each source")
    group.add_argument("--save", metavar="OUT.mp4|FOLDER", help="write the video with the boxes drawn in")
    group.add_argument(
        "--sheet", metavar="OUT.png|FOLDER", help="write one picture of six frames, evenly spread, with boxes"
    )
    group.add_argument("--jsonl", metavar="OUT.jsonl", help="write one line of JSON per frame; - is standard output")
    group.add_argument(
        "--append", action="store_true", help="add to the lines of an older --jsonl file; frame and track numbers go on"
    )
    group.add_argument("--show", action="store_true", help="open a window; q or Esc ends")
    group.add_argument(
        "--serve", metavar="HOST:PORT", help="show the newest picture on a page for browsers, until Ctrl-C"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    _check(arguments)
    entries, limits = find_sources(arguments.source), LiveLimits(attempts=arguments.reconnect)
    model = model_path(arguments.model or default_model())
    files = OutputFiles(arguments, entries, model)
    ids, paths = list(entries), files.of(list(entries))
    # Cameras and URLs may have no end, so they are read at once.
    live = any(isinstance(entry, int | str) for entry in entries.values())
    with native_log(active=not arguments.delegate):
        behind = {"hold": arguments.hold, "average": arguments.average}
        detector = Detector(model, score_threshold=arguments.score, **behind, **model_settings(arguments))
    # Its own threads would take the network's core.
    cv2.setNumThreads(1)
    with contextlib.ExitStack() as stack:
        if live:
            sources = {name: stack.enter_context(open_source(entry, limits)) for name, entry in entries.items()}
        page = MjpegPage(arguments.serve, f"sge-edge {detector.metadata.name}") if arguments.serve else None
        viewers: list[Sink] = [*([Window()] if arguments.show else []), *([page] if page else [])]
        if live and len(ids) > 1:
            viewers = [Mosaic(viewer, ids) for viewer in viewers]
        for viewer in viewers:
            stack.enter_context(viewer)
        if page:
            print(f"sge-edge: the page is at {page.url}", file=sys.stderr, flush=True)
        detect_run = DetectRun(arguments, detector, viewers, paths)
        with detect_run.lines or contextlib.nullcontext():
            if live:
                detect_run.run(sources)
            else:
                detect_run.run_files(entries)
        _summarize(arguments, detect_run, files)
        if page and not detect_run.closed:
            print(f"sge-edge: the page stays at {page.url} until Ctrl-C", file=sys.stderr, flush=True)
            # All is done: Ctrl-C stops nothing but the page.
            with contextlib.suppress(KeyboardInterrupt):
                page.hold()
    failed = detect_run.report.failed
    if failed:
        raise InputError(f"{len(failed)} of {len(ids)} sources failed, the first with: {failed[0]}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.frames is not None and arguments.frames < 1:
        raise InputError(f"--frames must be at least 1. Received: {arguments.frames}")
    if arguments.track_start is not None:
        if not arguments.track:
            raise InputError("--track-start goes with --track. Add it, or leave both out.")
        if not 0 <= arguments.track_start <= 1:
            raise InputError(f"--track-start must be within 0..1. Received: {arguments.track_start:g}")
    if arguments.append and not arguments.jsonl:
        raise InputError("--append adds to the lines of --jsonl FILE. Name it, or leave --append out.")
    if arguments.serve:
        MjpegPage(arguments.serve)


def _summarize(arguments: argparse.Namespace, detect_run: DetectRun, files: OutputFiles) -> None:
    runtime, written = detect_run.detector.runtime, files.named()
    print(
        f"{detect_run.report.line()}, {runtime.name} {runtime.version} on {runtime.accelerator}"
        + (f"; wrote {' and '.join(written)}" if written else ""),
        file=sys.stderr if arguments.jsonl == "-" else sys.stdout,
        flush=True,
    )
