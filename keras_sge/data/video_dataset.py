"""One abstraction behind every source of annotated video."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Video:
    """One video of a data set: its identity and its size, nothing decoded yet.

    Attributes:
        width, height: of its frames upright, as a viewer shows them, in pixels.
        orientation: EXIF's number, 2 to 8, of the turn that labels made for the frames as they are stored were given;
            1 where they stand as in their file.
    """

    id: int
    name: str
    width: int
    height: int
    fps: float
    length: int
    orientation: int = 1


@dataclass(frozen=True)
class FrameLabels:
    """The objects of one frame.

    Attributes:
        boxes: float32 (n, 4), x1, y1, x2, y2 in pixels of the video's own frame, inside the frame.
        classes: int32 (n,), indices into `VideoDataset.classes`.
        tracks: int32 (n,), an object's identity within its video.
    """

    boxes: np.ndarray
    classes: np.ndarray
    tracks: np.ndarray


class VideoDataset(abc.ABC):
    """Annotated videos, read lazily and in any order; safe to read from several threads.

    Attributes:
        classes: the class names, in the order of `FrameLabels.classes`.
        videos: one `Video` per item; an item is named by its index in this sequence.
    """

    classes: tuple[str, ...]
    videos: Sequence[Video]

    def __len__(self) -> int:
        return len(self.videos)

    @abc.abstractmethod
    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames `start` to `stop` (exclusive; None: to the end) of video `index`: uint8 (t, height, width, 3), BGR."""

    @abc.abstractmethod
    def labels(self, index: int) -> Sequence[FrameLabels]:
        """The labels of every frame of video `index`, in frame order."""
