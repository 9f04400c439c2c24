"""Frames that do not lie where annotations say: which file is meant, how large it is, and what the video is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from edge.video.pictures import pictures_in, read_picture
from edge.video.reader import DEFAULT_FPS, VideoReader, is_video
from keras_sge.data.formats.form import find_path

Frames = Path | list[Path]


class Measures(NamedTuple):
    """Width and height in pixels, frames per second, and how many frames; None where a file does not say."""

    width: int
    height: int
    fps: float
    length: int | None


def find_media(names: Sequence[str], folders: Sequence[Path], media: Path | None, alone: bool) -> Frames | None:
    """The video file, or the pictures in order, that are a video's frames; None where there are none.

    Args:
        names: what the annotations call the video, best first: of a file, with or without its ending, or of a folder.
        folders: where frames usually lie. media: a video file or a folder that the user has named; it comes first.
        alone: whether the annotations are of this one video only, so that what `media` holds can be no other's.

    Raises:
        InputError: `media` does not exist.
    """
    if media is not None and not media.exists():
        raise InputError(f"no file or folder {media}, which --media names.")
    if media is not None and media.is_file():
        if alone or media.stem in {Path(name).stem for name in names}:
            return media
        media = None
    for folder in ([] if media is None else [media]) + list(folders):
        for name in names:
            if found := _named(name, folder):
                return found
    if media is None or not alone:
        return None
    videos = [path for path in media.iterdir() if is_video(path)]
    return pictures_in(media) or (videos[0] if len(videos) == 1 else None)


def measure(frames: Frames) -> Measures:
    """Looks at a video file, or at the first of some pictures, whose rate is given as 30.

    Raises:
        InputError: it cannot be decoded.
    """
    if isinstance(frames, list):
        height, width = read_picture(frames[0]).shape[:2]
        return Measures(width, height, DEFAULT_FPS, len(frames))
    with VideoReader(frames, name=str(frames)) as reader:
        return Measures(reader.width, reader.height, reader.fps, reader.count() or reader.frame_count)


def video_name(text: str, taken: set[str]) -> str:
    """A name for people and for files, from a path or a title: one that is not taken yet, and is from then on."""
    parts = [re.sub(r"[\x00-\x1f:]", "_", part).strip() for part in text.replace("\\", "/").split("/")]
    name = first = "/".join(part for part in parts if part not in ("", ".", "..")) or "video"
    number = 1
    while name in taken:
        number += 1
        name = f"{first}_{number}"
    taken.add(name)
    return name


def _named(name: str, folder: Path) -> Frames | None:
    path = find_path(name, [folder])
    if path and path.is_file() and is_video(path):
        return path
    if path and path.is_dir() and path != folder and (pictures := pictures_in(path)):
        return pictures
    stem = Path(name.replace("\\", "/")).name
    stem = Path(stem).stem if is_video(stem) else stem
    same = [path for path in folder.glob("*") if path.stem == stem and is_video(path)] if folder.is_dir() else []
    return same[0] if len(same) == 1 else None
