"""Keeps native libraries from writing to stderr what the package's own errors say better."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import cv2


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silences OpenCV's log within the block, and FFmpeg's for good where OpenCV has not opened a video before."""
    # OpenCV reads it once, at its first video.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # OpenCV 5 moved the functions there; 0 is silent in both.
    logging = getattr(cv2.utils, "logging", cv2)
    level = logging.getLogLevel()
    logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(level)


@contextlib.contextmanager
def quiet_stderr(active: bool = True) -> Iterator[None]:
    """Drops what any code writes to the process' stderr within the block; exceptions pass as ever. For command lines.

    Args:
        active: False changes nothing, for runs whose native messages matter, as a delegate's do.
    """
    if not active:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
