"""Do two ways of running find the same objects?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from edge.boxes import iou_matrix
from edge.engine import Engine
from edge.errors import InputError
from edge.metadata import Metadata
from edge.preprocess import dequantize
from edge.results import Detection
from edge.runtimes.litert import Runtime
from keras_sge.evaluation.detector import KerasRuntime

# Overlap from which two detections of one class are one object.
_SAME = 0.5
# Partners may score this much lower, so that none is missing only because it fell below the threshold.
SLACK = 0.15
# Least IoU and largest score difference: float files among each other, and where an int8 file takes part.
LIMITS = {"float": (0.9, 0.02), "int8": (0.8, 0.1)}


@dataclass(frozen=True)
class Agreement:
    """How far detections of two runs agree.

    Attributes:
        detections: of the first run, above its threshold. found: those with a partner in the second. matched: their
            share.
        within: share of the matched that keep both limits. limits: least IoU, largest score difference.
        least_iou, largest_score_difference: over all matched. mean_iou, mean_score_difference: of them.
    """

    detections: int
    found: int
    matched: float
    within: float
    limits: tuple[float, float]
    least_iou: float
    largest_score_difference: float
    mean_iou: float
    mean_score_difference: float


def agree(
    first: Sequence[Sequence[Detection]],
    second: Sequence[Sequence[Detection]],
    threshold: float,
    limits: tuple[float, float],
) -> Agreement:
    """Compares detections frame by frame.

    Args:
        first, second: detections of the same frames; those of `second` down to `threshold - SLACK`.
        threshold: score from which a detection of `first` counts.
        limits: see `LIMITS`.
    """
    overlaps, differences, count = [], [], 0
    for ours, theirs in zip(first, second, strict=True):
        wanted = [one for one in ours if one.score > threshold]
        count += len(wanted)
        for one, other, overlap in pairs(wanted, theirs):
            overlaps.append(overlap)
            differences.append(abs(one.score - other.score))
    iou, score = np.array(overlaps), np.array(differences)
    good = (iou >= limits[0]) & (score <= limits[1])
    some = len(iou) > 0
    return Agreement(
        detections=count,
        found=len(iou),
        matched=len(iou) / count if count else 1.0,
        within=float(good.mean()) if some else 1.0,
        limits=limits,
        least_iou=float(iou.min()) if some else 1.0,
        largest_score_difference=float(score.max()) if some else 0.0,
        mean_iou=float(iou.mean()) if some else 1.0,
        mean_score_difference=float(score.mean()) if some else 0.0,
    )


def pairs(first: Sequence[Detection], second: Sequence[Detection]) -> list[tuple[Detection, Detection, float]]:
    """Detections of one class that overlap by at least .5, best overlap first, each once; with their IoU."""
    if not first or not second:
        return []
    overlap = iou_matrix(*(np.array([one.box for one in found], np.float64) for found in (first, second)))
    same = np.array([[one.class_id == other.class_id for other in second] for one in first])
    overlap = np.where(same, overlap, 0)
    result = []
    while overlap.max() >= _SAME:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        result.append((first[row], second[column], float(overlap[row, column])))
        overlap[row], overlap[:, column] = 0, 0
    return result


def difference(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """How much two frames' detections differ: scores of those without a partner, and score and place of the others."""
    partners = pairs(first, second)
    lonely = sum(one.score for one in (*first, *second)) - sum(one.score + other.score for one, other, _ in partners)
    return lonely + sum(abs(one.score - other.score) + (1 - overlap) for one, other, overlap in partners)


# How far a file may be from Keras, see `Validation.relative_difference`: a broken conversion is far beyond.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "dynamic": 0.2, "int8": 0.5}
# Of Keras' detections, the share that a file must find again where there are enough to speak of a share.
_FOUND, _ENOUGH = 0.7, 20


@dataclass(frozen=True)
class Validation:
    """How a file's answers compare with Keras' over the same frames, each carrying its own state.

    Attributes:
        relative_difference: of the worst output, the mean difference as a fraction of the output's mean size.
        agreement: of the detections at the model's score threshold.
    """

    relative_difference: float
    agreement: Agreement


def validate(
    step: keras.Model,
    metadata: Metadata,
    flatbuffer: bytes,
    file_metadata: Metadata,
    clips: Iterable[np.ndarray],
) -> Validation:
    """Runs Keras and the file side by side and refuses a file that is far off.

    Args:
        step: from `step_model_from`. metadata: of the float step.
        flatbuffer, file_metadata: of the file.
        clips: each uint8 (t, height, width, 3), BGR; the state starts anew in each.

    Raises:
        InputError: the difference is above `TOLERANCE`, or too many of Keras' detections are missing.
    """
    threshold = metadata.score_threshold
    # A score that falls a little below the threshold is a difference of scores, not a missing detection.
    lower = max(0.0, threshold - SLACK)
    sides = (
        _Side(Engine(KerasRuntime(step), metadata)),
        _Side(Engine(Runtime(flatbuffer, file_metadata), file_metadata, score_threshold=lower)),
    )
    differences, sizes = [], []
    for clip in clips:
        for side in sides:
            side.reset()
        for frame in clip:
            expected, received = (side.answer(frame) for side in sides)
            differences.append([np.abs(a - b).mean() for a, b in zip(expected, received, strict=True)])
            sizes.append([np.abs(a).mean() for a in expected])
    worst = float((np.mean(differences, axis=0) / np.mean(sizes, axis=0)).max())
    limits = LIMITS["int8" if file_metadata.precision == "int8" else "float"]
    validation = Validation(worst, agree(sides[0].found, sides[1].found, threshold, limits))
    _refuse_far_off(validation, file_metadata.precision)
    return validation


class _Side:
    """One of the two, carrying its own state; `found` are its detections, frame by frame."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.found: list[tuple[Detection, ...]] = []
        self.reset()

    def reset(self) -> None:
        self._state = self._engine.fresh_state()

    def answer(self, frame: np.ndarray) -> list[np.ndarray]:
        """Codes, logits and the next states as real numbers."""
        codes, logits, self._state = self._engine.invoke(self._engine.prepare(frame), self._state)
        self.found.append(self._engine.detections(codes, logits, *frame.shape[:2]))
        states = self._engine.metadata.states
        return [codes, logits, *(dequantize(self._state[one.input], one.scale, one.zero_point) for one in states)]


def _refuse_far_off(validation: Validation, precision: str) -> None:
    allowed, agreement = TOLERANCE[precision], validation.agreement
    if not validation.relative_difference <= allowed:
        raise InputError(
            f"the converted file differs from Keras by {validation.relative_difference:.2%}; {allowed:.2%} is allowed "
            f"for {precision}. It was not written."
        )
    if agreement.detections >= _ENOUGH and agreement.found < _FOUND * agreement.detections:
        raise InputError(
            f"the converted file finds {agreement.found} of {agreement.detections} detections of Keras again, expected "
            f"{_FOUND:.0%} or more. It was not written; calibrate on more clips, or on videos like those to come."
        )
