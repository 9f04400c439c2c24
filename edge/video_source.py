"""Where frames come from: video files, folders of frames, single images, cameras and URLs, read one by one."""

from __future__ import annotations

import math
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.errors import InputError
from edge.quiet import quiet_opencv

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
DEFAULT_FPS = 30.0


class VideoSource(ABC):
    """An open source of frames: iterate once, close it or use it as a context manager.

    Iteration gives (frame_id from 0, time in seconds, uint8 (height, width, 3) BGR frame).

    Attributes:
        name: for people. fps: frames a second; 30 where the source does not say.
        width, height: of the first frame, in pixels.
        length: how many frames are announced; None where that is unknown.
    """

    name: str
    fps: float = DEFAULT_FPS
    width: int
    height: int
    length: int | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]: ...

    @abstractmethod
    def close(self) -> None:
        """Gives the file or the camera back."""

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_source(source: str | int | os.PathLike[str]) -> VideoSource:
    """Opens a source and reads its first frame.

    Args:
        source: a video file, a folder of frames (jpg, png, bmp; natural order: frame 2 before frame 10), one image,
            a camera's number (0 or "0") or a URL.

    Raises:
        InputError: the source is missing, empty, no video, holds no frame, or does not open. While it is read: an
            image that cannot be decoded, a camera that stops, a file with fewer frames than its header announces.
    """
    if isinstance(source, int) or str(source).isdigit():
        return _Capture(int(source), f"camera {source}", live=True)
    if "://" in str(source):
        return _Capture(str(source), str(source), live=False)
    path = Path(source)
    if path.is_dir():
        images = [item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise InputError(
                f"the folder {path} holds no frames. Expected {', '.join(IMAGE_SUFFIXES)} files directly in it."
            )
        return _Images(sorted(images, key=_natural_order), str(path))
    if not path.exists():
        raise InputError(f"no such source: {path}. Give a video file, a folder of frames, a camera number or a URL.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Copy or record it again.")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _Images([path], path.name)
    return _Capture(str(path), path.name, live=False)


class _Capture(VideoSource):
    def __init__(self, target: str | int, name: str, live: bool):
        self.name, self._live = name, live
        with quiet_opencv():
            self._capture = cv2.VideoCapture(target)
        self._opened = time.monotonic()
        opened, self._first = self._capture.isOpened(), self._read()
        if self._first is None:
            self.close()
            raise InputError(_explain_closed(name, live, opened))
        self.height, self.width = self._first[1].shape[:2]
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(count) if not live and 0 < count < 1e9 else None

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        frame_id, item = 0, self._first
        self._first = None
        while item is not None:
            seconds, frame = item
            # Some containers carry no time stamps: all of them read as 0.
            yield frame_id, seconds if seconds > 0 else frame_id / self.fps, frame
            frame_id += 1
            item = self._read()
        if self._live:
            raise InputError(f"{self.name} stopped after {frame_id} frames. Check its cable and its power.")
        if self.length is not None and self.length - frame_id > max(2, 0.02 * self.length):
            raise InputError(
                f"{self.name} is cut short or damaged: its header announces {self.length} frames, {frame_id} could be "
                "decoded. Copy or record it again."
            )

    def close(self) -> None:
        self._capture.release()

    def _read(self) -> tuple[float, np.ndarray] | None:
        read, frame = self._capture.read()
        if not read:
            return None
        seconds = time.monotonic() - self._opened if self._live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        return seconds, frame


class _Images(VideoSource):
    def __init__(self, paths: Sequence[Path], name: str):
        self.name, self._paths = name, paths
        self.length = len(paths)
        self.height, self.width = _read_image(paths[0]).shape[:2]

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        for frame_id, path in enumerate(self._paths):
            yield frame_id, frame_id / self.fps, _read_image(path)

    def close(self) -> None:
        self._paths = ()


def _read_image(path: Path) -> np.ndarray:
    with quiet_opencv():
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot decode the image {path} ({path.stat().st_size} bytes). Remove it or copy it again.")
    return image


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _explain_closed(name: str, live: bool, opened: bool) -> str:
    if live:
        return f"{name} does not open. Check that it is connected, that no other program holds it, and its number."
    if opened:
        return f"{name} holds no frame that can be decoded. Copy or record it again."
    return f"{name} is no video that OpenCV can read, or its index is cut off. Expected for example mp4, avi or mkv."
