"""Many streams on one interpreter, and a long run: exactness, throughput, memory, threads and handles.

    python benchmarks/streams.py --clip clip.mp4 --frames 100000 --write

Three parts. Exactness: 16 interleaved streams against 16 runs alone on another interpreter, outputs and states compared
byte by byte. Throughput: blocks of frames through one stream and through the 16 in turn, alternating; the median of the
blocks' ratios. Soak: the frames through `edge.pipeline.Pipeline`, in 20 runs one after the other, so that what a run
leaves behind adds up. Resident memory within a run: one slope for the second half of the runs, each with a level of its
own (the allocator settles in the first half). From run to run: the memory after a quarter, half, ... of the runs; new
threads make the C library's allocator open arenas, which shows as steps that end.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from document import circumstances, machine, markdown_table, write_figures

from edge.benchmark import peak_memory_mb
from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import default_model
from edge.pipeline import Pipeline
from edge.stream import Stream
from edge.video.open import open_source
from edge.video.source import Item, VideoSource

STREAMS, RUNS, SAMPLES_PER_RUN = 16, 20, 10
BLOCK, BLOCKS = 64, 12
# Different frames, kept in memory: 40 of 640 x 512 are 39 MB of the figures below.
DISTINCT = 40


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="NAME|FILE", help="a shipped model or a .tflite (default: the shipped one)")
    parser.add_argument("--clip", metavar="VIDEO", required=True, help="whose frames are used, over and over")
    parser.add_argument("--frames", type=int, default=100_000, metavar="N", help="of the soak (default: 100,000)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the network (default: 1)")
    parser.add_argument("--write", action="store_true", help="write docs/results/streams.json and docs/benchmarks.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    model = arguments.model or default_model()
    try:
        if arguments.frames < 5 * RUNS:
            raise InputError(f"--frames must be at least {5 * RUNS}. Received: {arguments.frames}")
        with open_source(arguments.clip) as source:
            frames = [frame for _, _, frame in itertools.islice(source, DISTINCT)]
        detector = Detector(model, arguments.threads)
        figures = {
            "model": detector.metadata.name,
            "precision": detector.metadata.precision,
            "runtime": f"{detector.runtime.name} {detector.runtime.version}, {detector.runtime.accelerator}",
            "threads": arguments.threads,
            "clip": Path(arguments.clip).name,
            "machine": machine(),
            "exactness": exactness(detector, Detector(model, arguments.threads), frames),
            "throughput": throughput(detector, frames),
            "soak": soak(detector, frames, arguments.frames),
        }
    except InputError as error:
        parser.error(str(error))
    text = report(figures)
    print(text)
    if arguments.write:
        write_figures("streams", figures, text)


def exactness(detector: Detector, other: Detector, frames: list[np.ndarray]) -> dict[str, Any]:
    """16 streams in turn on one interpreter against each alone on another; each begins at a frame of its own."""
    steps = 30
    clips = [[frames[(7 * name + step) % len(frames)] for step in range(steps)] for name in range(STREAMS)]
    streams = [detector.open(("exact", name)) for name in range(STREAMS)]
    together: list[list[Any]] = [[] for _ in clips]
    for step in range(steps):
        for stream, clip, kept in zip(streams, clips, together, strict=True):
            kept.append(answer(stream, clip[step]))
    equal = 0
    for name, (stream, clip, kept) in enumerate(zip(streams, clips, together, strict=True)):
        with other.open(name) as alone:
            equal += sum(answer(alone, frame) == received for frame, received in zip(clip, kept, strict=True))
        stream.close()
    return {"streams": STREAMS, "steps": STREAMS * steps, "equal_steps": equal}


def answer(stream: Stream, frame: np.ndarray) -> tuple[Any, ...]:
    """Everything that a frame's result says and the stream keeps."""
    result = stream(frame)
    return result.detections, result.reset, {name: value.tobytes() for name, value in stream.state.items()}


def throughput(detector: Detector, frames: list[np.ndarray]) -> dict[str, float]:
    """Frames per second of one stream and of 16 in turn."""
    many = [detector.open(("turn", name)) for name in range(STREAMS)]
    one = detector.open("one")

    def seconds(streams: list[Stream]) -> float:
        start = perf_counter()
        for number in range(BLOCK):
            streams[number % len(streams)](frames[number % len(frames)])
        return perf_counter() - start

    seconds([one])
    seconds(many)
    pairs = [(seconds([one]), seconds(many)) for _ in range(BLOCKS)]
    for stream in (*many, one):
        stream.close()
    return {
        "one_stream_fps": BLOCK / statistics.median(alone for alone, _ in pairs),
        "sixteen_streams_fps": BLOCK / statistics.median(turns for _, turns in pairs),
        "ratio": statistics.median(alone / turns for alone, turns in pairs),
    }


