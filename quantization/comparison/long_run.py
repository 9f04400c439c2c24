"""The memory over a long stream: files side by side over the same frames without a reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.detector import Detector
from edge.preprocess import dequantize
from edge.results import Detection
from keras_sge.data import FrameLabels, VideoDataset
from keras_sge.evaluation.matches import match
from keras_sge.evaluation.records import FrameRecord
from keras_sge.progress import Progress, no_progress
from quantization.contract import STATE_SCALE

# Cells are frozen that stand still for so many frames while the first file's state moves by more than a step.
WINDOW = 50
_NEAR_LIMIT = 0.98
# In steps of int8: what rounds to the first and to the last value, the measure for float files too.
_FIRST_VALUE, _LAST_VALUE = -127.5, 126.5
_STEPS = 128

# The attributes of a `LongRun` with one entry per frame, in the order of `_Watcher`'s rows.
COURSES = ("mean_difference", "largest_difference", "correlation", "near_limit", "at_limit", "clipped")


@dataclass(frozen=True)
class LongRun:
    """What one file's state did, against the first file's on the same frames. Arrays have one entry per frame.

    Cells are in units of 128 steps of int8, by the scale of the first integer file that has the state: -1 .. 1 is what
    integers can say. Without such a file, and for states with the contract's own scale, the unit is 1.

    Attributes:
        mean_difference, largest_difference: absolute, over the cells.
        correlation: over the cells; NaN where a state is constant.
        near_limit: share of cells beyond 0.98.
        at_limit: share of cells at the first or last value of int8, for float states of those that rounding would put
            there.
        clipped: share of cells at that limit where the first file's cell is within 0.98.
        frozen: share of cells that stand still while the first file's move by more than 1/128; one entry for each
            `WINDOW` frames.
        laps: mAP@0.5 of each passage over the same frames.
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
        frames: how many at least; the last lap is finished.
        laps: passages over the same frames, more where there are too few of them.
        progress: around the clips.

    Returns:
        One `LongRun` per detector.
    """
    clips = _clips(dataset, -(-frames // laps))
    laps = max(laps, -(-frames // sum(dataset.videos[clip].length for clip in clips)))
    class_of = [detectors[0].labels.index(name) for name in dataset.classes]
    steps: dict[str, float] = {}
    for tensor in (tensor for detector in detectors for tensor in detector.metadata.states if tensor.scale):
        steps.setdefault(tensor.input, tensor.scale)
    watchers = [_Watcher(detector, steps) for detector in detectors]
    records: list[list[list[FrameRecord]]] = [[[] for _ in range(laps)] for _ in detectors]
    for detector in detectors:
        detector.reset()
    for lap, clip in progress([(lap, clip) for lap in range(laps) for clip in clips]):
        for frame, label in zip(dataset.read(clip), dataset.labels(clip), strict=True):
            states = []
            for number, detector in enumerate(detectors):
                found = detector.decode(*detector.raw(frame), *frame.shape[:2])
                records[number][lap].append(_record(found, label, class_of))
                states.append(watchers[number].cells())
            for watcher, state in zip(watchers, states, strict=True):
                watcher.add(state, states[0])
    classes = len(detectors[0].labels)
    return [
        watcher.result([match(lap).mean_average_precision(classes) for lap in record])
        for watcher, record in zip(watchers, records, strict=True)
    ]


class _Watcher:
    """Follows one detector's state and sums up what it does."""

    def __init__(self, detector: Detector, steps: dict[str, float]):
        self._detector, self._states, self._steps = detector, detector.metadata.states, steps
        self._rows: list[tuple[float, ...]] = []
        self._frozen: list[float] = []
        self._window: list[tuple[np.ndarray, np.ndarray]] = []
        self._at_limit = np.empty(0, bool)

    def cells(self) -> np.ndarray:
        """All cells of all states, flat, see `LongRun`."""
        raw = self._detector.state
        values: list[np.ndarray] = [np.empty(0, np.float32)]
        at_limit: list[np.ndarray] = [np.empty(0, bool)]
        for state in self._states:
            cells, step = raw[state.input].ravel(), self._steps.get(state.input, STATE_SCALE)
            if np.issubdtype(cells.dtype, np.integer):
                limits = np.iinfo(cells.dtype)
                at_limit.append((cells == limits.min) | (cells == limits.max))
                real = dequantize(cells, state.scale, state.zero_point)
            else:
                at_limit.append((cells >= _LAST_VALUE * step) | (cells <= _FIRST_VALUE * step))
                real = cells.astype(np.float32)
            values.append((real / (_STEPS * step)).astype(np.float32))
        self._at_limit = np.concatenate(at_limit)
        return np.concatenate(values)

    def add(self, own: np.ndarray, first: np.ndarray) -> None:
        """A frame's cells of this detector, as `cells` gave them, and of the first one."""
        if not own.size:
            return
        difference = np.abs(own - first)
        constant = own.std() == 0 or first.std() == 0
        correlation = np.nan if constant else np.corrcoef(own, first)[0, 1]
        near = np.abs(own) > _NEAR_LIMIT
        clipped = self._at_limit & (np.abs(first) <= _NEAR_LIMIT)
        shares = near.mean(), self._at_limit.mean(), clipped.mean()
        self._rows.append((difference.mean(), difference.max(), correlation, *shares))
        self._window.append((own, first))
        if len(self._window) == WINDOW:
            moved, first_moved = (np.ptp(np.stack(states), axis=0) for states in zip(*self._window, strict=True))
            self._frozen.append(float(((moved == 0) & (first_moved > 1 / _STEPS)).mean()))
            self._window.clear()

    def result(self, laps: list[float]) -> LongRun:
        """All frames so far, with the mAP of each lap."""
        columns = np.array(self._rows, np.float64).reshape(-1, len(COURSES)).T
        courses: dict[str, Any] = dict(zip(COURSES, columns, strict=True))
        return LongRun(**courses, frozen=np.array(self._frozen), laps=laps)


def _clips(dataset: VideoDataset, frames: int) -> list[int]:
    """As few clips at even distances as hold that many frames; all of them where there are not enough."""
    for count in range(1, len(dataset) + 1):
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist()
        if sum(dataset.videos[clip].length for clip in chosen) >= frames:
            break
    return chosen


def _record(found: Sequence[Detection], label: FrameLabels, class_of: list[int]) -> FrameRecord:
    return FrameRecord(
        np.array([detection.box for detection in found], np.float32).reshape(-1, 4),
        np.array([detection.score for detection in found], np.float32),
        np.array([detection.class_id for detection in found], np.int64),
        label.boxes,
        np.array([class_of[number] for number in label.classes], np.int64),
    )
