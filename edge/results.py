"""What a detector reports: detections in a frame, and events between two frames."""

from __future__ import annotations

import importlib
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
        frame_size: the frame's width and height in pixels, those of `frame` where it is given; None where neither is.
    """

    frame_id: int
    time: float
    detections: tuple[Detection, ...]
    timings: dict[str, float] = field(default_factory=dict, compare=False)
    frame: np.ndarray | None = field(default=None, compare=False, repr=False)
    reset: str | None = field(default=None, compare=False)
    stream: Hashable = field(default=None, compare=False)
    frame_size: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.frame is not None:
            object.__setattr__(self, "frame_size", (self.frame.shape[1], self.frame.shape[0]))

    @property
    def another_scene(self) -> bool:
        """Whether nothing in the frame can be what was seen before it: the stream began, was cut or changed its size.

        After the other resets the same scene goes on, and so do its objects and their tracks.
        """
        return self.reset in _ANOTHER_SCENE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the frame: frame_id, time in seconds, width and height of the frame in pixels (None where
        they are not known), reset, detections and `ms`, the timings to microseconds; `stream`, its id as text, where
        there is one."""
        width, height = self.frame_size or (None, None)
        return {
            **({} if self.stream is None else {"stream": str(self.stream)}),
            "frame_id": self.frame_id,
            "time": round(self.time, 4),
            "width": width,
            "height": height,
            "reset": self.reset,
            "detections": [detection.to_dict() for detection in self.detections],
            "ms": {stage: round(value, 3) for stage, value in self.timings.items()},
        }

    def to_coco(self, image_id: int | None = None) -> list[dict[str, Any]]:
        """The detections as COCO's result format has them, for `pycocotools` and what else reads it.

        Args:
            image_id: of the frame in the COCO file; None takes `frame_id`.

        Returns:
            A dict each: image_id; category_id, `class_id` + 1, as `sge data convert` numbers categories; bbox, x, y,
            width, height in pixels; score. Nothing is rounded.
        """
        image_id = self.frame_id if image_id is None else image_id
        return [
            {
                "image_id": image_id,
                "category_id": one.class_id + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": one.score,
            }
            for one in self.detections
            for x1, y1, x2, y2 in [one.box]
        ]

    def to_supervision(self) -> Any:
        """The detections as `supervision.Detections`, for its zones, line counters, annotators and trackers.

        Returns:
            xyxy float32 (n, 4) in pixels, confidence float32 (n,), class_id int (n,), and the names in
            `data["class_name"]`. tracker_id int (n,), -1 for what has no track, as supervision writes it; None where
            nothing in the frame has one.

        Raises:
            MissingPackageError: supervision is not installed; an InputError that names the command.
        """
        from edge.missing_packages import need_packages

        need_packages("supervision")
        tracks = [-1 if one.track_id is None else one.track_id for one in self.detections]
        return importlib.import_module("supervision").Detections(
            xyxy=np.array([one.box for one in self.detections], np.float32).reshape(-1, 4),
            confidence=np.array([one.score for one in self.detections], np.float32),
            class_id=np.array([one.class_id for one in self.detections], int),
            tracker_id=np.array(tracks, int) if any(track >= 0 for track in tracks) else None,
            data={"class_name": np.array([one.label for one in self.detections], str)},
        )


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
