"""Keeps the messages of native libraries off the terminal, and hands them to the caller that needs them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
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


# How the libraries under TensorFlow Lite, LiteRT, WebGPU and TensorFlow begin their lines, and what of theirs follows.
_NATIVE = re.compile(
    rb"""
    (?:INFO|WARNING|ERROR|VERBOSE):\ \[[\w./-]+\.(?:cc|h):\d+\].*
    | [IWEF]\d{4}\ \d\d:\d\d:[\d.]+\s+\d+\ [\w./-]+\.(?:cc|h):\d+\].*
    | \d{4}-\d\d-\d\d\ [\d:.]+\ [IWEF]\ [\w./-]+\.(?:cc|h):\d+\].*
    | INFO:\ (?:Created|Initialized|Applying\ \d+)\ TensorFlow\ Lite\ .*
    | INFO:\ Failed\ to\ load\ OpenCL\ library\ .*
    | WARNING:\ (?:All\ log\ messages|Logging)\ before\ .*\ (?:is|are\ called\ are)?\ ?written\ to\ STDERR
    | ERROR:\ Following\ operations\ are\ not\ supported\ by\ GPU\ delegate:\n(?:[A-Z][A-Z0-9_]+[ :].*\n)*
    | \d+\ operations\ will\ run\ on\ the\ GPU.*
    | Warning:\ vk\w+.*
    | \ +at\ .*\ \(third_party/.*\n+
    | ===\ Source\ Location\ Trace:\ ===
    | third_party/[\w./-]+:\d+
    | \xe2\x94\x94\ .*
    """,
    re.VERBOSE,
)
# One thread at a time: two that put back each other's output would lose it.
_redirecting = threading.RLock()


@contextlib.contextmanager
def native_log(active: bool = True) -> Iterator[list[str]]:
    """Takes what native libraries log to the process' stdout and stderr within the block; gives a list for it.

    Their reasons for a failure are nowhere else, they have no switch for it, and their messages would end up between
    the lines that a program writes. Both outputs go to files meanwhile. When the block ends, however it ends, every
    line that is not one of theirs, of this thread or of another, is passed on, and the list holds both files' text;
    a line that another thread writes at that moment may come before them.

    Args:
        active: False takes nothing, for runs whose native messages matter, as a delegate's do.
    """
    taken: list[str] = []
    if not active:
        yield taken
        return
    with _redirecting, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        _flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            yield taken
        finally:
            _flush()
            for number, copy, log in zip((1, 2), kept, (out, err), strict=True):
                os.dup2(copy, number)
                os.close(copy)
                # Not before: other threads that write share the file's position.
                log.seek(0)
                content = log.read()
                taken.append(content.decode(errors="replace"))
                _write(number, foreign_lines(content))


def foreign_lines(log: bytes) -> bytes:
    """What is left of a log without the lines of native libraries."""
    place, kept = 0, []
    while place < len(log):
        native = _NATIVE.match(log, place)
        end = log.find(b"\n", native.end() - 1 if native else place) + 1 or len(log)
        # They write the end of a line separately: an end that stands alone belongs to a line of another writer.
        if native is None or log[end : end + 1] == b"\n":
            kept.append(log[place:end])
        place = end
    return b"".join(kept)


def _write(number: int, content: bytes) -> None:
    # A closed pipe is an error of the program's own next line.
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(number, content) :]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # What the C library still holds would come out elsewhere.
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
