"""Opening whatever holds frames: video files, folders of frames, images, patterns, lists of these, cameras and URLs."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.errors import InputError
from edge.video.connection import CaptureConnection
from edge.video.files import FileSource, ImageSource
from edge.video.live import LiveLimits, LiveSource
from edge.video.pictures import IMAGE_SUFFIXES, is_picture, natural_order, pictures_in
from edge.video.reader import VIDEO_SUFFIXES, is_video
from edge.video.source import VideoSource
from edge.video.urls import hide_password

_CAMERA_ADVICE = "Check that it is connected, that no other program holds it, and its number."
_EXPECTED = (
    "Give a video file, an image, a folder of either, a pattern like 'frames/*.png', a camera's number or a URL."
)
# No more digits: OpenCV takes an int32. Other scripts' digits and ² are no numbers of cameras.
_CAMERA = re.compile("[0-9]{1,9}")

# A path's text, a URL, a camera's number, a path, or what is open already.
Source = str | int | os.PathLike | VideoSource
# What stands for one open source: a camera, a URL, a file, the images of a sequence, or itself.
Entry = int | str | Path | list[Path] | VideoSource


def open_source(source: Source | Iterable[Source], limits: LiveLimits | None = None) -> VideoSource:
    """Opens a source and reads its first frame.

    Args:
        source: a video file; an image; a folder of images (bmp, jpg, pgm, png, ppm, tiff, webp), or a pattern or a list
            of them, one frame each, in natural order: frame 2 before frame 10; a camera's number (0, or "0" where no
            file and no folder has that name); or a URL: rtsp, http (motion JPEG, or a file) and what else FFmpeg reads.
            A `pathlib.Path` is always a path.
        limits: deadlines and attempts for cameras and URLs; None takes the defaults.

    Raises:
        InputError: the source is missing, empty, no video, holds no frame, does not open in time, or is several (see
            `open_sources`). While it is read: an image that cannot be decoded, a camera that was lost and did not come
            back, a file with fewer frames than its header announces.
    """
    found = find_sources(source)
    if len(found) > 1:
        names = ", ".join(list(found)[:3]) + (", ..." if len(found) > 3 else "")
        raise InputError(
            f"{len(found)} sources where one was expected: {names}. Take one of them, or open all of them with "
            "`edge.open_sources`."
        )
    return _open(*found.popitem(), limits or LiveLimits())


def open_sources(source: Source | Iterable[Source], limits: LiveLimits | None = None) -> dict[str, VideoSource]:
    """Opens one source or several, each a stream of its own, for `edge.Pipeline`.

    Args:
        source: whatever `open_source` takes; besides, a folder of videos, a pattern that videos match, and a list of
            sources of any kind, open ones too.
        limits: as for `open_source`.

    Returns:
        The open sources by stream id, in order: a file's name, or its path where names are alike; a URL without its
        password; "camera 0". Close them, or give them to a `Pipeline`, which does.

    Raises:
        InputError: as `open_source`; whatever was opened is closed then.
    """
    limits = limits or LiveLimits()
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(_open(name, entry, limits)) for name, entry in find_sources(source).items()}
        stack.pop_all()
    return opened


def find_sources(source: Source | Iterable[Source]) -> dict[str, Entry]:
    """What `open_sources` would open, by stream id, without opening it: each entry is one for `open_source`.

    Raises:
        InputError: something is missing, or it is a folder, a pattern or a list of nothing.
    """
    if isinstance(source, Source):
        found = _expand(source)
    elif isinstance(source, Iterable):
        found = [part for one in source for part in _expand(one)]
    else:
        raise InputError(f"no source: {source!r}. {_EXPECTED}")
    if not found:
        raise InputError(f"an empty list of sources. {_EXPECTED}")
    files = [entry for _, entry in found if isinstance(entry, Path)]
    if len(files) == len(found) > 1 and all(map(is_picture, files)):
        pattern = source if isinstance(source, str) else str(files[0].parent)
        return {pattern: sorted(files, key=natural_order)}
    named: dict[str, Entry] = {}
    for name, entry in found:
        if isinstance(entry, Path) and sum(entry.name == other.name for other in files) > 1:
            name = str(entry)
        same = sum(other == name or other.startswith(f"{name} (") for other in named)
        named[f"{name} ({same + 1})" if same else name] = entry
    return named


def _expand(source: Source) -> list[tuple[str, Entry]]:
    """Names for people, and the entries that an argument stands for."""
    if isinstance(source, int):
        return [(f"camera {source}", source)]
    if isinstance(source, VideoSource):
        return [(source.name, source)]
    if not isinstance(source, Source):
        raise InputError(f"no source: {source!r}. {_EXPECTED}")
    text, path = os.fspath(source), Path(source)
    if isinstance(source, str):
        if text.lower().startswith("file://"):
            return _expand(Path(unquote(urlsplit(text).path)))
        if "://" in text:
            return [(hide_password(text), text)]
        if _CAMERA.fullmatch(text) and not os.path.exists(text):
            return [(f"camera {int(text)}", int(text))]
    # Path's own methods raise where a text is no possible name, and the message would repeat it.
    if os.path.isdir(text):
        return _in_folder(path)
    if os.path.exists(text):
        return [(path.name, path)]
    matches = sorted(map(Path, glob.glob(text, recursive=True)), key=natural_order)
    media = [match for match in matches if match.is_dir() or is_picture(match) or is_video(match)]
    found = [part for match in media or matches for part in _expand(match)]
    if not found:
        raise InputError(f"no such source: {hide_password(text)}. {_EXPECTED}")
    return found


def _in_folder(folder: Path) -> list[tuple[str, Entry]]:
    """The images directly in a folder as one entry, else its videos."""
    if images := pictures_in(folder):
        return [(str(folder), images)]
    videos = sorted(filter(is_video, folder.iterdir()), key=natural_order)
    if not videos:
        raise InputError(
            f"the folder {folder} holds no frames. Expected images ({', '.join(IMAGE_SUFFIXES)}) or videos "
            f"({', '.join(VIDEO_SUFFIXES)}) directly in it."
        )
    return [(video.name, video) for video in videos]


def _open(name: str, entry: Entry, limits: LiveLimits) -> VideoSource:
    if isinstance(entry, VideoSource):
        return entry
    if isinstance(entry, int):
        return LiveSource(lambda: CaptureConnection(entry, limits.read_seconds), name, limits, _CAMERA_ADVICE)
    if isinstance(entry, list):
        return ImageSource(entry, name)
    if isinstance(entry, str):
        # Loads http and ssl, which no file needs.
        from edge.video.urls import open_url

        return open_url(entry, name, limits)
    if entry.is_file() and entry.stat().st_size == 0:
        raise InputError(f"{entry} is empty (0 bytes). Copy or record it again.")
    return ImageSource([entry], name) if is_picture(entry) else FileSource(str(entry), name)
