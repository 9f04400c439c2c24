"""Keeps native libraries from writing to stderr what the package's own errors say better."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

import cv2

_lock = threading.Lock()
_blocks = 0
_level_before = 0


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silences OpenCV's log within the block, and FFmpeg's for good where OpenCV has not opened a video before.

    Blocks of several threads may overlap: the log comes back when the last of them ends.
    """
    global _blocks, _level_before
    # OpenCV reads it once, at its first video.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # OpenCV 5 moved the functions there; 0 is silent in both.
    logging = getattr(cv2.utils, "logging", cv2)
    with _lock:
        if _blocks == 0:
            _level_before = logging.getLogLevel()
            logging.setLogLevel(0)
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                logging.setLogLevel(_level_before)


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
