"""What was found and what was there in one frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class FrameRecord:
    """One evaluated frame: boxes are (n, 4) corners in one unit, scores (n,), classes int (n,).

    A detection that finds no object and lies in an ignored region of its class is neither right nor wrong.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    ignored_classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
