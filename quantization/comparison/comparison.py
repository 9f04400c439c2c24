"""What `compare_files` found, as an object and as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path
from keras_sge.evaluation import BootstrapResult, EvaluationResult
from quantization.comparison.layer_error import LayerError
from quantization.comparison.long_run import COURSES, WINDOW, LongRun
from quantization.validation import Agreement

# (runtime, threads) that a time was taken with.
Setting = tuple[str, int]


@dataclass(frozen=True)
class ComparedFile:
    """One file's figures; those held against the first file are empty for that one.

    Attributes:
        name: the file's, without its ending.
        precision: as its metadata says it.
        bytes: of the file.
        weights: its bytes without metadata.
        latency: milliseconds of an invocation, by runtime and threads: `median`, `p95`, `least` and `ratio`, the median
            over rounds of its time over the first file's.
        accuracy: its own.
        difference: mAP@0.5 of this file minus that of the first.
        agreement: with the first file, on this environment's runtime.
        runtimes: agreement of this environment's runtime with the other, by the other's name.
        run: over many frames without a reset.
        layers: errors against the first.
    """

    name: str
    precision: str
    bytes: int
    weights: int
    latency: dict[Setting, dict[str, float]]
    accuracy: EvaluationResult
    difference: BootstrapResult | None
    agreement: Agreement | None
    runtimes: dict[str, Agreement]
    run: LongRun | None
    layers: list[LayerError]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the state's course as means over `WINDOW` frames."""
        document = dataclasses.asdict(self)
        document["latency"] = [
            {"runtime": runtime, "threads": threads, **figures} for (runtime, threads), figures in self.latency.items()
        ]
        document["run"] = None if self.run is None else _course(self.run)
        return document


@dataclass(frozen=True)
class Comparison:
    """All files, the first being what the others are held against.

    Attributes:
        files: see `ComparedFile`.
        data: data set, split and part of it.
        machine: what the times are of.
        command: what made it.
        frames, laps: of the run without a reset.
        agreement_frames: how many frames were compared box by box.
    """

    files: list[ComparedFile]
    data: str
    machine: str
    command: str
    frames: int
    laps: int
    agreement_frames: int

    def write_json(self, path: str | Path) -> None:
        """All figures; null stands for what could not be measured."""
        document = dataclasses.asdict(dataclasses.replace(self, files=[]))
        document["files"] = [file.to_dict() for file in self.files]
        with atomic_path(path) as temporary:
            Path(temporary).write_text(json.dumps(_plain(document), indent=1) + "\n")


def windows(values: np.ndarray) -> np.ndarray:
    """Means over `WINDOW` frames each; an incomplete last one is left out."""
    return values[: len(values) // WINDOW * WINDOW].reshape(-1, WINDOW).mean(axis=1)


def _course(run: LongRun) -> dict[str, Any]:
    return {
        "window": WINDOW,
        **{name: windows(getattr(run, name)) for name in COURSES},
        "frozen": run.frozen,
        "laps": run.laps,
    }


def _plain(value: Any) -> Any:
    """JSON has no arrays, NaN and infinity."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
