"""The figures of a detector on a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edge.detector import Detector
from keras_sge.data import VideoDataset
from keras_sge.evaluation.evaluation_result import EvaluationResult
from keras_sge.evaluation.protocol import Protocol
from keras_sge.evaluation.record_detections import record_detections
from keras_sge.evaluation.score_records import score_records


def evaluate(
    detector: Detector,
    dataset: VideoDataset,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    protocol: Protocol | None = None,
) -> EvaluationResult:
    """Runs a detector over a data set as a device would and scores it: `record_detections`, then `score_records`.

    Args:
        detector: with `SCORE_THRESHOLD`; its state is reset before each clip and carried within it.
        dataset: with the detector's classes, in any order.
        progress: wraps the iteration over clips, such as `tqdm`.
        protocol: which part is run and how; None runs every frame of every clip.

    Raises:
        InputError: the data set's classes and the model's labels differ, or the protocol does not fit the data set.
    """
    return score_records(record_detections(detector, dataset, protocol, progress))
