"""Figures from matched detections: AP, F1, confusion, COCO's figures, errors by kind."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge.boxes import iou_matrix
from keras_sge.evaluation.matches import Matches, match
from keras_sge.evaluation.records import FrameRecord

# COCO's cap for AP; a detection over it in its class and frame does not count.
_MAX_DETECTIONS = 100
_NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
COCO_PROTOCOL = (
    f"COCO figures by pycocotools {importlib.metadata.version('pycocotools')}: 101 recalls, at most {_MAX_DETECTIONS} "
    "detections per class and frame, areas in pixels of the video's frames"
)
_FOREGROUND_IOU, _BACKGROUND_IOU = 0.5, 0.1
ERROR_PROTOCOL = (
    "errors counted at the score of the best micro-F1, kinds as in TIDE (foreground IoU 0.5, background IoU 0.1)"
)


def average_precision(frames: Sequence[FrameRecord], class_index: int, iou_threshold: float = 0.5) -> float:
    """AP of one class over all frames, detections matched by `match`.

    pycocotools gives the same number when `params.recThrs` holds every recall that can be attained, k / objects; its
    own AP50 samples the same curve at 101 recalls and differs a little.

    Returns:
        The area under the precision envelope, 0..1; NaN where no frame holds an object of the class.
    """
    return match(frames, iou_threshold).average_precision(class_index)


def best_f1(matches: Matches) -> dict[str, float]:
    """The best micro-F1 at IoU 0.5 over all score thresholds; detections and objects of all classes count together.

    Returns:
        `f1`, `threshold` (detections at or above it are kept; the highest where several are as good), `precision`,
        `recall`, 0..1. Without a right detection `f1` is 0, `threshold` and `precision` are NaN; without an object all
        are NaN.
    """
    objects, kept = len(matches.object_classes), np.arange(1, len(matches.scores) + 1)
    nan = float("nan")
    if objects == 0:
        return {"f1": nan, "threshold": nan, "precision": nan, "recall": nan}
    found = np.cumsum(matches.matched >= 0)
    # Only where the score changes can a threshold cut.
    cut = np.append(matches.scores[1:] < matches.scores[:-1], True)[: len(kept)]
    f1 = np.where(cut, 2 * found / (kept + objects), 0)
    if not f1.any():
        return {"f1": 0.0, "threshold": nan, "precision": nan, "recall": 0.0}
    best = int(f1.argmax())
    return {
        "f1": float(f1[best]),
        "threshold": float(matches.scores[best]),
        "precision": float(found[best] / kept[best]),
        "recall": float(found[best] / objects),
    }


def confusion_matrix(frames: Sequence[FrameRecord], classes: int, threshold: float) -> np.ndarray:
    """Counts of objects by their class and the class they are taken for.

    Detections that score at least `threshold` are matched regardless of class, best first, each to the free object that
    it overlaps most, if by IoU 0.5.

    Args:
        classes: how many there are. threshold: NaN keeps no detection.

    Returns:
        int64 (classes + 1, classes + 1): row the true class, column the detected one. The last column counts objects
        without a match, the last row detections without one.
    """
    kept = [_without_classes(frame, threshold) for frame in frames]
    matches = match(kept)
    # `position` counts the kept detections only.
    detected = np.concatenate([np.empty(0, np.int64), *(frame.classes[frame.scores >= threshold] for frame in frames)])[
        matches.position
    ]
    true = np.concatenate([np.empty(0, np.int64), *(frame.true_classes for frame in frames)])
    result = np.zeros((classes + 1, classes + 1), np.int64)
    found = matches.matched >= 0
    np.add.at(result, (true[matches.matched[found]], detected[found]), 1)
    np.add.at(result[classes], detected[~found], 1)
    missed = np.ones(len(true), bool)
    missed[matches.matched[found]] = False
    np.add.at(result[:, classes], true[missed], 1)
    return result


def coco_figures(frames: Sequence[FrameRecord], classes: int) -> dict[str, float]:
    """COCO AP.

    Args:
        frames: boxes in pixels of the frame. classes: how many there are.

    Returns:
        `ap` (mean over IoU 0.5, 0.55 ... 0.95), `ap50`, `ap75`, and `ap_small` (area up to 32^2), `ap_medium` (up to
        96^2), `ap_large`; means over classes, 0..1, NaN where no object is of that kind.
    """
    curves = []
    # Class by class: pycocotools keeps several entries for each pair of class and image, seen or not; for ImageNet VID
    # that would be gigabytes.
    for index in range(classes):
        if any((frame.true_classes == index).any() for frame in frames):
            evaluation = coco_evaluation(frames, index)
            # It reports on stdout.
            with contextlib.redirect_stdout(io.StringIO()):
                evaluation.evaluate()
                evaluation.accumulate()
            # IoU, recall, class, area, cap
            curves.append(evaluation.eval["precision"][:, :, 0, :, 0])
    if not curves:
        return dict.fromkeys(_NAMES, float("nan"))
    precision = np.stack(curves)
    everything = precision[..., 0]
    parts = (everything, everything[:, 0], everything[:, 5], *np.moveaxis(precision[..., 1:], -1, 0))
    return dict(zip(_NAMES, (_mean(part) for part in parts), strict=True))


def coco_evaluation(frames: Sequence[FrameRecord], class_index: int) -> COCOeval:
    """One class as a `COCOeval` that has not run yet; frame i is image i, frames without the class are left out."""
    truth = [
        _annotations(image, frame.true_boxes[frame.true_classes == class_index])
        + _annotations(image, frame.ignored[frame.ignored_classes == class_index], crowd=1)
        for image, frame in enumerate(frames)
    ]
    found = [
        _annotations(image, frame.boxes[detections], frame.scores[detections])
        for image, frame in enumerate(frames)
        for detections in [frame.classes == class_index]
    ]
    images = [image for image in range(len(frames)) if truth[image] or found[image]]
    evaluation = COCOeval(_coco(truth, images), _coco(found, images), "bbox")
    # 1 and 10 are for average recall, which is not reported.
    evaluation.params.maxDets = [_MAX_DETECTIONS]
    return evaluation


def error_breakdown(matches: Matches, frames: Sequence[FrameRecord], threshold: float) -> dict[str, int]:
    """Errors by kind among detections that score at least `threshold`; NaN keeps none.

    A detection without a match at IoU 0.5 is the first of these that fits, in TIDE's order:

    * `localization`: overlaps an object of its class by 0.1 to 0.5;
    * `wrong_class`: overlaps an object of another class by 0.5 or more;
    * `duplicate`: overlaps an object of its class by 0.5 or more, which a better detection is matched to;
    * `background`: anything else. TIDE counts what is off in class and in box apart; here it is this.

    `missed` are the objects without a match that are not the nearest one of a localization or class error either.

    Args:
        matches: of `frames` at IoU 0.5.
    """
    counts = dict.fromkeys(("missed", "wrong_class", "localization", "duplicate", "background"), 0)
    # What `match` has left out is neither.
    matched = np.full(sum(len(frame.scores) for frame in frames), -2)
    matched[matches.position] = matches.matched
    first, first_object = 0, 0
    for frame in frames:
        objects = matched[first : first + len(frame.scores)]
        first += len(frame.scores)
        kept = frame.scores >= threshold
        covered = np.zeros(len(frame.true_classes), bool)
        covered[objects[kept & (objects >= 0)] - first_object] = True
        first_object += len(covered)
        false = kept & (objects == -1)
        if false.any():
            overlap = iou_matrix(frame.boxes[false].astype(np.float64), frame.true_boxes.astype(np.float64))
            alike = frame.classes[false][:, None] == frame.true_classes[None]
            _count_false(np.where(alike, overlap, 0), np.where(alike, 0, overlap), covered, counts)
        counts["missed"] += int((~covered).sum())
    return counts


def _without_classes(frame: FrameRecord, threshold: float) -> FrameRecord:
    kept = frame.scores >= threshold
    return FrameRecord(
        frame.boxes[kept],
        frame.scores[kept],
        np.zeros(int(kept.sum()), np.int64),
        frame.true_boxes,
        np.zeros(len(frame.true_classes), np.int64),
        frame.ignored,
        np.zeros(len(frame.ignored_classes), np.int64),
    )


def _annotations(
    image: int, boxes: np.ndarray, scores: np.ndarray | None = None, crowd: int = 0
) -> list[dict[str, Any]]:
    if len(boxes) == 0:
        return []
    boxes = boxes.astype(np.float64)
    rows = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
    return [
        {"image_id": image, "category_id": 0, "bbox": row, "area": row[2] * row[3], "iscrowd": crowd, "score": score}
        for row, score in zip(rows, np.ones(len(rows)).tolist() if scores is None else scores.tolist(), strict=True)
    ]


def _coco(annotations: list[list[dict[str, Any]]], images: list[int]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in images],
        "categories": [{"id": 0}],
        # An id of 0 would read as "not matched".
        "annotations": [
            {"id": number, **one} for number, one in enumerate((one for few in annotations for one in few), start=1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _mean(precision: np.ndarray) -> float:
    # -1 marks a class without objects of that area.
    numbers = precision[precision > -1]
    return float(numbers.mean()) if numbers.size else float("nan")


def _count_false(same: np.ndarray, other: np.ndarray, covered: np.ndarray, counts: dict[str, int]) -> None:
    """Counts false positives (rows) by overlap with objects (columns) of their class and others; marks `covered`."""
    best_same, best_other = same.max(axis=1, initial=0), other.max(axis=1, initial=0)
    near = (best_same >= _BACKGROUND_IOU) & (best_same < _FOREGROUND_IOU)
    wrong = ~near & (best_other >= _FOREGROUND_IOU)
    duplicate = ~near & ~wrong & (best_same >= _FOREGROUND_IOU)
    if len(covered):
        covered[same[near].argmax(axis=1)] = True
        covered[other[wrong].argmax(axis=1)] = True
    counts["localization"] += int(near.sum())
    counts["wrong_class"] += int(wrong.sum())
    counts["duplicate"] += int(duplicate.sum())
    counts["background"] += int((~near & ~wrong & ~duplicate).sum())
