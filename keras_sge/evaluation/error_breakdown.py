"""What goes wrong, counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.boxes import iou_matrix
from keras_sge.evaluation.frame_record import FrameRecord
from keras_sge.evaluation.matches import Matches

_FOREGROUND_IOU, _BACKGROUND_IOU = 0.5, 0.1
ERROR_PROTOCOL = (
    "errors counted at the score of the best micro-F1, kinds as in TIDE (foreground IoU .5, background IoU .1)"
)


def error_breakdown(matches: Matches, frames: Sequence[FrameRecord], threshold: float) -> dict[str, int]:
    """Errors by kind among detections that score at least `threshold`; NaN keeps none.

    A detection that claims no object at IoU .5 is the first of these that fits, in TIDE's order:

    * `badly_placed`: overlaps an object of its class by .1 to .5;
    * `wrong_class`: overlaps an object of another class by .5 or more;
    * `duplicate`: overlaps an object of its class by .5 or more, which a better detection claimed;
    * `background`: anything else. TIDE keeps what is both badly placed and of a wrong class apart; here it is this.

    `missed` are the objects that no detection claims and that no badly placed one and none of a wrong class is nearest
    to.

    Args:
        matches: of `frames` at IoU .5.
    """
    counts = dict.fromkeys(("missed", "wrong_class", "badly_placed", "duplicate", "background"), 0)
    # What `match` has left out is neither.
    claimed = np.full(sum(len(frame.scores) for frame in frames), -2)
    claimed[matches.place] = matches.claimed
    first, first_object = 0, 0
    for frame in frames:
        mine = claimed[first : first + len(frame.scores)]
        first += len(frame.scores)
        kept = frame.scores >= threshold
        covered = np.zeros(len(frame.true_classes), bool)
        covered[mine[kept & (mine >= 0)] - first_object] = True
        first_object += len(covered)
        false = kept & (mine == -1)
        if false.any():
            overlap = iou_matrix(frame.boxes[false].astype(np.float64), frame.true_boxes.astype(np.float64))
            alike = frame.classes[false][:, None] == frame.true_classes[None]
            _count_false(np.where(alike, overlap, 0), np.where(alike, 0, overlap), covered, counts)
        counts["missed"] += int((~covered).sum())
    return counts


def _count_false(same: np.ndarray, other: np.ndarray, covered: np.ndarray, counts: dict[str, int]) -> None:
    """Counts false positives (rows) by overlap with objects (columns) of their class and others; marks `covered`."""
    best_same, best_other = same.max(axis=1, initial=0), other.max(axis=1, initial=0)
    placed = (best_same >= _BACKGROUND_IOU) & (best_same < _FOREGROUND_IOU)
    wrong = ~placed & (best_other >= _FOREGROUND_IOU)
    duplicate = ~placed & ~wrong & (best_same >= _FOREGROUND_IOU)
    if len(covered):
        covered[same[placed].argmax(axis=1)] = True
        covered[other[wrong].argmax(axis=1)] = True
    counts["badly_placed"] += int(placed.sum())
    counts["wrong_class"] += int(wrong.sum())
    counts["duplicate"] += int(duplicate.sum())
    counts["background"] += int((~placed & ~wrong & ~duplicate).sum())
