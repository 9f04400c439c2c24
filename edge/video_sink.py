"""Writes frames to an mp4 that appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path, check_writable
from edge.errors import InputError
from edge.quiet import quiet_opencv


class VideoSink:
    """An mp4 writer (MPEG-4 part 2, which every OpenCV wheel has). Use it as a context manager.

    The file gets its name when the block ends well. After an error nothing is left; after Ctrl-C the frames written so
    far are kept, playable.

    Args:
        path: ends in .mp4; its folder exists.
        fps: frames a second of the video.

    Raises:
        InputError: the path is no .mp4 or cannot be written, a frame differs in size from the first, or the disk is
            full.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float):
        self._path, self._fps = Path(path), fps
        if self._path.suffix.lower() != ".mp4":
            raise InputError(f"videos are written as .mp4 only. Received: {path}")
        check_writable(self._path)
        self._writer: cv2.VideoWriter | None = None
        self._count = 0

    def __enter__(self) -> VideoSink:
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_path(self._path, keep_on_interrupt=True))
        # Runs before the rename, whatever ended the block.
        self._stack.push(self._finish)
        return self

    def __exit__(self, *exception: object) -> bool | None:
        return self._stack.__exit__(*exception)

    def write(self, frame: np.ndarray) -> None:
        """Appends a uint8 (height, width, 3) BGR frame; all have one size. An odd side loses its last row or column."""
        size = frame.shape[1], frame.shape[0]
        if self._writer is None:
            self._size = size
            with quiet_opencv():
                code = cv2.VideoWriter_fourcc(*"mp4v")
                self._writer = cv2.VideoWriter(str(self._temporary), code, self._fps, size)
            if not self._writer.isOpened():
                raise InputError(f"OpenCV cannot write an mp4 of {size[0]} x {size[1]} at {self._fps:g} fps here.")
        if size != self._size:
            raise InputError(
                f"frame {self._count} is {size[0]} x {size[1]}, the video {self._path} was begun at "
                f"{self._size[0]} x {self._size[1]}. Give frames of one size."
            )
        self._writer.write(frame)
        self._count += 1

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
        if kind is not None:
            return
        if self._count == 0:
            raise InputError(f"no frame came, so there is nothing to write to {self._path}.")
        # VideoWriter.write tells nothing: a full disk shows only here.
        written = cv2.VideoCapture(str(self._temporary))
        count = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
        written.release()
        if count != self._count:
            raise InputError(f"only {max(count, 0)} of {self._count} frames reached {self._path}. Is the disk full?")
