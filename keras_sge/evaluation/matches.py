"""Which detection is matched to which object: done once, read by every figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.boxes import iou_matrix, share_inside
from keras_sge.evaluation.records import FrameRecord

# pycocotools' own guard for a threshold of 1.
_ALL = 1 - 1e-10


def match(frames: Sequence[FrameRecord], iou_threshold: float = 0.5) -> Matches:
    """Matches detections to objects as pycocotools does.

    Detections are taken from the best score down; each is matched to the free object of its frame and class that it
    overlaps most, the last of equals, if by at least `iou_threshold`, and is a false positive otherwise. One without a
    match that lies in an ignored region of its class by at least `iou_threshold` of its area is left out.
    """
    matched, excused, object_count = [np.empty(0, np.int64)], [np.empty(0, bool)], 0
    for frame in frames:
        local = _match_frame(frame, iou_threshold)
        matched.append(np.where(local >= 0, local + object_count, -1))
        excused.append((local < 0) & _in_region(frame, iou_threshold))
        object_count += len(frame.true_classes)
    scores = np.concatenate([np.empty(0, np.float32), *(frame.scores for frame in frames)])
    order = np.argsort(-scores, kind="stable")
    order = order[~np.concatenate(excused)[order]]
    numbers = np.arange(len(frames))
    return Matches(
        scores[order],
        np.concatenate([np.empty(0, np.int64), *(frame.classes for frame in frames)])[order],
        np.repeat(numbers, [len(frame.scores) for frame in frames])[order],
        np.concatenate(matched)[order],
        order,
        np.concatenate([np.empty(0, np.int64), *(frame.true_classes for frame in frames)]),
        np.repeat(numbers, [len(frame.true_classes) for frame in frames]),
    )


@dataclass(frozen=True)
class Matches:
    """All detections of some frames that are right or wrong, best score first, equal scores in frame order.

    Attributes:
        scores: float32 (n,). classes: int64 (n,). frames: int64 (n,), the frame's number among the frames.
        matched: int64 (n,), the object that a detection is matched to, counted over all frames; -1 for none.
        position: int64 (n,), the detection's index in the concatenation of all frames' detections.
        object_classes, object_frames: int64 (m,), of every object in the same count.
    """

    scores: np.ndarray
    classes: np.ndarray
    frames: np.ndarray
    matched: np.ndarray
    position: np.ndarray
    object_classes: np.ndarray
    object_frames: np.ndarray

    def curve(self, class_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Recall and precision of a class after each of its detections, float64 (k,); recall NaN without objects."""
        hit = self.matched[self.classes == class_index] >= 0
        found, objects = np.cumsum(hit), np.count_nonzero(self.object_classes == class_index)
        recall = found / objects if objects else np.full(len(hit), np.nan)
        return recall, found / np.arange(1, len(hit) + 1)

    def average_precision(
        self,
        class_index: int,
        objects: np.ndarray | None = None,
        frames: np.ndarray | None = None,
        false_weights: np.ndarray | None = None,
    ) -> float:
        """AP of one class, all-point interpolation.

        Args:
            objects: bool (m,), which objects count; a detection matched to another one counts neither way.
            frames: bool (number of frames,), which frames count; the others are left out altogether.
            false_weights: float (n,), weight of each detection that is matched to nothing; 1 if None.

        Returns:
            The area under the precision envelope, 0..1; NaN where no object counts.
        """
        wanted = self.object_classes == class_index
        detections = self.classes == class_index
        if frames is not None:
            wanted, detections = wanted & frames[self.object_frames], detections & frames[self.frames]
        if objects is not None:
            wanted = wanted & objects
        if not wanted.any():
            return float("nan")
        matched = self.matched[detections]
        # A matched object is of this class, so index -1 is the only one to guard.
        hit = (matched >= 0) & wanted[matched]
        false = (matched < 0).astype(np.float64)
        if false_weights is not None:
            false *= false_weights[detections]
        found, wrong = np.cumsum(hit)[hit], np.cumsum(false)[hit]
        # Precision only falls between two hits, so the envelope over the hits is the envelope over all.
        precision = np.maximum.accumulate((found / (found + wrong))[::-1])[::-1]
        return float(precision.sum() / np.count_nonzero(wanted))

    def mean_average_precision(self, classes: int, **selection: np.ndarray) -> float:
        """The mean of `average_precision` over the classes with objects that count, NaN if there is none."""
        return mean_of_numbers(self.average_precision(index, **selection) for index in range(classes))


def mean_of_numbers(values: Iterable[float]) -> float:
    """The mean of what is not NaN; NaN of nothing."""
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def _match_frame(frame: FrameRecord, iou_threshold: float) -> np.ndarray:
    """int64 (n,): the object of the frame that each detection is matched to, or -1."""
    result = np.full(len(frame.scores), -1, np.int64)
    if len(result) == 0 or len(frame.true_classes) == 0:
        return result
    # In float64, as pycocotools: an overlap of exactly the threshold must not hang on rounding.
    overlap = iou_matrix(frame.boxes.astype(np.float64), frame.true_boxes.astype(np.float64))
    overlap[frame.classes[:, None] != frame.true_classes[None]] = -1
    threshold = min(iou_threshold, _ALL)
    rows = np.flatnonzero(overlap.max(axis=1) >= threshold)
    last = overlap.shape[1] - 1
    for row in rows[np.argsort(-frame.scores[rows], kind="stable")]:
        best = last - int(overlap[row, ::-1].argmax())
        if overlap[row, best] >= threshold:
            result[row] = best
            overlap[:, best] = -1
    return result


def _in_region(frame: FrameRecord, iou_threshold: float) -> np.ndarray:
    """bool (n,): which detections lie in an ignored region of their class."""
    if len(frame.scores) == 0 or len(frame.ignored_classes) == 0:
        return np.zeros(len(frame.scores), bool)
    share = share_inside(frame.boxes.astype(np.float64), frame.ignored.astype(np.float64))
    share[frame.classes[:, None] != frame.ignored_classes[None]] = -1
    return share.max(axis=1) >= min(iou_threshold, _ALL)
