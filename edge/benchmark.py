"""How fast a model runs here: stage by stage, one after the other and in the pipeline that a program uses."""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import model_path
from edge.pipeline import Pipeline
from edge.results import FrameResult, StreamEvent
from edge.video.open import Source, open_source
from edge.video.source import Item, VideoSource

# First frames fill caches and wake the threads: they are run but not counted.
WARM_UP = 5
GENERATED_SIZE = (480, 640)
PERCENTILES = (50, 95, 99)
# In a process of its own, as on a device: modules that are loaded here would shorten it.
_START_UP = """
import sys
# Python puts the current folder here; nothing of it must be imported.
sys.path[:] = filter(None, sys.path)
from time import perf_counter
start = perf_counter()
import json
import numpy as np
from edge.benchmark import peak_memory_mb
from edge.detector import Detector
model, settings = json.loads(sys.argv[1])
frame = np.zeros((480, 640, 3), np.uint8)
detector = Detector(model, **settings)
detector(frame)
first = perf_counter() - start
for _ in range(20):
    detector(frame)
print(json.dumps([first * 1e3, peak_memory_mb()]))
"""
_START_UP_RUNS = 3


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark measured.

    Attributes:
        model, precision: of the model. source: its frames. runtime: package and version. accelerator: what computes.
        note: the runtime's, or "". threads: of the runtime's CPU.
        frames: how many were counted. frame_size: (height, width) before resizing.
        ms: by stage (decode with a source, preprocess, entropy, invoke, postprocess, total), one after the other:
            `p50`, `p95`, `p99`, `mean`.
        fps_sequential: frames per second that way. fps_pipelined: in `edge.pipeline.Pipeline`, wall clock.
        pipeline_share: fps_pipelined as a fraction of 1 / (median invoke): what of the network's own rate is left.
        cpu_cores: processor seconds per wall second in the pipeline.
        startup_ms: in a fresh process, from the first import to the first frame's detections; the median of three.
        peak_memory_mb: of that process after 20 more frames, in 2^20 bytes; None where the system does not say.
    """

    model: str
    precision: str
    source: str
    runtime: str
    accelerator: str
    note: str
    threads: int
    frames: int
    frame_size: tuple[int, int]
    ms: dict[str, dict[str, float]]
    fps_sequential: float
    fps_pipelined: float
    pipeline_share: float
    cpu_cores: float
    startup_ms: float
    peak_memory_mb: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def __str__(self) -> str:
        columns = list(next(iter(self.ms.values())))
        lines = [
            f"{self.model} ({self.precision}) on {self.runtime}, {self.accelerator}, "
            f"{self.threads} thread{'s' * (self.threads != 1)}",
            *([self.note] if self.note else []),
            f"{self.frames} frames of {self.frame_size[1]} x {self.frame_size[0]} from {self.source}",
            f"{'ms':12}" + "".join(f"{column:>10}" for column in columns),
        ]
        lines += [
            f"{stage:12}" + "".join(f"{row[column]:10.3f}" for column in columns) for stage, row in self.ms.items()
        ]
        memory = "unknown" if self.peak_memory_mb is None else f"{self.peak_memory_mb:.0f} MB"
        lines += [
            f"{self.fps_sequential:.1f} fps one stage after the other",
            f"{self.fps_pipelined:.1f} in the pipeline, {self.pipeline_share:.0%} of what the network alone allows, "
            f"{self.cpu_cores:.2f} cores busy",
            f"first detections {self.startup_ms:.0f} ms after the first import, peak memory {memory}",
        ]
        return "\n".join(lines)


class GeneratedSource(VideoSource):
    """Generated frames, bright squares on noise: 16 different uint8 (480, 640, 3), repeated.

    Args:
        frame_count: how many.
    """

    name = "generated frames"
    height, width = GENERATED_SIZE

    def __init__(self, frame_count: int):
        self.frame_count = self._left = frame_count
        self._frames = np.random.default_rng(0).integers(60, 120, (16, *GENERATED_SIZE, 3), np.uint8)
        for step, frame in enumerate(self._frames):
            for square in range(4):
                top, left = 40 + 100 * square, 30 * step + 20 * square
                frame[top : top + 60, left : left + 60] = 230

    def items(self) -> Iterator[Item | StreamEvent]:
        for frame_id in range(self._left):
            yield frame_id, frame_id / self.fps, self._frames[frame_id % len(self._frames)]

    def close(self) -> None:
        self._left = 0


def run_benchmark(
    model: str | os.PathLike[str],
    source: Source | None = None,
    frames: int = 200,
    **settings: Any,
) -> BenchmarkReport:
    """Times a model on this machine.

    Args:
        model: see `Detector`.
        source: whatever `edge.open_source` takes; None generates frames of 640 x 480 and decodes nothing.
        frames: how many are counted at most, after 5 that are not.
        settings: other arguments of `Detector`: threads, delegate, accelerator, allow_cpu.

    Raises:
        InputError: as `Detector` and `open_source` do, or the source has no frame beyond the first 5.
    """
    if frames < 1:
        raise InputError(f"frames must be at least 1. Received: {frames}")
    detector = Detector(model, **settings)

    def opened() -> VideoSource:
        return GeneratedSource(WARM_UP + frames) if source is None else open_source(source)

    with opened() as sequential:
        name = sequential.name
        kept = list(_without_frames(itertools.islice(detector.stream(sequential), WARM_UP + frames)))[WARM_UP:]
    if not kept:
        raise InputError(f"{name} has at most {WARM_UP} frames, which only warm up. Give a longer source.")
    stages = {stage: np.array([timings[stage] for timings, _ in kept]) for stage in kept[0][0]}
    if source is None:
        # Nothing is decoded: this is the loop's own time.
        stages["total"] = stages["total"] - stages.pop("decode")
    with Pipeline(detector, opened()) as pipeline:
        counted = itertools.islice(pipeline, WARM_UP, WARM_UP + len(kept))
        next(counted)
        start, processor = perf_counter(), process_time()
        # From result to result: the first one only starts the clock.
        pipelined = sum(1 for _ in counted)
        seconds, processor = perf_counter() - start, process_time() - processor
    fps = pipelined / seconds if pipelined else 0.0
    startup, memory = _start_up(model, settings)
    return BenchmarkReport(
        model=detector.metadata.name,
        precision=detector.metadata.precision,
        source=name,
        runtime=f"{detector.runtime.name} {detector.runtime.version}",
        accelerator=detector.runtime.accelerator,
        note=detector.runtime.note,
        threads=settings.get("threads", 1),
        frames=len(kept),
        frame_size=kept[0][1],
        ms={stage: _summary(values) for stage, values in stages.items()},
        fps_sequential=float(1e3 / stages["total"].mean()),
        fps_pipelined=fps,
        pipeline_share=fps * float(np.median(stages["invoke"])) / 1e3,
        cpu_cores=processor / seconds,
        startup_ms=startup,
        peak_memory_mb=memory,
    )


def peak_memory_mb() -> float | None:
    """The largest resident size of this process so far, in 2^20 bytes; None where the system does not say."""
    try:
        # getrusage would count what the parent held before this program was loaded.
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return None


def processor_name() -> str:
    """The processor as the system names it, for the head of a table of times."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as information:
            return next(line.split(":", 1)[1].strip() for line in information if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _without_frames(results: Iterator[FrameResult]) -> Iterator[tuple[dict[str, float], tuple[int, int]]]:
    for result in results:
        assert result.frame is not None, "results of a stream have their frames"
        yield result.timings, (result.frame.shape[0], result.frame.shape[1])


def _summary(values: np.ndarray) -> dict[str, float]:
    points = {f"p{point}": float(np.percentile(values, point)) for point in PERCENTILES}
    return {**points, "mean": float(values.mean())}


def _start_up(model: str | os.PathLike[str], settings: dict[str, Any]) -> tuple[float, float | None]:
    runs: list[Sequence[float]] = []
    command = [sys.executable, "-c", _START_UP, json.dumps([str(model_path(model).resolve()), settings])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for _ in range(_START_UP_RUNS):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return float(np.median([first for first, _ in runs])), runs[-1][1]