class MemorySource(VideoSource):
    """Frames in memory, over and over. frames: uint8 (h, w, 3). frame_count: how many come."""

    name = "memory"

    def __init__(self, frames: list[np.ndarray], frame_count: int):
        self._frames, self.frame_count = frames, frame_count
        self.height, self.width = frames[0].shape[:2]

    def items(self) -> Iterator[Item]:
        for frame_id in range(self.frame_count):
            yield frame_id, frame_id / self.fps, self._frames[frame_id % len(self._frames)]

    def close(self) -> None:
        self.frame_count = 0


def soak(detector: Detector, frames: list[np.ndarray], count: int) -> dict[str, Any]:
    """Memory, threads and handles over many frames."""
    per_run = count // RUNS
    samples: list[tuple[int, int, float]] = []
    before = threads_and_handles()
    seen, finite, start = 0, True, perf_counter()
    for run in range(RUNS):
        with Pipeline(detector, MemorySource(frames, per_run)) as pipeline:
            for result in pipeline:
                seen += 1
                # A state that is not finite is replaced, and the next result says so.
                finite = finite and result.reset != "not_finite"
                if seen % max(1, per_run // SAMPLES_PER_RUN) == 0:
                    samples.append((run, seen, resident_kb()))
    gc.collect()
    slope, error = slope_within_runs(np.array([sample for sample in samples if sample[0] >= RUNS // 2]))
    last = {run: kilobytes for run, _, kilobytes in samples}
    return {
        "frames": seen,
        "seconds": round(perf_counter() - start, 1),
        "resident_mb_after_quarters": [round(last[RUNS * part // 4 - 1] / 1024, 2) for part in (1, 2, 3, 4)],
        "peak_mb": peak_memory_mb(),
        "slope_kb_per_1000_frames": round(1e3 * slope, 3),
        "slope_standard_error": round(1e3 * error, 3),
        "finite": bool(finite),
        "threads_and_handles_before": before,
        "threads_and_handles_after": threads_and_handles(),
    }


def slope_within_runs(samples: np.ndarray) -> tuple[float, float]:
    """kB per frame, common to all runs, each of which has its own level, and its standard error.

    Args:
        samples: rows of (run, frames, kB).
    """
    levels = (samples[:, :1] == np.unique(samples[:, 0])).astype(float)
    design = np.column_stack([samples[:, 1] - samples[:, 1].mean(), levels])
    fit, *_ = np.linalg.lstsq(design, samples[:, 2], rcond=None)
    residual = samples[:, 2] - design @ fit
    variance = (residual**2).sum() / max(1, len(samples) - design.shape[1])
    return float(fit[0]), float(np.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0]))


def resident_kb() -> float:
    """Resident memory of this process in 2^10 bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def threads_and_handles() -> tuple[int, int, int]:
    """Python's threads, the process' threads, open files."""
    return threading.active_count(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    exact, rate, long = figures["exactness"], figures["throughput"], figures["soak"]
    rows = [
        [
            "steps of 16 interleaved streams equal to isolated ones, bit for bit",
            f"{exact['equal_steps']} of {exact['steps']}",
        ],
        ["fps, one stream, one stage after the other", f"{rate['one_stream_fps']:.1f}"],
        ["the same, 16 streams in turn", f"{rate['sixteen_streams_fps']:.1f}"],
        ["ratio, median of alternating blocks", f"{rate['ratio']:.3f}"],
        ["soak", f"{long['frames']:,} frames in {long['seconds']:.0f} s, {RUNS} pipelines"],
        [
            f"resident memory after {', '.join(str(RUNS * part // 4) for part in (1, 2, 3, 4))} pipelines; peak",
            f"{', '.join(f'{value:.1f}' for value in long['resident_mb_after_quarters'])} MB; {long['peak_mb']:.0f} MB",
        ],
        [
            "slope of resident memory within a pipeline, kB per 1,000 frames",
            f"{long['slope_kb_per_1000_frames']:.2f} (standard error {long['slope_standard_error']:.2f})",
        ],
        ["no state was ever other than finite", "yes" if long["finite"] else "NO"],
        [
            "Python threads, all threads, open files: before; after",
            f"{', '.join(map(str, long['threads_and_handles_before']))}; "
            f"{', '.join(map(str, long['threads_and_handles_after']))}",
        ],
    ]
    return (
        f"{figures['model']} ({figures['precision']}) on {figures['runtime']}, {DISTINCT} frames of {figures['clip']}, "
        f"{circumstances(figures)}.\n\n{markdown_table(['', 'measured'], rows)}\n"
    )


if __name__ == "__main__":
    main()
