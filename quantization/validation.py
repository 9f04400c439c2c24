"""A written file against the network that it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from edge.detection import Detection
from edge.engine import Engine
from edge.errors import InputError
from edge.metadata import Metadata
from edge.quantised import to_real
from edge.runtime import Runtime
from keras_sge.evaluation.keras_runtime import KerasRuntime
from quantization.agreement import LIMITS, SLACK, Agreement, agree

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
        return [codes, logits, *(to_real(self._state[one.input], one.scale, one.zero_point) for one in states)]


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
