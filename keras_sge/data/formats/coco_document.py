"""COCO's JSON, with videos and without, every entry checked where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import (
    LARGEST_SIDE,
    Annotation,
    finite_number,
    whole_number,
)
from keras_sge.data.formats.coco_frames import pictures_as_videos, track_of
from keras_sge.data.formats.form import read_json

_LARGEST_ID = 2**63 - 1


@dataclass
class CocoVideo:
    """One entry of `videos`.

    Attributes:
        id, name, width, height, fps: of the video; a size of 0 where only its images say it.
        file_name: a video file or a folder below the data set's root, None for none.
        length: how many frames it says that it has, None where it does not say.
        pictures: `frame_id` -> `file_name` of each listed image, None for none, in the order of the frames.
        entries: `frame_id` -> what is in that frame.
        listed: whether the file says that it is a video; False where names of pictures do.
    """

    id: int
    name: str
    width: int
    height: int
    fps: float
    file_name: str | None
    length: int | None
    pictures: dict[int, str | None] = field(default_factory=dict)
    entries: dict[int, list[Annotation]] = field(default_factory=dict)
    listed: bool = True


def read_coco_document(
    path: Path, root: str = "video", split: str = "", as_frames: bool | None = None
) -> tuple[tuple[str, ...], list[CocoVideo], tuple[str, ...]]:
    """Reads one annotation file.

    Args:
        path: of the file. root, split, as_frames: for one without videos, see `pictures_as_videos`.

    Returns:
        Class names in the order of their ids; the videos that have images; sentences for people.

    Raises:
        InputError: no JSON, a missing or wrong value, an id that is there twice or not at all;
            the message names file and entry.
    """
    document = _load(path)
    try:
        listed, read_as = "videos" in document, []
        if not listed:
            document, read_as = pictures_as_videos(document, path, root, split, as_frames)
        names, class_of, notes = _categories(document, path)
        videos = _videos(document["videos"], path)
        frames = _add_images(document["images"], videos, path)
        _add_annotations(document["annotations"], class_of, frames, path)
    except KeyError as error:
        raise InputError(f"{path}: an entry lacks the key {error}. Expected COCO-VID annotations.") from error
    except (TypeError, AttributeError) as error:
        raise InputError(f"{path}: an entry is of the wrong kind: {error}. Expected COCO-VID.") from error
    found = [video for video in videos.values() if video.pictures]
    for video in found:
        video.listed = listed
    if not found:
        raise InputError(f"{path} lists no video with frames.")
    return names, found, (*notes, *read_as)


def _load(path: Path) -> dict[str, Any]:
    document = read_json(path, "Expected COCO-VID annotations")
    missing = {"images", "annotations", "categories"} - set(document if isinstance(document, dict) else ())
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}. Expected COCO-VID annotations.")
    return document


def _categories(document: dict[str, Any], path: Path) -> tuple[tuple[str, ...], dict[int, int], tuple[str, ...]]:
    """Class names, category id -> class index, and sentences for people."""
    entries: dict[int, dict[str, Any]] = {}
    for entry in document["categories"]:
        number, name = whole_number(entry["id"], f"{path}: a category's id"), entry["name"]
        if number in entries:
            raise InputError(
                f"{path}: the categories {entries[number]['name']!r} and {name!r} have the same id {number}. Give each "
                "its own, in the annotations too."
            )
        name = name.strip() if isinstance(name, str) else name
        if not name or not isinstance(name, str) or name in [other["name"] for other in entries.values()]:
            raise InputError(f"{path}: category {number} needs a name of its own. Received: {name!r}")
        entries[number] = {**entry, "name": name}
    used = {annotation["category_id"] for annotation in document["annotations"]}
    roots = [number for number in entries if number not in used and _is_root(number, entries)]
    notes = tuple(
        f"the category {entries[number]['name']!r} is left out: it is the others' supercategory and has no box."
        for number in roots
    )
    numbers = sorted(set(entries) - set(roots))
    names = tuple(entries[number]["name"] for number in numbers)
    return names, {number: index for index, number in enumerate(numbers)}, notes


def _is_root(number: int, entries: dict[int, dict[str, Any]]) -> bool:
    """Whether a category only groups the others, as the first one of Roboflow's exports does."""
    others = [entry for other, entry in entries.items() if other != number]
    name, above = entries[number]["name"], entries[number].get("supercategory")
    return above in (None, "none") and bool(others) and all(entry.get("supercategory") == name for entry in others)


