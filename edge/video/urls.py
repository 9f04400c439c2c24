"""URLs: opening them as a file or a stream, and hiding their passwords."""

from __future__ import annotations

import http.client
import os
import re
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from edge.errors import InputError
from edge.video.connection import CaptureConnection, Connection
from edge.video.files import FileSource
from edge.video.live import LiveLimits, LiveSource
from edge.video.mjpeg import MjpegConnection, NotMjpegError, request_of
from edge.video.mp4_frames import mp4_frame_times
from edge.video.reader import capture_frame_count, open_capture
from edge.video.source import VideoSource

_WEB = ("http", "https")
_URL_ADVICE = "Check the address, the network, and that the camera sends a stream that OpenCV can read."
_SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]*:/*")
# ?user=admin&pwd=secret, /user=admin&password=secret, /user=admin_password=secret_channel=1, ?token=secret
_PARAMETER = re.compile(r"((?:pas|psw|pwd|pw|secret|token|auth|key|cred|sig)[\w.-]*(?:=|%3d))[^&]*", re.IGNORECASE)


def hide_password(source: str) -> str:
    """A camera's address, or what was meant as one, as messages, logs, events and pages may show it.

    Rather too much is hidden than too little: what stands between the first colon and the last @ is a password,
    whatever characters are in it, and so is the value of each parameter, of path or query, whose name speaks of one.

    Args:
        source: one source alone, as it was given; any text.

    Returns:
        The same with *** for every password.
    """
    start, user, password, rest = _split(source)
    hidden = rest if password is None else f"{user}:***@{rest}"
    return start + _PARAMETER.sub(r"\1***", hidden)


def escape_password(url: str) -> str:
    """A URL whose user and password hold # / ? or [ as they are, with these escaped; any other is given back itself."""
    try:
        _ = urlsplit(url).port
        return url
    except ValueError:
        start, user, password, rest = _split(url)
        # A % that is there may well begin an escape.
        return url if password is None else f"{start}{quote(user, '%')}:{quote(password, '%')}@{rest}"


def _split(source: str) -> tuple[str, str, str | None, str]:
    """Scheme with its slashes, user, password, and what follows the @; without a password all of it is in the last."""
    found = _SCHEME.match(source)
    start = found.group() if found else ""
    head, at, rest = source[len(start) :].rpartition("@")
    if at and ":" not in head and not start.endswith("//"):
        # No scheme but the user's name.
        start, (head, at, rest) = "", source.rpartition("@")
    user, colon, password = head.partition(":")
    if not (at and colon):
        return start, "", None, source[len(start) :]
    return start, user, password, rest


def open_url(url: str, name: str, limits: LiveLimits) -> VideoSource:
    """Opens a URL: motion JPEG over HTTP, a video file, or a stream that FFmpeg reads.

    Args:
        url: with a user and a password where they are needed. name: the same for people, without the password.
        limits: deadlines and attempts.

    Raises:
        InputError: nothing answers there in time, or with nothing to see.
    """
    url = escape_password(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Without the cause: its text repeats a part of the URL, which may be a password.
        raise InputError(f"{name} is no proper URL. {_URL_ADVICE}") from None
    if parts.scheme.lower() in _WEB and not _is_mjpeg(url, name, limits) and _has_an_end(url, limits):
        return FileSource(url, name, limits.read_seconds, mp4_frame_times(_RemoteFile(url, limits.read_seconds)))
    return LiveSource(lambda: _connect(url, limits), name, limits, _URL_ADVICE)


def _is_mjpeg(url: str, name: str, limits: LiveLimits) -> bool:
    try:
        MjpegConnection(url, limits.open_seconds).close()
    except NotMjpegError:
        return False
    except (OSError, ValueError, http.client.InvalidURL) as error:
        raise InputError(f"{name} does not open: {error}. {_URL_ADVICE}") from error
    return True


def _has_an_end(url: str, limits: LiveLimits) -> bool:
    # A file behind a URL announces how many frames it has, a stream does not.
    capture = open_capture(url, limits.open_seconds)
    frame_count = capture_frame_count(capture)
    capture.release()
    return frame_count is not None


class _RemoteFile:
    """A file behind a web URL, read in pieces, for its index; OSError where its server does not give pieces.

    Args:
        url: of the file. deadline: seconds that a piece may take.
    """

    def __init__(self, url: str, deadline: float):
        parts = urlsplit(url)
        path, self._headers = request_of(url)
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
        self._deadline, self._at = deadline, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._piece(1)[1] if whence == os.SEEK_END else 0)
        return self._at

    def read(self, size: int) -> bytes:
        body, _ = self._piece(size)
        self._at += len(body)
        return body

    def _piece(self, size: int) -> tuple[bytes, int]:
        """So many bytes from here on, or what there is, and how many the file has."""
        wanted = {**self._headers, "Range": f"bytes={self._at}-{self._at + size - 1}"}
        try:
            with urlopen(Request(self._url, headers=wanted), timeout=self._deadline) as answer:
                total = re.fullmatch(r"bytes .*/([0-9]+)", answer.headers.get("Content-Range", ""))
                if answer.status != http.HTTPStatus.PARTIAL_CONTENT or total is None:
                    raise ConnectionError("the server gives no pieces of a file")
                return answer.read(size), int(total[1])
        except http.client.HTTPException as error:
            raise ConnectionError("no proper HTTP answer") from error


def _connect(url: str, limits: LiveLimits) -> Connection:
    if urlsplit(url).scheme.lower() in _WEB:
        try:
            return MjpegConnection(url, limits.read_seconds)
        except NotMjpegError:
            pass
    return CaptureConnection(url, limits.read_seconds)
