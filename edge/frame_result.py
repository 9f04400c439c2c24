"""Everything a detector says about one frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.detection import Detection


@dataclass(frozen=True)
class FrameResult:
    """Everything a detector says about one frame.

    Attributes:
        frame_id: the frame's number in its source, from 0.
        time: when the frame stands in its source, in seconds.
        detections: best score first.
        timings: milliseconds of each stage: decode (streams only), preprocess, entropy (where the model has it),
            invoke, postprocess, and total, their sum.
        frame: the frame itself as it was given, BGR uint8, not copied; None where it was not kept.
    """

    frame_id: int
    time: float
    detections: tuple[Detection, ...]
    timings: dict[str, float] = field(default_factory=dict, compare=False)
    frame: np.ndarray | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the frame: frame_id, time, detections and `ms`, the timings to microseconds."""
        return {
            "frame_id": self.frame_id,
            "time": round(self.time, 4),
            "detections": [detection.to_dict() for detection in self.detections],
            "ms": {stage: round(value, 3) for stage, value in self.timings.items()},
        }
