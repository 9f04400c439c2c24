"""Results in a browser: a small page with the newest frame, for devices without a screen."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import cv2
import numpy as np

from edge.errors import InputError
from edge.results import FrameResult, StreamEvent
from edge.sinks.sink import Picture, Sink

_MOST_FPS = 25.0
_JPEG_QUALITY = 80
# Over which fps are counted, and after which without a frame they are 0.
_WINDOW_SECONDS = 2.0
_STALE_SECONDS = 2.0
# Between two pictures for viewers when no more frames come.
_HOLD_SECONDS = 0.5


class MjpegPage(Sink):
    """A page with the newest frame and its boxes, for up to 16 viewers at once; nothing is drawn while there is none.

    `/` is the page, `/stream.mjpg` the motion JPEG alone (`edge.open_source` reads it), `/frame.jpg` one picture,
    `/status.json` fps, counts and the last event. A slow viewer misses frames and delays neither the stream nor the
    others, nor do many silent or eager clients. There is no password: everybody who reaches the address sees the
    pictures, so the default is this machine only; from another one, `ssh -L 8080:127.0.0.1:8080 device` is a safe way.
    Requests must name this machine by an address, `localhost`, its own name or the host given here.

    Args:
        address: "host:port", or a port alone for 127.0.0.1; port 0 takes a free one. 0.0.0.0 is the whole network.
        title: for people: the model's name.

    Attributes:
        url: of the page, once the block is entered.

    Raises:
        InputError: the address is no host:port, or cannot be taken.
    """

    def __init__(self, address: str = "127.0.0.1:8080", title: str = "sge-edge"):
        self._address, self._title = _parse(address), title
        self._newest, self._status = NewestPicture(_MOST_FPS), PageStatus(title)
        self._last: Picture | None = None
        self.url = ""

    def __enter__(self) -> MjpegPage:
        # Loads asyncio, which only a page needs.
        from edge.sinks.page_server import PageServer

        host, port = self._address
        try:
            self._server = PageServer(self._address, self._newest, self._status, self._title)
        except OSError as error:
            # `socket.create_server` adds the address once more.
            reason = (error.strerror or str(error)).partition(" (")[0]
            raise InputError(f"cannot serve at {host}:{port}: {reason}. Give another address.") from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/"
        self._server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.end()

    def write(self, result: FrameResult, picture: Picture) -> None:
        self._status.add(result)
        self._last = picture
        if self._newest.wanted:
            self._newest.put(picture())

    def hold(self) -> None:
        """Goes on showing the last picture, to new viewers too, until an exception such as Ctrl-C ends it."""
        while True:
            if self._last is not None and self._newest.wanted:
                self._newest.put(self._last())
            sleep(_HOLD_SECONDS)

    def event(self, event: StreamEvent) -> None:
        self._status.event(event)


class NewestPicture:
    """The newest picture as a JPEG. `put` never waits; viewers skip what they are too slow for.

    A picture is encoded once, when it is first sent, and not at all without viewers.

    Args:
        most_fps: more pictures per second than this are not asked for.

    Attributes:
        viewers: how many there are. number: of the newest picture, 0 before the first.
        on_put: called, in the thread that puts, after each picture; may be set.
    """

    def __init__(self, most_fps: float):
        self._lock, self._encoding = threading.Lock(), threading.Lock()
        self._picture: np.ndarray | None = None
        self._jpeg: tuple[int, bytes] = (0, b"")
        self.number = self.viewers = 0
        # None and not 0: the clock may have started a moment ago.
        self._put_at: float | None = None
        self._step = 1 / most_fps
        self.on_put: Callable[[], object] = lambda: None

    @property
    def wanted(self) -> bool:
        """Whether a picture put now would be sent to a viewer."""
        due = self._put_at is None or monotonic() - self._put_at >= self._step
        return due and self.viewers > 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Counts a viewer for the length of a block."""
        with self._lock:
            self.viewers += 1
        try:
            yield
        finally:
            with self._lock:
                self.viewers -= 1

    def put(self, picture: np.ndarray) -> None:
        """Replaces the picture: uint8 (height, width, 3) BGR, which must not be written to from now on."""
        with self._lock:
            self._picture, self._put_at = picture, monotonic()
            self.number += 1
        self.on_put()

    def jpeg(self) -> tuple[int, bytes]:
        """Number and JPEG of the newest picture; (0, b"") before the first."""
        with self._encoding:
            with self._lock:
                number, picture = self.number, self._picture
            if picture is not None and self._jpeg[0] < number:
                quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
                self._jpeg = number, cv2.imencode(".jpg", picture, quality)[1].tobytes()
            return self._jpeg


class PageStatus:
    """Counts of a stream: frames, fps over the last two seconds, detections in the last frame, and the last event.

    Args:
        title: for people: the model's name.
    """

    def __init__(self, title: str):
        self._title = title
        self._lock = threading.Lock()
        self._times: deque[float] = deque()
        self._frames, self._frame_id, self._time = 0, -1, 0.0
        self._labels: Counter[str] = Counter()
        self._last_event: dict[str, Any] | None = None

    def add(self, result: FrameResult) -> None:
        """Counts a result."""
        now = monotonic()
        with self._lock:
            self._times.append(now)
            while now - self._times[0] > _WINDOW_SECONDS:
                self._times.popleft()
            self._frames += 1
            self._frame_id, self._time = result.frame_id, result.time
            self._labels = Counter(detection.label for detection in result.detections)

    def event(self, event: StreamEvent) -> None:
        """Keeps an event as the last one."""
        with self._lock:
            self._last_event = event.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        now = monotonic()
        with self._lock:
            recent = len(self._times) - 1
            fresh = recent > 0 and now - self._times[-1] < _STALE_SECONDS
            span = self._times[-1] - self._times[0] if fresh else 0.0
            return {
                "model": self._title,
                "fps": round(recent / span, 1) if span > 0 else 0.0,
                "frames": self._frames,
                "frame_id": self._frame_id,
                "time": round(self._time, 3),
                "detections": dict(sorted(self._labels.items())),
                "event": self._last_event,
            }


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    # Digits of other scripts and ² make no port.
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise InputError(f"expected host:port to serve at, for example 127.0.0.1:8080. Received: {address}")
    return host.strip("[]") or "127.0.0.1", int(port)
