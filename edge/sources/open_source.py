"""Opening whatever holds frames: video files, folders of frames, single images, cameras and URLs."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import InputError
from edge.sources.connection import CaptureConnection
from edge.sources.file_source import FileSource
from edge.sources.image_source import IMAGE_SUFFIXES, ImageSource
from edge.sources.live_limits import LiveLimits
from edge.sources.live_source import LiveSource
from edge.sources.video_source import VideoSource

_CAMERA_ADVICE = "Check that it is connected, that no other program holds it, and its number."


def open_source(source: str | int | os.PathLike[str], limits: LiveLimits | None = None) -> VideoSource:
    """Opens a source and reads its first frame.

    Args:
        source: a video file, a folder of frames (jpg, png, bmp; natural order: frame 2 before frame 10), one image,
            a camera's number (0 or "0") or a URL: rtsp, http (motion JPEG, or a file) and what else FFmpeg reads.
        limits: deadlines and attempts for cameras and URLs; None takes the defaults.

    Raises:
        InputError: the source is missing, empty, no video, holds no frame, or does not open in time. While it is read:
            an image that cannot be decoded, a camera that was lost and did not come back, a file with fewer frames than
            its header announces.
    """
    limits = limits or LiveLimits()
    if isinstance(source, int) or str(source).isdigit():
        number = int(source)
        return LiveSource(
            lambda: CaptureConnection(number, limits.read_seconds), f"camera {number}", limits, _CAMERA_ADVICE
        )
    if "://" in str(source):
        # Loads http and ssl, which no file needs.
        from edge.sources.open_url import open_url

        return open_url(str(source), limits)
    path = Path(source)
    if path.is_dir():
        return ImageSource.of_folder(path)
    if not path.exists():
        raise InputError(f"no such source: {path}. Give a video file, a folder of frames, a camera number or a URL.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Copy or record it again.")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageSource([path], path.name)
    return FileSource(str(path), path.name)
