"""A written file against the network that it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from edge.anchors import anchor_boxes
from edge.boxes import iou_matrix
from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import Metadata
from edge.postprocess import select_detections
from edge.runtime import Runtime
from keras_sge.evaluation.keras_runtime import KerasRuntime

# How far a file may be from Keras, see `Agreement.relative_difference`: a broken conversion is far beyond.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "dynamic": 0.2, "int8": 0.5}
# Of Keras' detections, the share that a file must find again where there are enough to speak of a share.
_FOUND, _ENOUGH = 0.7, 20
_SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """How a file's answers compare with Keras' over the same frames, each carrying its own state.

    Attributes:
        relative_difference: of the worst output, the mean difference as a fraction of the output's mean size.
        detections: that Keras has at the model's score threshold. found: those with a detection of the same class at an
            IoU of .5 or more in the file's.
        iou, score_difference: means over those found; NaN where there are none.
    """

    relative_difference: float
    detections: int
    found: int
    iou: float
    score_difference: float


def validate(
    step: keras.Model,
    metadata: Metadata,
    flatbuffer: bytes,
    file_metadata: Metadata,
    clips: Iterable[np.ndarray],
) -> Agreement:
    """Runs Keras and the file side by side and refuses a file that is far off.

    Args:
        step: from `step_model_from`. metadata: of the float step.
        flatbuffer, file_metadata: of the file.
        clips: each uint8 (t, height, width, 3), BGR; the state starts anew in each.

    Raises:
        InputError: the difference is above `TOLERANCE`, or too many of Keras' detections are missing.
    """
    detectors = (
        Detector.from_runtime(KerasRuntime(step), metadata),
        Detector.from_runtime(Runtime(flatbuffer, file_metadata), file_metadata),
    )
    differences, sizes, pairs, detections = [], [], [], 0
    for clip in clips:
        for detector in detectors:
            detector.reset()
        for frame in clip:
            expected, received = (_answer(detector, frame) for detector in detectors)
            differences.append([np.abs(a - b).mean() for a, b in zip(expected, received, strict=True)])
            sizes.append([np.abs(a).mean() for a in expected])
            count, found = _matched(expected, received, metadata)
            detections += count
            pairs += found
    iou, score = np.mean(pairs, axis=0) if pairs else (np.nan, np.nan)
    worst = float((np.mean(differences, axis=0) / np.mean(sizes, axis=0)).max())
    agreement = Agreement(worst, detections, len(pairs), float(iou), float(score))
    _refuse_far_off(agreement, file_metadata.precision)
    return agreement


def _refuse_far_off(agreement: Agreement, precision: str) -> None:
    allowed = TOLERANCE[precision]
    if not agreement.relative_difference <= allowed:
        raise InputError(
            f"the converted file differs from Keras by {agreement.relative_difference:.2%}; {allowed:.2%} is allowed "
            f"for {precision}. It was not written."
        )
    if agreement.detections >= _ENOUGH and agreement.found < _FOUND * agreement.detections:
        raise InputError(
            f"the converted file finds {agreement.found} of {agreement.detections} detections of Keras again, expected "
            f"{_FOUND:.0%} or more. It was not written; calibrate on more clips, or on videos like those to come."
        )


def _answer(detector: Detector, frame: np.ndarray) -> list[np.ndarray]:
    """Codes, logits and the next states as real numbers."""
    codes, logits = detector.raw(frame)
    states = []
    for state in detector.metadata.states:
        raw = detector.state[state.input].astype(np.float32)
        states.append((raw - state.zero_point) * state.scale if state.scale else raw)
    return [codes, logits, *states]


def _matched(
    expected: list[np.ndarray], received: list[np.ndarray], metadata: Metadata
) -> tuple[int, list[tuple[float, float]]]:
    """How many detections Keras has in a frame, and IoU and score difference of those that the file has too."""
    anchors = anchor_boxes(metadata.anchors)
    settings = metadata.iou_threshold, metadata.max_detections
    boxes, scores, classes = select_detections(
        *expected[:2], anchors, metadata.variances, metadata.score_threshold, *settings
    )
    # A score that falls a little below the threshold is a difference of scores, not a missing detection.
    others, other_scores, other_classes = select_detections(
        *received[:2], anchors, metadata.variances, metadata.score_threshold / 2, *settings
    )
    overlaps = iou_matrix(boxes, others) * (classes[:, None] == other_classes[None])
    found = []
    for row, score in zip(overlaps, scores, strict=True):
        if row.size and row.max() >= _SAME_OBJECT_IOU:
            best = int(row.argmax())
            found.append((float(row[best]), abs(float(score) - float(other_scores[best]))))
    return len(boxes), found
