"""COCO's own figures from pycocotools."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from keras_sge.evaluation.frame_record import FrameRecord

# COCO's cap for AP; a detection over it in its class and frame does not count.
_MAX_DETECTIONS = 100
_NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
COCO_PROTOCOL = (
    f"COCO figures by pycocotools {importlib.metadata.version('pycocotools')}: 101 recalls, at most {_MAX_DETECTIONS} "
    "detections a class and frame, areas in pixels of the video's frames"
)


def coco_figures(frames: Sequence[FrameRecord], classes: int) -> dict[str, float]:
    """COCO AP.

    Args:
        frames: boxes in pixels of the frame. classes: how many there are.

    Returns:
        `ap` (mean over IoU .5, .55 ... .95), `ap50`, `ap75`, and `ap_small` (area up to 32^2), `ap_medium` (up to
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
        _annotations(image, frame.boxes[mine], frame.scores[mine])
        for image, frame in enumerate(frames)
        for mine in [frame.classes == class_index]
    ]
    images = [image for image in range(len(frames)) if truth[image] or found[image]]
    evaluation = COCOeval(_coco(truth, images), _coco(found, images), "bbox")
    # 1 and 10 are for average recall, which is not reported.
    evaluation.params.maxDets = [_MAX_DETECTIONS]
    return evaluation


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
