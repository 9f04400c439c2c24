"""How fast a model runs here: stage by stage, through the same `Detector` that a program uses."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from edge.frame_result import FrameResult

# First frames fill caches and wake the threads: they are run but not counted.
WARM_UP = 5
GENERATED_SIZE = (480, 640)


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark measured.

    Attributes:
        model, precision: of the model. source: its frames. runtime: package and version. threads: of the runtime.
        delegate: path of the delegate's library, or None.
        frames: how many were counted. frame_size: (height, width) before resizing.
        startup_ms: from the file on disk to the first frame's detections, loading the runtime included.
        fps: 1000 / mean total.
        median_ms, p95_ms: by stage: decode (with a source), preprocess, entropy, invoke, postprocess, total.
    """

    model: str
    precision: str
    source: str
    runtime: str
    threads: int
    delegate: str | None
    frames: int
    frame_size: tuple[int, int]
    startup_ms: float
    fps: float
    median_ms: dict[str, float]
    p95_ms: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.model} ({self.precision}) on {self.runtime}, {self.threads} thread{'s' * (self.threads != 1)}"
            + (f", delegate {self.delegate}" if self.delegate else ""),
            f"{self.frames} frames of {self.frame_size[1]} x {self.frame_size[0]} from {self.source}",
            f"{'':12}{'median ms':>10}{'p95 ms':>10}",
        ]
        lines += [f"{stage:12}{ms:10.3f}{self.p95_ms[stage]:10.3f}" for stage, ms in self.median_ms.items()]
        lines.append(f"{self.fps:.1f} frames a second, first detections after {self.startup_ms:.0f} ms")
        return "\n".join(lines)


def run_benchmark(
    model: str | os.PathLike[str],
    source: str | int | os.PathLike[str] | None = None,
    frames: int = 200,
    threads: int = 1,
    delegate: str | None = None,
) -> BenchmarkReport:
    """Times a model on this machine.

    Args:
        model, threads, delegate: see `Detector`.
        source: whatever `edge.open_source` takes; None generates frames of 640 x 480 and leaves decoding out.
        frames: how many to count at the most, after 5 that are not.

    Raises:
        InputError: as `Detector` and `open_source` do, or the source has no frame beyond the first 5.
    """
    if frames < 1:
        raise InputError(f"frames must be at least 1. Received: {frames}")
    start = perf_counter()
    detector = Detector(model, threads=threads, delegate=delegate)
    pictures = generated_frames()
    detector(next(pictures))
    startup = perf_counter() - start
    detector.reset()
    results: Iterator[FrameResult] = (
        (detector(picture) for picture in pictures) if source is None else (detector.stream(source))
    )
    kept = list(itertools.islice(((result.timings, result.frame.shape[:2]) for result in results), WARM_UP + frames))
    kept = kept[WARM_UP:]
    if not kept:
        raise InputError(f"{source} has at most {WARM_UP} frames, which only warm up. Give a longer source.")
    stages = {stage: np.array([timings[stage] for timings, _ in kept]) for stage in kept[0][0]}
    return BenchmarkReport(
        model=detector.metadata.name,
        precision=detector.metadata.precision,
        source="generated frames" if source is None else str(source),
        runtime=f"{detector.runtime.name} {detector.runtime.version}",
        threads=threads,
        delegate=delegate,
        frames=len(kept),
        frame_size=kept[0][1],
        startup_ms=startup * 1e3,
        fps=float(1e3 / stages["total"].mean()),
        median_ms={stage: float(np.median(values)) for stage, values in stages.items()},
        p95_ms={stage: float(np.percentile(values, 95)) for stage, values in stages.items()},
    )


def generated_frames(count: int = 16, seed: int = 0) -> Iterator[np.ndarray]:
    """Endless uint8 (480, 640, 3) frames without meaning: a noisy ground and bright squares, `count` different ones."""
    generator = np.random.default_rng(seed)
    frames = generator.integers(60, 120, (count, *GENERATED_SIZE, 3), np.uint8)
    for step, frame in enumerate(frames):
        for square in range(4):
            top, left = 40 + 100 * square, 30 * step + 20 * square
            frame[top : top + 60, left : left + 60] = 230
    return itertools.cycle(frames)
