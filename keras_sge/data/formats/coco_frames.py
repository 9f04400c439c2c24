"""COCO without videos: which pictures are the frames of one video, and which are single pictures."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from edge.errors import InputError
from keras_sge.data.formats.frame_names import FrameName, frame_name, look_like_frames, picture_title, video_title
from keras_sge.data.formats.media import video_name

# The frame number of an image, or None, and the image.
_Image = tuple[int | None, dict[str, Any]]


def pictures_as_videos(
    document: dict[str, Any], path: Path, root: str, split: str = "", as_frames: bool | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A COCO document with videos in place of one without, and sentences for people.

    Pictures of one size are frames of one video, `frame_id` their number, if `frame_names.group_frames` takes them for
    such, or if there are tracks in their annotations and their names differ in their last number only, each in another
    one. All others are videos of one frame.

    Args:
        document: with images, annotations and categories. path: of the file, for messages. root: the name of the data
            set, for a video whose pictures have none. split: a folder for the names of all videos, where several splits
            are of one data set and may hold frames of one video. as_frames: True or False says what all of them are.

    Raises:
        InputError: images name videos that are not listed; or, with `as_frames`, names that number no frames.
    """
    images = document["images"]
    if any("video_id" in image for image in images):
        raise InputError(f"{path} lacks videos, which its images name by video_id. Expected COCO-VID annotations.")
    tracked = {entry["image_id"] for entry in document["annotations"] if track_of(entry) is not None}
    groups: dict[FrameName, list[_Image]] = defaultdict(list)
    for image in images:
        own, number = frame_name(image["file_name"])
        groups[own].append((number, image))
    videos: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []
    taken: set[str] = set()
    singles = 0
    for own, group in groups.items():
        problem = _no_frames(group)
        if as_frames and problem:
            raise InputError(f"{path}: the pictures like {group[0][1]['file_name']!r} are no frames: {problem}.")
        if as_frames is None and not problem:
            shown = any(image["id"] in tracked for _, image in group) and len(group) > 1
            problem = "" if shown or look_like_frames(own, [number or 0 for number, _ in group]) else "nothing says so"
        if problem or as_frames is False:
            singles += len(group)
            for _, image in group:
                name = video_name(f"{split}/{picture_title(image['file_name'])}", taken)
                videos.append({"id": image["id"], "name": name})
            frames += [{**image, "video_id": image["id"], "frame_id": 0} for _, image in group]
        else:
            first = group[0][1]["id"]
            videos.append({"id": first, "name": video_name(f"{split}/{video_title(own) or root}", taken)})
            frames += [{**image, "video_id": first, "frame_id": number} for number, image in group]
    found = len(videos) - singles
    notes = [_note(path, found, len(images) - singles, singles)] if as_frames is None and len(images) > 1 else []
    return {**document, "videos": videos, "images": frames}, notes


def track_of(annotation: dict[str, Any]) -> Any:
    """What an annotation calls its track: instance_id, track_id, or CVAT's attributes.track_id; None for none."""
    attributes = annotation.get("attributes")
    for holder, key in ((annotation, "instance_id"), (annotation, "track_id"), (attributes, "track_id")):
        if isinstance(holder, dict) and holder.get(key) is not None:
            return holder[key]
    return None


def _no_frames(group: list[_Image]) -> str:
    """Why pictures cannot be the frames of one video; "" if they can."""
    numbers = [number for number, _ in group]
    if None in numbers:
        return "there is no number in their names"
    if len(set(numbers)) < len(numbers):
        return "some have one number"
    if len({(image.get("width"), image.get("height")) for _, image in group}) > 1:
        return "they differ in size"
    return ""


def _note(path: Path, videos: int, frames: int, singles: int) -> str:
    read = [f"{videos:,} videos of {frames:,} frames, by folder and name"] * bool(videos)
    read += [f"{singles:,} single pictures"] * bool(singles)
    forms = ["coco-pictures"] * bool(videos) + ["coco-frames"] * bool(singles)
    return f"{path.name} lists no videos: read as {' and '.join(read)}. --format {' or '.join(forms)} says otherwise."
