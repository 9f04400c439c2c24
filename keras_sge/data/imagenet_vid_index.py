"""Which videos of ImageNet VID lie on disk and how many frames they have, from folder listings alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edge.errors import InputError


def index_imagenet_vid(
    images: Path, annotations: Path, progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None
) -> list[tuple[str, int]]:
    """Lists the videos of one split; no file is opened.

    Args:
        images: `ROOT/Data/VID/SPLIT`. annotations: `ROOT/Annotations/VID/SPLIT`. Both hold one folder a video, directly
            or in packages such as `ILSVRC2015_VID_train_0000`.
        progress: wraps the iteration over videos, such as `tqdm`.

    Returns:
        (folder below `images` and `annotations`, number of frames), sorted by folder.

    Raises:
        InputError: a folder is missing; a video or a frame is in one tree and not in the other; frames are not numbered
            000000, 000001 and on; two videos have one name.
    """
    for folder in (annotations, images):
        if not folder.is_dir():
            found = ", ".join(sorted(_folders(folder.parent))) if folder.parent.is_dir() else ""
            raise InputError(
                f"no folder {folder}. Expected ImageNet VID with Data/VID/{folder.name} and Annotations/VID/"
                f"{folder.name}; splits found: {found or 'none'}."
            )
    videos, pictured = _video_folders(annotations), _video_folders(images)
    # A package that is empty in one tree looks like a video there.
    packages = {video.partition("/")[0] for video in (*videos, *pictured) if "/" in video}
    videos, pictured = ([video for video in part if video not in packages] for part in (videos, pictured))
    for here, there, root in ((pictured, videos, annotations), (videos, pictured, images)):
        if lacking := sorted(set(here) - set(there)):
            raise InputError(f"no folder {root / lacking[0]} ({len(lacking)} such videos). Extract the archive again.")
    if not videos:
        raise InputError(f"{annotations} holds no video. Expected folders such as ILSVRC2015_val_00000000 in it.")
    _refuse_shared_names(videos, annotations)
    return [
        (video, _frames(images / video, annotations / video)) for video in (progress(videos) if progress else videos)
    ]


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _video_folders(root: Path) -> list[str]:
    videos = []
    for name in _folders(root):
        inner = _folders(root / name) if _is_package(root / name) else None
        videos += [name] if inner is None else [f"{name}/{video}" for video in inner]
    return sorted(videos)


def _is_package(folder: Path) -> bool:
    # The first entry tells: listing all frames twice would double the time.
    with os.scandir(folder) as entries:
        return next((entry.is_dir() for entry in entries if not entry.name.startswith(".")), False)


def _refuse_shared_names(videos: list[str], annotations: Path) -> None:
    place: dict[str, str] = {}
    for video in videos:
        other = place.setdefault(video.rpartition("/")[2], video)
        if other != video:
            raise InputError(f"{annotations} holds two videos of one name, {other} and {video}. Rename or remove one.")


def _frames(images: Path, annotations: Path) -> int:
    pictures, labels = _stems(images, ".JPEG"), _stems(annotations, ".xml")
    if pictures != labels:
        for more, fewer, path in (
            (pictures, labels, annotations / "{}.xml"),
            (labels, pictures, images / "{}.JPEG"),
        ):
            if lacking := sorted(more - fewer):
                raise InputError(
                    f"no file {str(path).format(lacking[0])} ({len(lacking)} such frames): each frame needs an image "
                    "and an annotation. Extract the archive again."
                )
    if not labels:
        raise InputError(f"{annotations} holds no frame. Expected 000000.xml and on.")
    gap = next((number for number in range(len(labels)) if f"{number:06d}" not in labels), None)
    if gap is not None:
        raise InputError(
            f"{annotations} has {len(labels)} frames but no {gap:06d}.xml. Expected frames numbered from 000000 "
            "without a gap."
        )
    return len(labels)


def _stems(folder: Path, suffix: str) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name[: -len(suffix)] for entry in entries if entry.name.endswith(suffix)}
