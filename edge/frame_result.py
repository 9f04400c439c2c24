"""Everything a detector says about one frame."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.detection import Detection

# Of the reasons for a reset. A camera that stalled or was lost shows what it showed; a gap in time the tracker sees.
_ANOTHER_SCENE = frozenset({"start", "request", "frame_gap", "frame_size", "size_changed", "scene_cut"})


@dataclass(frozen=True)
class FrameResult:
    """Everything a detector says about one frame.

    Attributes:
        frame_id: the frame's number in its source, from 0.
        time: when the frame stands in its source, in seconds.
        detections: best score first.
        timings: milliseconds of each stage: decode (of sources only; a live one's includes waiting for the frame),
            preprocess, entropy (where the model has it), invoke, postprocess, and total, their sum.
        frame: the frame, uint8 (height, width, 3) BGR: itself, not copied, or what was made of a gray or BGRA one; None
            where it was not kept.
        reset: why the state was reset before this frame, None where it was carried. `start`, `request`, `frame_gap`,
            `time_gap`, `frame_size`, `scene_cut`, `not_finite` (see `edge.stream.Stream`), or a `StreamEvent`'s kind.
        stream: the stream's id; None for a detector's own.
    """

    frame_id: int
    time: float
    detections: tuple[Detection, ...]
    timings: dict[str, float] = field(default_factory=dict, compare=False)
    frame: np.ndarray | None = field(default=None, compare=False, repr=False)
    reset: str | None = field(default=None, compare=False)
    stream: Hashable = field(default=None, compare=False)

    @property
    def another_scene(self) -> bool:
        """Whether nothing in the frame can be what was seen before it: the stream began, was cut or changed its size.

        After the other resets the same scene goes on, and so do its objects: `edge.tracker.Tracker` needs no word.
        """
        return self.reset in _ANOTHER_SCENE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the frame: frame_id, time, reset, detections and `ms`, the timings to microseconds; a
        stream's id where there is one."""
        return {
            **({} if self.stream is None else {"stream": str(self.stream)}),
            "frame_id": self.frame_id,
            "time": round(self.time, 4),
            "reset": self.reset,
            "detections": [detection.to_dict() for detection in self.detections],
            "ms": {stage: round(value, 3) for stage, value in self.timings.items()},
        }
