"""Opening what stands behind a URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from edge.errors import InputError
from edge.sources.connection import CaptureConnection, Connection
from edge.sources.file_source import FileSource, announced_length, open_capture
from edge.sources.live_limits import LiveLimits
from edge.sources.live_source import LiveSource
from edge.sources.mjpeg_connection import MjpegConnection, NotMjpegError
from edge.sources.video_source import VideoSource

_WEB = ("http", "https")
_URL_ADVICE = "Check the address, the network, and that the camera sends a stream that OpenCV can read."


def open_url(url: str, limits: LiveLimits) -> VideoSource:
    """Opens a URL: motion JPEG over HTTP, a video file behind http or file, or a stream that FFmpeg reads.

    Raises:
        InputError: nothing answers there in time, or with nothing to see.
    """
    name = _without_password(url)
    scheme = urlsplit(url).scheme.lower()
    if scheme == "file" or (scheme in _WEB and not _is_mjpeg(url, name, limits) and _has_an_end(url, limits)):
        return FileSource(url, name, limits.read_seconds)
    return LiveSource(lambda: _connect(url, limits), name, limits, _URL_ADVICE)


def _is_mjpeg(url: str, name: str, limits: LiveLimits) -> bool:
    try:
        MjpegConnection(url, limits.open_seconds).close()
    except NotMjpegError:
        return False
    except (OSError, ValueError) as error:
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


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@", 1)).geturl()
