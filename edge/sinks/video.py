"""Writes frames to an mp4 that appears under its name when it is finished, however its recording ended."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from edge.atomic import atomic_path, check_writable
from edge.draw import letterbox
from edge.errors import InputError
from edge.preprocess import to_bgr
from edge.quiet import quiet_opencv
from edge.results import FrameResult
from edge.sinks.sink import Picture, Sink

# A longer gap in time is shortened: a camera that was lost for an hour leaves no hour of a still picture.
MAX_HOLD_SECONDS = 2.0


class VideoSink:
    """An mp4 writer (MPEG-4 part 2, which every OpenCV wheel has). Use it as a context manager.

    The file gets its name, playable, when the block ends: well, with Ctrl-C or with an error, as long as a frame was
    written (but see `whole`). Without one, nothing is left and what was there before stays.

    Args:
        path: ends in .mp4; its folder exists.
        fps: frames per second of the video.
        fit: whether frames of another size than the first are fitted into it, with black bars; False refuses them.
        whole: whether a video that an error or Ctrl-C cuts short is given up instead of kept.

    Attributes:
        fitted: how many frames were fitted.

    Raises:
        InputError: the path is no .mp4 or cannot be written, a frame differs in size from the first and `fit` is
            False, no frame came, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, fit: bool = False, whole: bool = False):
        self._path, self._fps, self._fit, self._whole = Path(path), fps, fit, whole
        if self._path.suffix.lower() != ".mp4":
            raise InputError(f"videos are written as .mp4 only. Received: {path}")
        check_writable(self._path)
        self._writer: cv2.VideoWriter | None = None
        self._count = self.fitted = 0
        self._clock: float | None = None

    def __enter__(self) -> VideoSink:
        self._file = atomic_path(self._path)
        self._temporary = self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        if self._whole and kind is not None:
            self._file.__exit__(kind, error, traceback)
            return
        # What ended the recording does not decide whether its file is kept; what is in the file does.
        problem = self._problem(failed=kind is not None)
        if problem is None:
            self._file.__exit__(None, None, None)
            return
        found = InputError(problem)
        self._file.__exit__(InputError, found, None)
        if kind is None:
            raise found

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Appends a frame.

        Args:
            frame: uint8 (height, width, 3) BGR, gray or BGRA. An odd side loses its last row or column.
            time: seconds, for sources that skip frames: the frame before is held until then, 2 s at the most, and a
                frame that comes too early for `fps` is left out, so that the video runs in real time. None
                writes the frame once.
        """
        frame = to_bgr(frame)
        if self._writer is None:
            self._writer = self._begin(frame)
        size = frame.shape[1], frame.shape[0]
        if size != self._size:
            if not self._fit:
                raise InputError(
                    f"frame {self._count} is {size[0]} x {size[1]}, the video {self._path} was begun at "
                    f"{self._size[0]} x {self._size[1]}. Give frames of one size."
                )
            frame = letterbox(frame, self._size)
            self.fitted += 1
        for _ in range(1 if time is None else self._due(time)):
            self._writer.write(np.ascontiguousarray(frame))
            self._count += 1

    def _begin(self, frame: np.ndarray) -> cv2.VideoWriter:
        self._size = frame.shape[1], frame.shape[0]
        with quiet_opencv():
            code = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(self._temporary), code, self._fps, self._size)
        if not writer.isOpened():
            width, height = self._size
            raise InputError(f"OpenCV cannot write an mp4 of {width} x {height} at {self._fps:g} fps here.")
        return writer

    def _due(self, time: float) -> int:
        """How often to write a frame of this time: `_clock` is when the video's next frame is due."""
        step = 1 / self._fps
        if self._clock is None or not -MAX_HOLD_SECONDS < time - self._clock < MAX_HOLD_SECONDS:
            self._clock = time
        # Half a step of tolerance: a camera's frames come a little early and a little late.
        times = max(0, int((time - self._clock) / step + 0.5) + 1)
        self._clock += times * step
        return times

    def _problem(self, failed: bool) -> str | None:
        if self._count == 0:
            return f"no frame came, so there is nothing to write to {self._path}."
        # VideoWriter.write reports nothing: a full disk shows only here.
        with quiet_opencv():
            written = cv2.VideoCapture(str(self._temporary))
            count = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
            written.release()
        if count >= (1 if failed else self._count):
            return None
        return f"only {max(count, 0)} of {self._count} frames reached {self._path}. Is the disk full?"


class AnnotatedVideo(Sink):
    """An mp4 with the boxes drawn in, see `VideoSink`; frames of another size than the first are fitted into it.

    Args:
        path: ends in .mp4.
        fps: frames per second of the video: the source's.
        live: whether the source skips frames: its times then keep the video in real time.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, live: bool = False):
        self._video, self._live = VideoSink(path, fps, fit=True), live

    def __enter__(self) -> AnnotatedVideo:
        self._video.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._video.__exit__(kind, error, traceback)

    @property
    def fitted(self) -> int:
        """How many frames were of another size than the first."""
        return self._video.fitted

    def write(self, result: FrameResult, picture: Picture) -> None:
        self._video.write(picture(), result.time if self._live else None)
