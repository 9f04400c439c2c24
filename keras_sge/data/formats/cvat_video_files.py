"""CVAT for video 1.1: what an annotations.xml says, its tracks frame by frame."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import LARGEST_SIDE
from keras_sge.data.formats.form import read_xml

EXPECTED = "Expected CVAT's export `CVAT for video 1.1`"
# Types of labels that can be those of boxes.
_BOX_TYPES = ("", "any", "rectangle", "bbox")
_SHAPES = ("polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton")
_MOST_FRAMES = 10**6


class CvatBox(NamedTuple):
    """A box of a track: frame; x1, y1, x2, y2 in pixels and rotation in degrees; whether the object is out of sight."""

    frame: int
    corners: np.ndarray
    outside: bool


@dataclass
class CvatTask:
    """A task, or a job, whose frames are numbered as in the video that it was made of.

    Attributes:
        id, name, subset, source: as CVAT knows it; `source` is the video file's name, "" for a task of pictures.
        frames: those that were there to be labelled. width, height: 0 where the file does not say.
        pictures: frame -> the name of its picture without ending, if the task is of a video.
        tracks: id -> label and boxes, frame by frame, key frames interpolated.
        left_out: frame -> reasons, for shapes that are no boxes.
    """

    id: str
    name: str
    subset: str
    source: str
    frames: range
    width: int
    height: int
    pictures: dict[int, str] = field(default_factory=dict)
    tracks: dict[str, tuple[str, list[CvatBox]]] = field(default_factory=dict)
    left_out: dict[int, list[str]] = field(default_factory=dict)


def read_cvat_tasks(path: Path) -> tuple[tuple[str, ...], list[CvatTask], list[str]]:
    """Reads one file.

    Returns:
        Class names in the order of the labels; the tasks; sentences for people.

    Raises:
        InputError: no such file, or a wrong entry, which the message names.
    """
    root = read_xml(path, EXPECTED)
    meta = root.find("meta")
    if root.tag != "annotations" or meta is None:
        raise InputError(f"{path} has no annotations with meta in it. {EXPECTED}.")
    if root.find("image") is not None:
        raise InputError(
            f"{path} is `CVAT for images 1.1`, which keeps no tracks. Export the task as `CVAT for video 1.1`, or "
            "pictures that are no video as `COCO 1.0`."
        )
    entries = [entry for kind in ("task", "job", "project/tasks/task") for entry in meta.findall(kind)]
    if not entries:
        raise InputError(f"{path} has no task, job or project in its meta. {EXPECTED}.")
    tracks = root.findall("track")
    tasks = [_task(entry, meta, tracks, path) for entry in entries]
    _name_pictures(tasks)
    labels = _labels(meta, path)
    unused = {name for name, kind in labels.items() if kind not in _BOX_TYPES}
    for track in tracks:
        label = (track.get("label") or "").strip()
        if not label or (labels and label not in labels):
            raise InputError(
                f"{path}: track {track.get('id')} has the label {label!r}, none of {', '.join(labels) or 'its meta'}."
            )
        if track.find("box") is not None:
            unused.discard(label)
    names = tuple(name for name in labels if name not in unused) or tuple(
        sorted({(track.get("label") or "").strip() for track in tracks if track.find("box") is not None})
    )
    notes = [f"labels without boxes are left out: {', '.join(sorted(unused))}."] if unused else []
    return names, tasks, notes + _add_tracks(tracks, tasks, path)


def _labels(meta: Element, path: Path) -> dict[str, str]:
    """Name -> type of the labels, "" where none is said; parts of a skeleton are none of their own."""
    labels: dict[str, str] = {}
    for entry in (entry for kind in ("task", "job", "project") for entry in meta.findall(f"{kind}/labels/label")):
        if (entry.findtext("parent") or "").strip():
            continue
        name = (entry.findtext("name") or "").strip()
        if not name or name in labels:
            raise InputError(f"{path}: each label needs a name of its own. Received: {name!r}")
        labels[name] = (entry.findtext("type") or "").strip()
    return labels


def _task(entry: Element, meta: Element, tracks: Sequence[Element], path: Path) -> CvatTask:
    def text(part: str) -> str:
        return (entry.findtext(part) or "").strip()

    where = f"{path}: task {text('id') or text('name')}"
    step = text("frame_filter").removeprefix("step").lstrip(" =") or "1"
    step = _whole(step, f"{where}: the step of frame_filter", 1)
    start = _whole(text("start_frame") or "0", f"{where}: start_frame")
    if text("stop_frame"):
        stop = _whole(text("stop_frame"), f"{where}: stop_frame", start)
    elif text("size"):
        stop = start + (_whole(text("size"), f"{where}: size", 1) - 1) * step
    else:
        boxes = (box.get("frame") for track in tracks for box in track.iterfind("box"))
        stop = max([start, *(_whole(frame or "", f"{path}: the frame of a box") for frame in boxes)])
    if stop >= _MOST_FRAMES:
        raise InputError(f"{where} has frames {start} to {stop}, more than any video.")
    size = (text(f"original_size/{side}") for side in ("width", "height"))
    width, height = (_whole(side or "0", f"{where}: original_size", 0, LARGEST_SIDE) for side in size)
    source = text("source") or (meta.findtext("source") or "").strip()
    return CvatTask(text("id"), text("name"), text("subset"), source, range(start, stop + 1, step), width, height)


def _name_pictures(tasks: Sequence[CvatTask]) -> None:
    """In a subset a name that an earlier task has taken gets a number."""
    used: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        for frame in task.frames:
            name = f"frame_{frame:06d}"
            count = used[task.subset, name]
            task.pictures[frame] = f"{name}_{count}" if count else name
            used[task.subset, name] += 1


def _add_tracks(tracks: Sequence[Element], tasks: Sequence[CvatTask], path: Path) -> list[str]:
    """Puts every track into its task; sentences for people."""
    task_of = {task.id: task for task in tasks}
    # What is exported whole has every frame; files of others may hold key frames only.
    whole = any(box.get("keyframe") == "0" for track in tracks for box in track.iterfind("box"))
    beside: Counter[str] = Counter()
    rotated = 0
    for number, track in enumerate(tracks):
        name = track.get("id") or str(number)
        where = f"{path}: track {name}"
        task = tasks[0] if len(tasks) == 1 else task_of.get(track.get("task_id") or "")
        if task is None:
            raise InputError(f"{where} has the task_id {track.get('task_id')!r}. Expected one of {', '.join(task_of)}.")
        if name in task.tracks:
            raise InputError(f"{where} is there twice. Give each track its own id.")
        for shape in (shape for kind in _SHAPES for shape in track.iterfind(kind)):
            if shape.get("outside") != "1":
                frame = _whole(shape.get("frame") or "", f"{where}: the frame of a {shape.tag}")
                task.left_out.setdefault(frame, []).append(f"left out: {shape.tag} in place of a box")
        boxes = sorted((_box(box, where) for box in track.iterfind("box")), key=lambda box: box.frame)
        for one, other in itertools.pairwise(boxes):
            if one.frame == other.frame:
                raise InputError(f"{where} has two boxes in frame {one.frame}. A track is one object: remove one.")
        boxes = boxes if whole else _interpolate(boxes, task.frames)
        seen = [box for box in boxes if not box.outside]
        rotated += sum(bool(box.corners[4]) for box in seen)
        beside[_range_text(task.frames)] += sum(box.frame not in task.frames for box in seen)
        label = (track.get("label") or "").strip()
        task.tracks[name] = label, [_upright_box(box) for box in seen if box.frame in task.frames]
    notes = [
        f"{count:,} boxes stand in frames that are none of their task's ({frames}) and are left out."
        for frames, count in beside.items()
        if count
    ]
    if rotated:
        notes.append(f"{rotated:,} boxes are rotated: the upright boxes around them are taken.")
    return notes


def _interpolate(boxes: Sequence[CvatBox], frames: range) -> list[CvatBox]:
    """Key frames -> every frame of `frames`, as CVAT does: linear between two, the last one kept to the end; from an
    `outside` one on nothing."""
    if not boxes or (len(boxes) == 1 and boxes[0].frame + frames.step >= frames.stop - 1):
        # A shape without a track is exported as one box and an end, for which there is no room before the last frame.
        return list(boxes)
    end = CvatBox(max(frames.stop, boxes[-1].frame + 1), boxes[-1].corners, True)
    result = []
    for box, after in itertools.pairwise([*boxes, end]):
        result.append(box)
        if box.outside:
            continue
        way = after.corners - box.corners
        # The shorter way round.
        way[4] = (way[4] + 180) % 360 - 180
        first = max(frames.start, box.frame + 1)
        first += (frames.start - first) % frames.step
        for frame in range(first, min(after.frame, frames.stop), frames.step):
            share = (frame - box.frame) / (after.frame - box.frame)
            result.append(CvatBox(frame, box.corners + share * way, False))
    return result


def _upright_box(box: CvatBox) -> CvatBox:
    """The box around a rotated one."""
    if not box.corners[4]:
        return box
    x1, y1, x2, y2, angle = box.corners
    cosine, sine = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = (x2 - x1) * cosine + (y2 - y1) * sine, (x2 - x1) * sine + (y2 - y1) * cosine
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2, 0.0])
    return box._replace(corners=corners)


def _box(box: Element, where: str) -> CvatBox:
    frame = _whole(box.get("frame") or "", f"{where}: the frame of a box")
    values: Mapping[str, str] = {"rotation": "0", **box.attrib}
    try:
        corners = np.array([float(values[side]) for side in ("xtl", "ytl", "xbr", "ybr", "rotation")])
    except KeyError as error:
        raise InputError(f"{where}: the box of frame {frame} lacks {error}. {EXPECTED}.") from error
    except ValueError as error:
        raise InputError(f"{where}: the box of frame {frame} is not understood: {error}.") from error
    if not np.isfinite(corners).all():
        raise InputError(f"{where}: the box of frame {frame} must have finite sides. Received: {corners.tolist()}")
    return CvatBox(frame, corners, box.get("outside") == "1")


def _whole(text: str, where: str, low: int = 0, high: int = 2**31 - 1) -> int:
    number = int(text) if text.isdecimal() and len(text) < 19 else -1
    if not low <= number <= high:
        raise InputError(f"{where} must be a whole number from {low}. Received: {text[:40]!r}")
    return number


def _range_text(frames: range) -> str:
    return f"{frames[0]} to {frames[-1]}" + ("" if frames.step == 1 else f" by {frames.step}")
