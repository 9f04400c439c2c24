"""COCO without videos: which pictures are the frames of one video, and which are single pictures."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from edge.errors import InputError
from keras_sge.data.formats.media import video_name

# A name that ends so is one that Roboflow gave: clip_mp4-0012_jpg.rf.HASH for frame 12 of clip.mp4.
_ROBOFLOW = re.compile(r"(.+)_[A-Za-z]+\.rf\.[0-9A-Za-z]+")
_VIDEO = "[._-](mp4|avi|mov|mkv|webm|m4v|mpe?g|wmv)"
# Folders and beginnings of names that say: a frame of a video.
_SAYS_FRAME = re.compile(rf"frame|{_VIDEO}(?![a-z0-9])", re.I)
# What says nothing more than that at the end of a video's name.
_IDLE_END = re.compile(rf"({_VIDEO})?[\W_]*((frame|image|img)s?)?[\W_]*$", re.I)
# Numbers in even steps are believed from so many pictures on, if no other number lies between.
_STEP_EVIDENCE = 10


class PictureName(NamedTuple):
    """A picture's folder, the beginning and the end of its name, its last number, and whether Roboflow named it."""

    folder: str
    start: str
    end: str
    number: int
    roboflow: bool


def pictures_as_videos(
    document: dict[str, Any], path: Path, root: str, as_frames: bool | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A COCO document with videos in place of one without, and sentences for people.

    Pictures of one folder whose names differ in their last number only, each in another one, and that have one size are
    frames of a video, if something says that they follow each other: tracks in their annotations; a folder or name
    with `frame` in it, or with that of a video file (`clip_mp4-0012`); or, unless Roboflow named them, numbers of which
    fewer than half are missing. `frame_id` is the number. All others are videos of one frame.

    Args:
        document: with images, annotations and categories. path: of the file, for messages. root: the name of the data
            set, for a video whose pictures have none. as_frames: True or False says what all of them are.

    Raises:
        InputError: images name videos that are not listed; or, with `as_frames`, names that number no frames.
    """
    images = document["images"]
    if any("video_id" in image for image in images):
        raise InputError(f"{path} lacks videos, which its images name by video_id. Expected COCO-VID annotations.")
    tracked = {entry["image_id"] for entry in document["annotations"] if track_of(entry) is not None}
    groups: dict[object, list[tuple[PictureName | None, dict[str, Any]]]] = defaultdict(list)
    for place, image in enumerate(images):
        name = None if as_frames is False else picture_name(image["file_name"])
        if name is None and as_frames:
            raise InputError(f"{path}: the picture {image['file_name']!r} has no number in its name to be a frame of.")
        groups[place if name is None else name[:3]].append((name, image))
    videos: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []
    taken: set[str] = set()
    singles = 0
    for group in groups.values():
        problem = _no_video(group, tracked) if as_frames is None else _no_frames(group) if as_frames else "given"
        if problem and as_frames:
            raise InputError(f"{path}: the pictures like {group[0][1]['file_name']!r} are no frames: {problem}.")
        if problem:
            singles += len(group)
            videos += [{"id": image["id"], "name": _stem(image["file_name"])} for _, image in group]
            frames += [{**image, "video_id": image["id"], "frame_id": 0} for _, image in group]
        else:
            first = group[0][1]["id"]
            name = video_name(_video_title(group[0][0], root), taken)
            videos.append({"id": first, "name": name})
            frames += [{**image, "video_id": first, "frame_id": own.number} for own, image in group if own]
    notes = [_note(path, len(taken), len(images) - singles, singles)] if as_frames is None and len(images) > 1 else []
    return {**document, "videos": videos, "images": frames}, notes


def track_of(annotation: dict[str, Any]) -> Any:
    """What an annotation calls its track: instance_id, track_id, or CVAT's attributes.track_id; None for none."""
    attributes = annotation.get("attributes")
    for holder, key in ((annotation, "instance_id"), (annotation, "track_id"), (attributes, "track_id")):
        if isinstance(holder, dict) and holder.get(key) is not None:
            return holder[key]
    return None


def picture_name(file_name: str) -> PictureName | None:
    """The parts of a picture's name; None for one without a number that a video could have."""
    folder, _, name = file_name.replace("\\", "/").rpartition("/")
    stem = name.rpartition(".")[0] or name
    roboflow = _ROBOFLOW.fullmatch(stem)
    stem = roboflow[1] if roboflow else stem
    numbers = list(re.finditer("[0-9]+", stem))
    if not numbers or len(numbers[-1][0]) > 15:
        return None
    start, end = numbers[-1].span()
    return PictureName(folder, stem[:start], stem[end:], int(numbers[-1][0]), bool(roboflow))


def _no_frames(group: list[tuple[PictureName | None, dict[str, Any]]]) -> str:
    """Why pictures cannot be the frames of one video; "" if they can."""
    if len({own.number for own, _ in group if own}) < len(group):
        return "some have one number"
    if len({(image.get("width"), image.get("height")) for _, image in group}) > 1:
        return "they differ in size"
    return ""


def _no_video(group: list[tuple[PictureName | None, dict[str, Any]]], tracked: set[Any]) -> str:
    """Why pictures are not taken for frames of one video, unless somebody says so; "" if they are."""
    name = group[0][0]
    if name is None or len(group) < 2:
        return "single"
    if problem := _no_frames(group):
        return problem
    if _SAYS_FRAME.search(f"{name.folder}/{name.start}") or any(image["id"] in tracked for _, image in group):
        return ""
    numbers = sorted(own.number for own, _ in group if own)
    gap = math.gcd(*(number - numbers[0] for number in numbers))
    dense = 2 * len(numbers) > (numbers[-1] - numbers[0]) // gap and (gap == 1 or len(numbers) >= _STEP_EVIDENCE)
    return "" if dense and not name.roboflow else "nothing says that they follow each other"


def _video_title(name: PictureName | None, root: str) -> str:
    if name is None:
        return root
    return "/".join(part for part in (name.folder, _IDLE_END.sub("", name.start, count=1)) if part) or root


def _stem(file_name: str) -> str:
    return str(Path(file_name.replace("\\", "/")).with_suffix(""))


def _note(path: Path, videos: int, frames: int, singles: int) -> str:
    read = [f"{videos:,} videos of {frames:,} frames, by folder and name"] * bool(videos)
    read += [f"{singles:,} single pictures"] * bool(singles)
    forms = ["coco-pictures"] * bool(videos) + ["coco-frames"] * bool(singles)
    return f"{path.name} lists no videos: read as {' and '.join(read)}. --format {' or '.join(forms)} says otherwise."
