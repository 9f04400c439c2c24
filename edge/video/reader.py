"""The one reader of videos with an end: upright, from any frame on, with the shown frames' numbers and times."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.errors import InputError
from edge.quiet import quiet_opencv
from edge.video.mp4_frames import mp4_frame_times, mp4_is_whole
from edge.video.orientation import OF_ROTATION, UPRIGHT

VIDEO_SUFFIXES = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
DEFAULT_FPS = 30.0
_SAME_SECONDS = 1e-4

# frame_id from 0, time in seconds, uint8 (height, width, 3) BGR frame.
Item = tuple[int, float, np.ndarray]


class VideoReader:
    """Frames of a video file, or of one behind a URL: those that a viewer shows, turned as a viewer turns them.

    Frames that an edit list hides are not there: frame 0 is the first that is seen. OpenCV scales frames whose size
    differs from the first one's back to that size. `close` may be called from any thread.

    Args:
        path: of the file, or a URL.
        start: the first frame to read. The way there is checked by the frames' times, and where these leave doubt the
            file is decoded from its beginning.
        name: for people; None takes the file's name.
        deadline: seconds that opening or one read may take, for URLs; None does not watch.
        times: float64, when each frame is seen, in seconds; None reads them from the file, but not behind a URL.

    Attributes:
        width, height: of the frames as they are given, in pixels; 0 where there is none from `start` on.
        fps: frames per second, 30 where the file does not say.
        frame_count: how many frames are shown; None where the file does not say.
        orientation: EXIF's number, 1 to 8, of the turn from the frames as they are stored.

    Raises:
        InputError: it does not open, or not even its first frame can be decoded.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        start: int = 0,
        name: str | None = None,
        deadline: float | None = None,
        times: np.ndarray | None = None,
    ):
        self._path, self.name, self._deadline = os.fspath(path), name or Path(path).name, deadline
        self._lock = threading.Lock()
        self._capture = open_capture(self._path, deadline)
        # When each frame is seen, in seconds; None where that is not known yet.
        self._times = times if times is not None or deadline is not None else mp4_frame_times(path)
        self.fps, self.orientation = capture_fps(self._capture), _orientation(self._capture)
        self.frame_count = capture_frame_count(self._capture) if self._times is None else len(self._times)
        self._number, self._count, self._reached, self._ended = -1, 0, 0.0, False
        opened = self._capture.isOpened()
        self._first = None if not opened else self._take() if start == 0 else self._seek(start)
        if self._first is None and start == 0:
            self.close()
            if opened:
                raise InputError(f"{self.name} holds no frame that can be decoded. Copy or record it again.")
            raise InputError(
                f"{self.name} is no video that OpenCV can read, or its index is cut off. "
                "Expected for example mp4, avi or mkv."
            )
        self._start = start
        self.height, self.width = (0, 0) if self._first is None else self._first[2].shape[:2]

    def read(self) -> Item | None:
        """The next frame with its number and its time; None at the end. A number is missing where a frame is damaged
        so that it cannot be decoded, in files with the times of their frames."""
        if self._first is not None:
            item, self._first = self._first, None
            return item
        return self._take()

    def __iter__(self) -> Iterator[Item]:
        return iter(self.read, None)

    def missing(self) -> int:
        """How many frames were announced and did not come, at the end of a video read from its beginning.

        An index of frames, as mp4's, is believed. Other headers may say how long a video is and no more: with them
        frames are missing only where the last one's time falls short as well. 0 for up to 2 frames or 2% of all.
        """
        if self.frame_count is None or self._start or not self._ended:
            return 0
        came = self._count if self._times is not None else self._by_time(self._count, self._reached)
        return self.frame_count - came if self.frame_count - came > slack(self.frame_count) else 0

    def count(self) -> int | None:
        """How many frames of a file can be seen, found without decoding it; None where its end is missing, by the
        measure of `missing`."""
        if self._times is not None:
            return self.frame_count if mp4_is_whole(self._path) else None
        packets = self._packets()
        came = self._by_time(len(packets), packets.max(initial=0.0))
        if self.frame_count is not None and self.frame_count - came > slack(self.frame_count):
            return None
        return len(packets)

    def close(self) -> None:
        """Gives the file back, from any thread; a read after it finds the end."""
        # Released under a read of another thread, a capture would crash.
        with self._lock:
            self._capture.release()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _take(self) -> Item | None:
        taken = self._decode()
        if taken is None:
            return None
        seconds, frame = taken
        index = self._index_at(seconds)
        self._number = self._number + 1 if index is None else max(self._number + 1, index)
        # Some containers carry no time stamps: all of them read as 0.
        return self._number, seconds if seconds > 0 else self._number / self.fps, frame

    def _seek(self, start: int) -> Item | None:
        """Goes to frame `start` and takes it; None where the video ends before."""
        if self._times is None:
            self._times = self._packet_times()
        item: Item | None = None
        if self._times is not None:
            if start >= len(self._times):
                self._ended = True
                return None
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, start)
            landed = self._decode()
            index = None if landed is None else self._index_at(landed[0])
            if landed is not None and index is not None and index <= start:
                self._number = index
                item = index, *landed
        if item is None:
            # OpenCV seeks by an average rate, and in some containers lands elsewhere.
            self._capture.release()
            self._capture, self._ended = open_capture(self._path, self._deadline), False
            item = self._take()
        while item is not None and item[0] < start:
            item = self._take()
        return item

    def _decode(self) -> tuple[float, np.ndarray] | None:
        with self._lock:
            # After its end a damaged file may go on.
            if self._ended or not self._capture.isOpened():
                return None
            read, frame = self._capture.read()
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        if not read:
            self._ended = True
            return None
        self._count, self._reached = self._count + 1, max(self._reached, seconds)
        return seconds, frame

    def _by_time(self, count: int, reached: float) -> int:
        """Up to which frame a video came, by its header's rate, that of a duration only: `count` at least."""
        return max(count, round(reached * self.fps) + 1)

    def _packets(self) -> np.ndarray:
        return _read_packets(self._path, os.stat(self._path).st_mtime_ns)

    def _packet_times(self) -> np.ndarray | None:
        """When the frames are seen by their packets; None where these do not say so: an avi's are when frames are
        decoded, which some codecs do in another order."""
        times = np.unique(self._packets())
        first = open_capture(self._path)
        known = first.grab() and len(times) and abs(first.get(cv2.CAP_PROP_POS_MSEC) / 1e3 - times[0]) < _SAME_SECONDS
        first.release()
        return times if known else None

    def _index_at(self, seconds: float) -> int | None:
        """The number of the frame that is seen at a time; None where none is, or the times are not known."""
        if self._times is None:
            return None
        index = int(np.searchsorted(self._times, seconds - _SAME_SECONDS))
        found = index < len(self._times) and self._times[index] < seconds + _SAME_SECONDS
        return index if found else None


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name says that it is a video; `._clip.mp4` and its like are other programs' notes."""
    path = Path(path)
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def open_capture(target: str | int, deadline: float | None = None) -> cv2.VideoCapture:
    """OpenCV's capture of a file, a URL or a camera's number, opened or not; `deadline` in seconds is for URLs."""
    limits = []
    if deadline is not None and not isinstance(target, int):
        milliseconds = int(deadline * 1e3)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    with quiet_opencv():
        capture = cv2.VideoCapture(target, cv2.CAP_FFMPEG, limits) if limits else cv2.VideoCapture(target)
        # OpenCV 4.11 does not turn videos by default, 5 does.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def capture_fps(capture: cv2.VideoCapture) -> float:
    """Frames per second that the source states, 30 where it states none or none that makes sense."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS


def capture_frame_count(capture: cv2.VideoCapture) -> int | None:
    """How many frames the source says it has; None where it does not, as a live one."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None


def slack(frame_count: int) -> int:
    """How many of `frame_count` announced frames may be missing: headers count a little generously."""
    return max(2, int(0.02 * frame_count))


def video_orientation(path: str | os.PathLike[str]) -> int:
    """EXIF's number, 1 to 8, of the turn from a video's frames as stored, without decoding one; 1 for no video."""
    capture = open_capture(os.fspath(path))
    try:
        return _orientation(capture)
    finally:
        capture.release()


def _orientation(capture: cv2.VideoCapture) -> int:
    return OF_ROTATION.get(capture.get(cv2.CAP_PROP_ORIENTATION_META), UPRIGHT)


@functools.lru_cache(maxsize=1024)
def _read_packets(path: str, modified: int) -> np.ndarray:
    """The times of a file's packets in seconds, as they come; `modified` is when it was written."""
    with quiet_opencv():
        packets = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    times = []
    while packets.grab():
        times.append(packets.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    packets.release()
    return np.array(times)
