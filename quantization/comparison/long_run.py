"""A runtime that remembers what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.detector import Detector
from edge.preprocess import dequantize
from edge.runtimes.runtime import StepRuntime
from keras_sge.data import VideoDataset
from keras_sge.evaluation.matches import match
from keras_sge.evaluation.records import FrameRecord
from keras_sge.progress import Progress, no_progress


class RecordingRuntime:
    """Wraps a runtime; `frames` are the inputs of every call without the states, so that another runtime can be given
    them too.

    Args:
        runtime: closed with this one. states: names of inputs that are not kept.
    """

    def __init__(self, runtime: StepRuntime, states: Sequence[str]):
        self._runtime, self._states = runtime, set(states)
        self.name, self.version, self.quantization = runtime.name, runtime.version, runtime.quantization
        self.accelerator, self.note = runtime.accelerator, runtime.note
        self.frames: list[dict[str, np.ndarray]] = []

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.frames.append({name: np.array(values) for name, values in inputs.items() if name not in self._states})
        return self._runtime(inputs)

    def close(self) -> None:
        self._runtime.close()


class ReplayedRuntime:
    """Gives recorded outputs back call by call: a `Detector` on it decodes what a runtime elsewhere computed.

    Args:
        outputs: of every call, by name. like: the runtime whose names and scales they have.
    """

    def __init__(self, outputs: Iterable[dict[str, np.ndarray]], like: StepRuntime):
        self._outputs = iter(outputs)
        self.name, self.version, self.quantization = like.name, like.version, like.quantization
        self.accelerator, self.note = "replayed", ""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return next(self._outputs)

    def close(self) -> None:
        """Nothing is held that Python does not free."""


# Cells are frozen that stand still for so many frames while the float state moves by more than a step.
WINDOW = 50
_NEAR_LIMIT = 0.98
# One step of an int8 state; the measure for float files too.
_STEP = 1 / 128


@dataclass(frozen=True)
class LongRun:
    """What one file's state did, against the first file's on the same frames. Each array has an entry a frame.

    Attributes:
        mean_difference, largest_difference: of the cells. correlation: over the cells; NaN where a state is constant.
        near_limit: share of cells beyond .98. at_limit: share at the first or last value of int8, for float states of
            those that rounding would put there. clipped: share at that limit where the first file's cell is within .98.
        frozen: share of cells, an entry for each `WINDOW` frames.
        laps: mAP@.5 of each passage over the same frames.
    """

    mean_difference: np.ndarray
    largest_difference: np.ndarray
    correlation: np.ndarray
    near_limit: np.ndarray
    at_limit: np.ndarray
    clipped: np.ndarray
    frozen: np.ndarray
    laps: list[float]


def long_run(
    detectors: Sequence[Detector],
    dataset: VideoDataset,
    frames: int,
    laps: int = 1,
    progress: Progress = no_progress,
) -> list[LongRun]:
    """Runs all detectors side by side over clips behind each other, again and again, without a reset.

    A frame of another size is no reason for one here, as it is for a detector; a state that is not finite is replaced.

    Args:
        detectors: with states of one shape, or without states. The first is what the others are held against.
        dataset: its clips are taken at even distances, as many as a lap needs.
        frames: how many at least; the last lap is finished. laps: passages over the same frames, more where there are
            too few of them.
        progress: around the clips.
    """
    clips = _clips(dataset, -(-frames // laps))
    laps = max(laps, -(-frames // sum(dataset.videos[clip].length for clip in clips)))
    class_of = [detectors[0].labels.index(name) for name in dataset.classes]
    watchers = [_Watcher(detector) for detector in detectors]
    records: list[list[list[FrameRecord]]] = [[[] for _ in range(laps)] for _ in detectors]
    for detector in detectors:
        detector.reset()
    for lap, clip in progress([(lap, clip) for lap in range(laps) for clip in clips]):
        for frame, label in zip(dataset.read(clip), dataset.labels(clip), strict=True):
            states = []
            for number, detector in enumerate(detectors):
                found = detector.decode(*detector.raw(frame), *frame.shape[:2])
                records[number][lap].append(_record(found, label, class_of))
                states.append(watchers[number].real())
            for watcher, state in zip(watchers, states, strict=True):
                watcher.note(state, states[0])
    classes = len(detectors[0].labels)
    return [
        watcher.result([match(lap).mean_average_precision(classes) for lap in record])
        for watcher, record in zip(watchers, records, strict=True)
    ]


class _Watcher:
    def __init__(self, detector: Detector):
        self._detector, self._states = detector, detector.metadata.states
        self._rows: list[tuple[float, ...]] = []
        self._frozen: list[float] = []
        self._window: list[tuple[np.ndarray, np.ndarray]] = []
        self._at_limit = np.empty(0, bool)

    def real(self) -> np.ndarray:
        """All cells of all states as real numbers, flat."""
        raw = self._detector.state
        values, at_limit = [np.empty(0, np.float32)], [np.empty(0, bool)]
        for state in self._states:
            cells = raw[state.input].ravel()
            if np.issubdtype(cells.dtype, np.integer):
                limits = np.iinfo(cells.dtype)
                at_limit.append((cells == limits.min) | (cells == limits.max))
                values.append(dequantize(cells, state.scale, state.zero_point))
            else:
                at_limit.append((cells >= 126.5 * _STEP) | (cells <= -127.5 * _STEP))
                values.append(cells.astype(np.float32))
        self._at_limit = np.concatenate(at_limit)
        return np.concatenate(values)

    def note(self, mine: np.ndarray, first: np.ndarray) -> None:
        if not mine.size:
            return
        difference = np.abs(mine - first)
        constant = mine.std() == 0 or first.std() == 0
        correlation = np.nan if constant else np.corrcoef(mine, first)[0, 1]
        near = np.abs(mine) > _NEAR_LIMIT
        clipped = self._at_limit & (np.abs(first) <= _NEAR_LIMIT)
        shares = near.mean(), self._at_limit.mean(), clipped.mean()
        self._rows.append((difference.mean(), difference.max(), correlation, *shares))
        self._window.append((mine, first))
        if len(self._window) == WINDOW:
            ours, theirs = (np.stack(states) for states in zip(*self._window, strict=True))
            self._frozen.append(float(((np.ptp(ours, 0) == 0) & (np.ptp(theirs, 0) > _STEP)).mean()))
            self._window.clear()

    def result(self, laps: list[float]) -> LongRun:
        columns = np.array(self._rows, np.float64).reshape(-1, 6).T
        return LongRun(*columns, frozen=np.array(self._frozen), laps=laps)


def _clips(dataset: VideoDataset, frames: int) -> list[int]:
    """As few clips at even distances as hold that many frames; all of them where there are not enough."""
    for count in range(1, len(dataset) + 1):
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist()
        if sum(dataset.videos[clip].length for clip in chosen) >= frames:
            break
    return chosen


def _record(found: Any, label: Any, class_of: list[int]) -> FrameRecord:
    return FrameRecord(
        np.array([one.box for one in found], np.float32).reshape(-1, 4),
        np.array([one.score for one in found], np.float32),
        np.array([one.class_id for one in found], np.int64),
        label.boxes,
        np.array([class_of[number] for number in label.classes], np.int64),
    )
