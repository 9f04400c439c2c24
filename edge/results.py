"""What a detector reports: detections in a frame, and events between two frames."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Box(NamedTuple):
    """A box by its corners, in pixels; x grows to the right, y downwards. Unpacks and compares as a plain tuple.

    Attributes:
        x1, y1: the left top corner. x2, y2: the right bottom corner.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """x2 - x1."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """y2 - y1."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Width times height; 0 where either is negative."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1; 0 where both are empty."""
        left, top = max(self.x1, other.x1), max(self.y1, other.y1)
        shared = Box(left, top, min(self.x2, other.x2), min(self.y2, other.y2)).area
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True)
class Detection:
    """One object found in one frame.

    Attributes:
        label: the class' name. class_id: its index in `Detector.labels`, from 0.
        score: 0 to 1.
        box: in pixels of the frame that was given, inside it, not rounded.
        track_id: the number of the object's track in the stream, from 1; None without a tracker, and for a detection
            that continues no track and starts none.
    """

    label: str
    class_id: int
    score: float
    box: Box
    track_id: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the score to 4 decimals, the box to hundredths of a pixel."""
        return {
            "label": self.label,
            "class_id": self.class_id,
            "score": round(self.score, 4),
            "box": [round(side, 2) for side in self.box],
            "track_id": self.track_id,
        }


# Reasons for a reset with which a new scene begins. A camera that stalled or was lost shows the same one as before, and
# a gap in time is seen by the tracker itself.
_ANOTHER_SCENE = frozenset({"start", "request", "frame_gap", "frame_size", "size_changed", "scene_cut"})


@dataclass(frozen=True)
class FrameResult:
    """Everything a detector reports about one frame.

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

        After the other resets the same scene goes on, and so do its objects and their tracks.
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


@dataclass(frozen=True)
class StreamEvent:
    """Something that happened to a stream between two of its frames.

    After an event of a source the next frame does not follow on the last one, so a stream resets its state.

    Attributes:
        kind: from sources `stalled`, `lost`, `reconnected`, `size_changed`; from `Pipeline` `failed`, after
            which the stream has no more frames.
        time: when, in seconds on the source's clock, as `FrameResult.time`.
        frame_id: of the last frame before it.
        message: for people.
        stream: the stream's id; None for a single one.
    """

    kind: str
    time: float
    frame_id: int
    message: str
    stream: Hashable = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the key `event` marks its line as no frame's; `stream` as for a frame."""
        return {
            **({} if self.stream is None else {"stream": str(self.stream)}),
            "event": self.kind,
            "time": round(self.time, 4),
            "frame_id": self.frame_id,
            "message": self.message,
        }