def _videos(entries: list[dict[str, Any]], path: Path) -> dict[int, CocoVideo]:
    videos: dict[int, CocoVideo] = {}
    for entry in entries:
        number = whole_number(entry["id"], f"{path}: a video's id", 0, _LARGEST_ID)
        where = f"{path}: video {number}"
        if number in videos:
            raise InputError(f"{path} lists video {number} twice. Give each video its own id.")
        name, file_name, length = entry.get("name", str(number)), entry.get("file_name"), entry.get("length")
        for key, text in (("name", name), ("file_name", file_name)):
            if text is not None and not (isinstance(text, str) and text and "\0" not in text):
                raise InputError(f"{where}: {key} must be text. Received: {text!r}")
        videos[number] = CocoVideo(
            number,
            name or str(number),
            *(_side(entry, side, where) for side in ("width", "height")),
            finite_number(30 if entry.get("fps") is None else entry["fps"], f"{where}: fps", above=0),
            file_name,
            None if length is None else whole_number(length, f"{where}: length", 1),
        )
    return videos


def _side(entry: dict[str, Any], side: str, where: str) -> int:
    """Width or height of a video or an image, 0 where the entry does not say it."""
    return 0 if entry.get(side) is None else whole_number(entry[side], f"{where}: {side}", 1, LARGEST_SIDE)


def _add_images(
    entries: list[dict[str, Any]], videos: dict[int, CocoVideo], path: Path
) -> dict[int, tuple[CocoVideo, int]]:
    """Puts every image into its video; image id -> video and `frame_id`."""
    frames: dict[int, tuple[CocoVideo, int]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    taken = set()
    for entry in entries:
        number = whole_number(entry["id"], f"{path}: an image's id")
        where = f"{path}: image {number}"
        if number in frames:
            raise InputError(f"{path} lists image {number} twice. Give each image its own id.")
        video_id = whole_number(entry["video_id"], f"{where}: video_id")
        if video_id not in videos:
            raise InputError(f"{where} belongs to video {video_id}, which is not listed.")
        video, frame = videos[video_id], whole_number(entry["frame_id"], f"{where}: frame_id", 0)
        if (video_id, frame) in taken:
            raise InputError(
                f"{path}: frame {frame} of video {video_id} is listed twice, the second time as image {number}."
            )
        taken.add((video_id, frame))
        frames[number] = video, frame
        own = tuple(_side(entry, side, where) for side in ("width", "height"))
        size = sizes.setdefault(video_id, tuple(a or b for a, b in zip((video.width, video.height), own, strict=True)))
        if any(stated and stated != side for stated, side in zip(own, size, strict=True)):
            raise InputError(
                f"{where} is said to have {own[0]} x {own[1]} px, video {video_id} {size[0]} x {size[1]}. All frames "
                "of a video have one size."
            )
        name = entry.get("file_name")
        if name is not None and not (isinstance(name, str) and name and "\0" not in name):
            raise InputError(f"{where}: file_name must be text. Received: {name!r}")
        video.pictures[frame] = name
    for video_id, size in sizes.items():
        if not all(size):
            raise InputError(f"{path}: video {video_id} has no width and height.")
        video = videos[video_id]
        video.width, video.height = size
        video.pictures = dict(sorted(video.pictures.items()))
    return frames


def _add_annotations(
    entries: list[dict[str, Any]], class_of: dict[int, int], frames: dict[int, tuple[CocoVideo, int]], path: Path
) -> None:
    """Puts every annotation into its frame."""
    for entry in entries:
        where = f"{path}: annotation {entry.get('id')}"
        image = whole_number(entry["image_id"], f"{where}: image_id")
        if image not in frames:
            raise InputError(f"{where} belongs to image {image}, which is not listed.")
        category = whole_number(entry["category_id"], f"{where}: category_id")
        if category not in class_of:
            raise InputError(
                f"{where} has category {category}, which is missing from the categories "
                f"{', '.join(str(one) for one in class_of)}."
            )
        video, frame = frames[image]
        track = _track(entry, where)
        crowd = entry.get("iscrowd") or entry.get("ignore") or 0
        if crowd not in (0, 1):
            raise InputError(f"{where}: iscrowd must be 0 or 1. Received: {crowd!r}")
        corners = _corners(entry["bbox"], f"{where} of video {video.name}, frame {frame},")
        video.entries.setdefault(frame, []).append(Annotation(corners, class_of[category], track, bool(crowd)))


def _track(entry: dict[str, Any], where: str) -> int | str | None:
    track = track_of(entry)
    if entry.get("instance_id") is not None:
        return whole_number(track, f"{where}: instance_id")
    if track is None or (isinstance(track, str) and track):
        return track
    return whole_number(track, f"{where}: track_id")


def _corners(box: Any, where: str) -> tuple[float, float, float, float]:
    if not (isinstance(box, list) and len(box) == 4):
        raise InputError(f"{where} has the box {box!r}; expected a list of four numbers, x, y, width, height.")
    x, y, width, height = (finite_number(side, f"{where} each number of the box") for side in box)
    return x, y, x + width, y + height
