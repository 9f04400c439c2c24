"""One abstraction behind every source of annotated video."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

NO_TRACK = -1
"""In `FrameLabels.tracks`: an object of which the labels do not say which one it is in other frames."""


@dataclass(frozen=True)
class Video:
    """One video of a data set: its identity and its size, nothing decoded yet.

    Attributes:
        id: from 0 or 1, its own within the data set. name: for people and for files' names.
        width, height: of its frames upright, as a viewer shows them, in pixels.
        fps: frames per second. length: how many frames it has.
        unlabelled: frames, from 0, that nobody has labelled: their `FrameLabels` are empty, which says nothing of them.
            They are run, for the state that they leave, and neither learned nor scored.
        orientation: EXIF's number, 2 to 8, of the turn that labels made for the frames as they are stored were given;
            1 where they stand as in their file.
    """

    id: int
    name: str
    width: int
    height: int
    fps: float
    length: int
    unlabelled: frozenset[int] = frozenset()
    orientation: int = 1


@dataclass(frozen=True)
class FrameLabels:
    """The objects of one frame.

    Attributes:
        boxes: float32 (n, 4), x1, y1, x2, y2 in pixels of the video's own frame, inside the frame.
        classes: int32 (n,), indices into `VideoDataset.classes`.
        tracks: int32 (n,), an object's identity within its video; `NO_TRACK` where the labels name none.
        ignored: float32 (k, 4), regions such as COCO's crowds that are neither learned nor scored, in the same unit.
        ignored_classes: int32 (k,), whose detections a region excuses.
        changes: for each entry of the file that was not taken as it is what became of it, see `build_frame_labels`.
    """

    boxes: np.ndarray
    classes: np.ndarray
    tracks: np.ndarray
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    ignored_classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    changes: tuple[str, ...] = ()


class VideoDataset(abc.ABC):
    """Annotated videos, read lazily and in any order; safe to read from several threads.

    Attributes:
        classes: the class names, in the order of `FrameLabels.classes`.
        videos: one `Video` per item; an item is named by its index in this sequence.
        notes: what a reader has decided about the whole set and a user should know, a sentence each.
    """

    classes: tuple[str, ...]
    videos: Sequence[Video]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.videos)

    @abc.abstractmethod
    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames `start` to `stop` (exclusive; None: to the end) of video `index`: uint8 (t, height, width, 3), BGR."""

    @abc.abstractmethod
    def labels(self, index: int) -> Sequence[FrameLabels]:
        """The labels of every frame of video `index`, in frame order."""
