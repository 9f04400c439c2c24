"""Opening what stands behind a URL."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from edge.errors import InputError
from edge.sources.connection import CaptureConnection, Connection
from edge.sources.file_source import FileSource
from edge.sources.hide_password import escape_password
from edge.sources.live_limits import LiveLimits
from edge.sources.live_source import LiveSource
from edge.sources.mjpeg_connection import MjpegConnection, NotMjpegError
from edge.sources.video_source import VideoSource
from edge.video.reader import announced_length, open_capture

_WEB = ("http", "https")
_URL_ADVICE = "Check the address, the network, and that the camera sends a stream that OpenCV can read."


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
        return FileSource(url, name, limits.read_seconds)
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
    # A file behind a URL announces its length, a stream does not.
    capture = open_capture(url, limits.open_seconds)
    length = announced_length(capture)
    capture.release()
    return length is not None


def _connect(url: str, limits: LiveLimits) -> Connection:
    if urlsplit(url).scheme.lower() in _WEB:
        try:
            return MjpegConnection(url, limits.read_seconds)
        except NotMjpegError:
            pass
    return CaptureConnection(url, limits.read_seconds)
