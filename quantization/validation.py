"""How near a file is to the network that it was made from: its outputs, and the objects that both find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from edge.boxes import iou_matrix
from edge.engine import Engine
from edge.errors import InputError
from edge.metadata import Metadata
from edge.results import Detection
from edge.runtimes.litert import Runtime
from keras_sge.evaluation.detector import KerasRuntime

# Overlap from which two detections of one class are one object.
_SAME = 0.5
# Partners may score this much lower, so that none is missing only because it fell below the threshold.
SLACK = 0.15
# Least IoU and largest score difference: float files among each other, and where an int8 file takes part.
LIMITS = {"float": (0.9, 0.02), "int8": (0.8, 0.1)}
# How far a file may be from Keras, see `Validation.relative_difference`: a broken conversion is far beyond.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "dynamic": 0.2, "int8": 0.5}
# Of Keras' detections, the share that a file must find again where there are enough to speak of a share.
_FOUND, _ENOUGH = 0.7, 20


@dataclass(frozen=True)
class Validation:
    """How a file's answers compare with those of the network over the same frames, each carrying its own state.

    Attributes:
        relative_difference: of codes or logits, whichever is worse, the mean difference as a fraction of their mean
            size. States are not compared: they are carried, and what is wrong with them shows in the frames behind.
        agreement: of the detections at the model's score threshold.
        precision: of the file.
        reference: what it was compared with: `Keras`, or the `twin` of a quantization-aware run.
    """

    relative_difference: float
    agreement: Agreement
    precision: str
    reference: str = "Keras"

    def facts(self) -> dict[str, Any]:
        """For the metadata: the difference, and for an int8 file that Keras was compared with, the detections."""
        facts: dict[str, Any] = {f"relative_difference_to_{self.reference.lower()}": self.relative_difference}
        if self.precision == "int8" and self.reference == "Keras":
            facts |= {
                "detections_of_keras": self.agreement.detections,
                "detections_found": self.agreement.found,
                "iou_of_found": round(self.agreement.mean_iou, 4),
                "score_difference_of_found": round(self.agreement.mean_score_difference, 4),
            }
        return facts

    def __str__(self) -> str:
        reference = "the trained twin" if self.reference == "twin" else self.reference
        text = f"within {self.relative_difference:.2g} of {reference}, relative"
        if not self.agreement.found:
            return text
        return (
            f"{text}; finds {self.agreement.found} of {self.agreement.detections} detections again, mean IoU "
            f"{self.agreement.mean_iou:.2f}, score within {self.agreement.mean_score_difference:.3f} on average"
        )


def validate(
    step: keras.Model,
    metadata: Metadata,
    flatbuffer: bytes,
    file_metadata: Metadata,
    clips: Iterable[np.ndarray],
    reference: str = "Keras",
) -> Validation:
    """Runs the network and the file side by side and refuses a file that is far off.

    Args:
        step: from `step_model_from`, or the twin of a quantization-aware run.
        metadata: of the float step.
        flatbuffer, file_metadata: of the file.
        clips: each uint8 (t, height, width, 3), BGR; the state starts anew in each.
        reference: what `step` is called, see `Validation`.

    Raises:
        InputError: the difference is above `TOLERANCE`, or too many of the network's detections are missing.
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
    precision = file_metadata.precision
    agreement = agree(sides[0].found, sides[1].found, threshold, limits_of(precision))
    validation = Validation(worst, agreement, precision, reference)
    _refuse_far_off(validation)
    return validation


def _refuse_far_off(validation: Validation) -> None:
    allowed, agreement, reference = TOLERANCE[validation.precision], validation.agreement, validation.reference
    if not validation.relative_difference <= allowed:
        raise InputError(
            f"the converted file differs from {reference} by {validation.relative_difference:.2%}; {allowed:.2%} is "
            f"allowed for {validation.precision}. It was not written."
        )
    if agreement.detections >= _ENOUGH and agreement.found < _FOUND * agreement.detections:
        raise InputError(
            f"the converted file finds {agreement.found} of {agreement.detections} detections of {reference} again, "
            f"expected {_FOUND:.0%} or more. It was not written; calibrate on more clips, or on videos like those to "
            "come."
        )


class _Side:
    """One of the two, carrying its own state; `found` are its detections, frame by frame."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.found: list[tuple[Detection, ...]] = []
        self.reset()

    def reset(self) -> None:
        self._state = self._engine.fresh_state()

    def answer(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes and logits; the state goes on into the next frame."""
        codes, logits, self._state = self._engine.invoke(self._engine.prepare(frame), self._state)
        self.found.append(self._engine.detections(codes, logits, *frame.shape[:2]))
        return codes, logits


@dataclass(frozen=True)
class Agreement:
    """How far detections of two runs agree.

    Attributes:
        detections: of the first run, above its threshold.
        found: how many of them have a partner in the second.
        matched: their share, 0 to 1; 1 where there are no detections.
        within: share of the matched that keep both limits.
        limits: least IoU and largest score difference.
        least_iou, mean_iou: over all matched; 1 where there are none.
        largest_score_difference, mean_score_difference: over all matched; 0 where there are none.
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


def limits_of(precision: str) -> tuple[float, float]:
    """Least IoU and largest score difference that a file of this precision is held to, see `LIMITS`."""
    return LIMITS["int8" if precision == "int8" else "float"]


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
        limits: least IoU and largest score difference, see `limits_of`.
    """
    overlaps, differences, count = [], [], 0
    for expected, received in zip(first, second, strict=True):
        counted = [detection for detection in expected if detection.score > threshold]
        count += len(counted)
        for detection, partner, overlap in pairs(counted, received):
            overlaps.append(overlap)
            differences.append(abs(detection.score - partner.score))
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
    """Detections of one class that overlap by at least 0.5, best overlap first, each once; with their IoU."""
    if not first or not second:
        return []
    overlap = iou_matrix(*(np.array([found.box for found in side], np.float64) for side in (first, second)))
    classes = (np.array([found.class_id for found in side]) for side in (first, second))
    same = np.equal.outer(*classes)
    overlap = np.where(same, overlap, 0)
    result = []
    while overlap.max() >= _SAME:
        row, column = map(int, np.unravel_index(overlap.argmax(), overlap.shape))
        result.append((first[row], second[column], float(overlap[row, column])))
        overlap[row], overlap[:, column] = 0, 0
    return result


def difference(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """How much the detections of two runs differ in a frame: the scores of those without a partner, and of every pair
    the difference of scores and 1 - IoU."""
    partners = pairs(first, second)
    scores = sum(found.score for found in (*first, *second))
    unmatched = scores - sum(a.score + b.score for a, b, _ in partners)
    return unmatched + sum(abs(a.score - b.score) + (1 - overlap) for a, b, overlap in partners)
