"""From records to figures."""

from __future__ import annotations

import numpy as np

from keras_sge.evaluation.best_f1 import best_f1
from keras_sge.evaluation.coco_figures import COCO_PROTOCOL, coco_figures
from keras_sge.evaluation.detection_records import DetectionRecords
from keras_sge.evaluation.error_breakdown import ERROR_PROTOCOL, error_breakdown
from keras_sge.evaluation.evaluation_result import EvaluationResult
from keras_sge.evaluation.matches import match, mean_of_numbers
from keras_sge.evaluation.split_figures import (
    SPLIT_PROTOCOL,
    frame_index_figures,
    motion_figures,
    weighted_motion_figures,
)


def score_records(records: DetectionRecords) -> EvaluationResult:
    """All figures of one evaluation; detections are matched to objects once, at IoU .5."""
    frames = list(records)
    matches, classes = match(frames), len(records.labels)
    ap50 = [matches.average_precision(index) for index in range(classes)]
    best = best_f1(matches)
    boxes = np.bincount(matches.object_classes, minlength=classes)
    return EvaluationResult(
        map50=mean_of_numbers(ap50),
        ap50={name: _number(value) for name, value in zip(records.labels, ap50, strict=True)},
        boxes={name: int(number) for name, number in zip(records.labels, boxes, strict=True)},
        frames=len(records),
        clips=len(np.unique(records.videos)),
        protocol=f"AP at IoU .5, all-point interpolation, mean over classes with boxes; {records.protocol}; "
        f"{SPLIT_PROTOCOL}; {COCO_PROTOCOL}; {ERROR_PROTOCOL}",
        runtime=records.runtime,
        coco=_numbers(coco_figures(frames, classes)),
        motion=_numbers(motion_figures(matches, classes, records.true_motion)),
        motion_weighted=_numbers(weighted_motion_figures(matches, frames, classes, records.true_motion)),
        frame_index=_numbers(frame_index_figures(matches, classes, records.frame_ids)),
        best_f1=_numbers(best),
        errors=error_breakdown(matches, frames, best["threshold"]),
        unlabelled=records.unlabelled,
        ignored=len(records.ignored_classes),
    )


def _numbers(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
