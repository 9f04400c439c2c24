"""Motion JPEG over HTTP, as small cameras and `sge-edge detect --serve` send it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import string
from urllib.parse import quote, unquote, urlsplit

import cv2
import numpy as np

from edge.video.connection import Connection
from edge.video.source import DEFAULT_FPS

_CONTENT_TYPE = "multipart/x-mixed-replace"
_LARGEST_PART = 64 << 20
_LONGEST_LINE = 1 << 16


class NotMjpegError(Exception):
    """The server sends something other than motion JPEG: a file, or a stream for FFmpeg."""


class MjpegConnection(Connection):
    """Motion JPEG over HTTP. FFmpeg reads it too, but scales every frame to the first one's size and reads ahead.

    A part that is no image is passed over.

    Args:
        url: http:// or https://, with a user and a password where they are needed (basic authentication).
        deadline: seconds that connecting or one read may take.

    Raises:
        OSError: no answer, or an error.
        NotMjpegError: the server sends something else.
    """

    fps = DEFAULT_FPS

    def __init__(self, url: str, deadline: float):
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=deadline)
        path, headers = request_of(url)
        try:
            self._connection.connect()
            # `http.client` drops its socket once a body without a length begins.
            self._socket = self._connection.sock
            self._connection.request("GET", path, headers=headers)
            self._answer = self._connection.getresponse()
        except http.client.HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"no proper HTTP answer ({error!r})") from error
        except OSError:
            self._connection.close()
            raise
        content_type = self._answer.headers.get("Content-Type", "")
        if not content_type.lower().startswith(_CONTENT_TYPE):
            status = self._answer.status
            self.close()
            if status >= 400:
                raise ConnectionError(f"the server answers {status} {self._answer.reason}")
            raise NotMjpegError(content_type)
        boundary = self._answer.headers.get_param("boundary") or ""
        # Some servers name the boundary with its dashes, some without.
        self._boundary = b"--" + str(boundary).encode().removeprefix(b"--")

    def read(self) -> np.ndarray | None:
        try:
            while (part := self._part()) is not None:
                if (picture := _decode(part)) is not None:
                    return picture
        except http.client.HTTPException as error:
            raise ConnectionError(f"the answer broke off ({error!r})") from error
        return None

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def _part(self) -> bytes | None:
        """The next part's body; None at the end."""
        length, headers = None, False
        while line := self._answer.readline(_LONGEST_LINE):
            name, colon, value = line.partition(b":")
            if colon:
                headers = True
                if name.strip().lower() == b"content-length" and value.strip().isdigit() and len(value) < 20:
                    length = int(value)
            elif headers and not line.strip():
                break
        else:
            return None
        if length is not None:
            if length > _LARGEST_PART:
                raise ConnectionError(f"a picture of {length} bytes was announced")
            body = self._answer.read(length)
            return body if len(body) == length else None
        return self._until_boundary()

    def _until_boundary(self) -> bytes | None:
        body = bytearray()
        while line := self._answer.readline(_LONGEST_LINE):
            if line.startswith(self._boundary):
                return bytes(body)
            body += line
            if len(body) > _LARGEST_PART:
                raise ConnectionError(f"a picture of more than {_LARGEST_PART} bytes came")
        return None


def request_of(url: str) -> tuple[str, dict[str, str]]:
    """What is asked of a URL's server: path with query, and the headers for its user and password."""
    parts, headers = urlsplit(url), {}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    # What a URL cannot hold would be refused with a message that repeats it, passwords too.
    return quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=string.punctuation), headers


def _decode(part: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR) if part else None
    except cv2.error:
        # A damaged header may announce more pixels than OpenCV allows.
        return None
