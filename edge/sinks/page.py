"""Results in a browser: a small page with the newest frame, for devices without a screen."""

from __future__ import annotations

import re
import time

from edge.errors import InputError
from edge.results import FrameResult, StreamEvent
from edge.sinks.page_content import NewestPicture, PageStatus
from edge.sinks.sink import Picture, Sink

_MOST_FPS = 25.0
# Between two pictures for those who look when no more frames come.
_HOLD_SECONDS = 0.5


class MjpegPage(Sink):
    """A page with the newest frame and its boxes, for up to 16 browsers at once; nothing is drawn while none looks.

    `/` is the page, `/stream.mjpg` the motion JPEG alone (`edge.open_source` reads it), `/frame.jpg` one picture,
    `/status.json` frames a second, counts and the last event. A slow client misses frames and holds nobody up, and
    neither do many silent or eager ones. There is no password: whoever reaches the address sees the pictures, so the
    default is this machine only; from another one, `ssh -L 8080:127.0.0.1:8080 device` is a safe way. Requests must
    name this machine by an address, `localhost`, its own name or the host given here.

    Args:
        address: "host:port", or a port alone for 127.0.0.1; port 0 takes a free one. 0.0.0.0 is the whole network.
        title: for people: the model's name.

    Attributes:
        url: of the page, once the block is entered.

    Raises:
        InputError: the address is none or cannot be had.
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
            reason = error.strerror.partition(" (")[0]
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
        """Goes on showing the last picture, also to those who come later, until an exception such as Ctrl-C ends it."""
        while True:
            if self._last is not None and self._newest.wanted:
                self._newest.put(self._last())
            time.sleep(_HOLD_SECONDS)

    def event(self, event: StreamEvent) -> None:
        self._status.tell(event)


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    # Other scripts' digits and ² are no port's.
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise InputError(f"expected host:port to serve at, for example 127.0.0.1:8080. Received: {address}")
    return host.strip("[]") or "127.0.0.1", int(port)
