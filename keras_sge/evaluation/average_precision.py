"""Average precision as ImageNet VID and PASCAL VOC 2010 define it: all-point interpolation at one IoU."""

from __future__ import annotations

from collections.abc import Sequence

from keras_sge.evaluation.frame_record import FrameRecord
from keras_sge.evaluation.matches import match


def average_precision(frames: Sequence[FrameRecord], class_index: int, iou_threshold: float = 0.5) -> float:
    """AP of one class over all frames, detections matched by `match`.

    pycocotools gives the same number when `params.recThrs` holds every recall that can be attained, k / objects; its
    own AP50 samples the same curve at 101 recalls and differs a little.

    Returns:
        The area under the precision envelope, 0..1; NaN where no frame holds an object of the class.
    """
    return match(frames, iou_threshold).average_precision(class_index)
