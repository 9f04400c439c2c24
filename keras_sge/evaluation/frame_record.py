"""What was found and what was there in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameRecord:
    """One evaluated frame: boxes are (n, 4) corners in one unit, scores (n,), classes int (n,)."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray
