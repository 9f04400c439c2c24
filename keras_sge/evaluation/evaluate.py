"""Every frame of every clip, in order, with carried state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from keras_sge.data import VideoDataset
from keras_sge.evaluation.average_precision import FrameRecord, average_precision
from keras_sge.evaluation.evaluation_result import EvaluationResult

# Low enough for the recall end of the curve, high enough to spare work.
SCORE_THRESHOLD = 0.01


def evaluate(
    detector: Detector, dataset: VideoDataset, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> EvaluationResult:
    """Runs a detector over a data set as a device would and scores it.

    Args:
        detector: with `SCORE_THRESHOLD`; its state is reset before each clip and carried within it.
        dataset: with the detector's classes, in any order.
        progress: wraps the iteration over clips, such as `tqdm`.

    Raises:
        InputError: the data set's classes and the model's labels differ.
    """
    if set(dataset.classes) != set(detector.labels):
        raise InputError(
            f"the data set's classes differ from the model's. Data set: {', '.join(dataset.classes)}; model: "
            f"{', '.join(detector.labels)}"
        )
    index = np.array([detector.labels.index(name) for name in dataset.classes], np.int64)
    records = []
    for clip in progress(range(len(dataset))):
        detector.reset()
        for frame, truth in zip(dataset.read(clip), dataset.labels(clip), strict=True):
            found = detector(frame).detections
            records.append(
                FrameRecord(
                    np.array([one.box for one in found], np.float32).reshape(-1, 4),
                    np.array([one.score for one in found], np.float32),
                    np.array([one.class_id for one in found], np.int64),
                    truth.boxes,
                    index[truth.classes],
                )
            )
    ap50 = {name: average_precision(records, number) for number, name in enumerate(detector.labels)}
    present = [value for value in ap50.values() if not np.isnan(value)]
    return EvaluationResult(
        map50=float(np.mean(present)) if present else float("nan"),
        ap50={name: None if np.isnan(value) else value for name, value in ap50.items()},
        boxes={
            name: int(sum((record.true_classes == number).sum() for record in records))
            for number, name in enumerate(detector.labels)
        },
        frames=len(records),
        clips=len(dataset),
        protocol="AP at IoU .5, all-point interpolation, mean over classes with boxes; every frame of every clip in "
        f"order, state zero at the clip's start and carried; scores above {SCORE_THRESHOLD}",
        runtime=f"{detector.runtime.name} {detector.runtime.version}",
    )
