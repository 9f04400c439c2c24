"""Frames from image files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.errors import InputError
from edge.quiet import quiet_opencv
from edge.sources.video_source import Item, VideoSource, size_change
from edge.stream_event import StreamEvent

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")


class ImageSource(VideoSource):
    """Images as the frames of a stream, 30 a second, turned as their EXIF orientation says.

    Args:
        paths: at least one, in order.
        name: for people.

    Raises:
        InputError: an image cannot be decoded; the first at once, others when it is their turn.
    """

    def __init__(self, paths: Sequence[Path], name: str):
        self.name, self._paths = name, paths
        self.length = len(paths)
        self.height, self.width = _read_image(paths[0]).shape[:2]

    @classmethod
    def of_folder(cls, folder: Path) -> ImageSource:
        """The images directly in a folder, in natural order: frame 2 before frame 10."""
        images = [item for item in folder.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise InputError(
                f"the folder {folder} holds no frames. Expected {', '.join(IMAGE_SUFFIXES)} files directly in it."
            )
        return cls(sorted(images, key=natural_order), str(folder))

    def items(self) -> Iterator[Item | StreamEvent]:
        size = self.height, self.width
        for frame_id, path in enumerate(self._paths):
            frame, time = _read_image(path), frame_id / self.fps
            if event := size_change(frame, size, time, frame_id - 1):
                size = frame.shape[:2]
                yield event
            yield frame_id, time, frame
            if not self._paths:
                return

    def close(self) -> None:
        self._paths = ()


def _read_image(path: Path) -> np.ndarray:
    with quiet_opencv():
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot decode the image {path} ({path.stat().st_size} bytes). Remove it or copy it again.")
    return image


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
