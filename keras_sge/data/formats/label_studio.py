"""Label Studio: video tasks as its JSON and JSON-MIN exports hold them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.video.reader import VideoReader, slack
from keras_sge.data.formats.annotation_values import Annotation, finite_number, whole_number
from keras_sge.data.formats.form import ONLY_SPLIT, Form, check_split
from keras_sge.data.formats.label_studio_tasks import VIDEO_RECTANGLE, StudioTask, find_export, read_tasks
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.progress import Progress, no_progress

_SIDES = ("x", "y", "width", "height")
# Degrees that a box may be turned by and still counts as upright.
_UPRIGHT = 0.1
_ROTATED = "left out: rotated"
_NO_LABEL = "left out: no label"
_SECOND_LABEL = "left out: a second label of one box"


class LabelStudio(ListedVideos):
    """The regions of type `videorectangle` of an export in the form JSON or JSON-MIN
    (https://labelstud.io/guide/export, https://labelstud.io/tags/videorectangle).

    Frames count from 1 in the file. Between key frames boxes are interpolated linearly, before the first there is none,
    and after the last it stays as it is until the video ends, as Label Studio shows it. A key frame with `enabled:
    false` is the last frame of a span. A key frame that has a `time` only is frame `time * framesCount / duration`.
    Label Studio counts frames by the project's frame rate: where `framesCount` is not the number of frames in the video
    file, frames are matched by their times, with a note.

    Coordinates are percent of the upright frame, so the video file is needed for its size. Rotated boxes are left out.
    The first annotation that is not cancelled counts; predictions and drafts are no labels; a task without an
    annotation is left out. A region is a track. Classes are the sorted names of the labels; a box with several has the
    first.

    Args:
        source: the JSON file, or a folder with one. split: `all`.
        media: the video file, or the folder of the videos, where they are not beside the JSON file.
        progress: around the tasks while their videos are opened.

    Raises:
        InputError: no video file, tasks of pictures, or a wrong region; the message names the task and the region.
    """

    def __init__(
        self,
        source: str | Path,
        split: str = ONLY_SPLIT,
        media: Path | None = None,
        progress: Progress = no_progress,
    ):
        source = Path(source)
        check_split(split, _splits(source), source)
        path = find_export(source) or source
        tasks, notes = read_tasks(path)
        names = sorted({region.labels[0] for task in tasks for region in task.regions if region.labels})
        if not names:
            raise InputError(f"{path} has no box with a label. Expected regions of the type {VIDEO_RECTANGLE}.")
        class_of = {name: index for index, name in enumerate(names)}
        listed: list[ListedVideo] = []
        of_file: dict[Path, StudioTask] = {}
        for task in progress(tasks):
            video = task.find_video(path.parent, media, alone=len(tasks) == 1)
            other = of_file.setdefault(video.resolve(), task)
            if other is not task:
                raise InputError(f"{other.where} and {task.name} are both of {video}. Remove one of the tasks.")
            listed.append(_open_video(task, video, {one.name for one in listed}))
            notes += _add_regions(task, listed[-1], class_of)
        super().__init__(names, listed, notes)


@dataclass(frozen=True)
class _Sequence:
    """The key frames of one region, ascending.

    Attributes:
        frames: (k,), from 1. values: (k, 5), left, top, width, height in percent and the rotation in degrees.
        enabled: (k,), whether the box is there until the next one. placed: (k,), whether it has a box of its own.
    """

    frames: np.ndarray
    values: np.ndarray
    enabled: np.ndarray
    placed: np.ndarray

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether the box is shown at each of the ascending frame numbers, which need not be whole, and its values."""
        last = np.searchsorted(self.frames, positions, side="right") - 1
        shown = (last >= 0) & (self.enabled[last] | (self.placed[last] & (self.frames[last] == positions)))
        columns = [np.interp(positions, self.frames, column) for column in self.values.T]
        return shown, np.stack(columns, axis=-1)


def _open_video(task: StudioTask, path: Path, taken: set[str]) -> ListedVideo:
    with VideoReader(path, 0, str(path)) as reader:
        length = reader.frame_count or task.frame_count
        width, height, fps = reader.width, reader.height, reader.fps
    if length is None:
        raise InputError(f"{path} does not say how many frames it has, nor does {task.where}. Encode it anew, as mp4.")
    numbered = (f"{task.video_name}_{number}" for number in itertools.count(2))
    name = next(name for name in (task.video_name, *itertools.islice(numbered, len(taken))) if name not in taken)
    return ListedVideo(name, width, height, length, fps, path)


def _add_regions(task: StudioTask, video: ListedVideo, class_of: dict[str, int]) -> list[str]:
    """Puts a task's boxes into the frames of its video; what there is to say about it."""
    counted = task.frame_count or video.length
    # Label Studio rounds the last frame up.
    by_time = abs(counted - video.length) > 1
    positions = 1 + np.arange(video.length) * (counted / video.length if by_time else 1)
    scale = np.array([video.width, video.height, video.width, video.height]) / 100
    for region in task.regions:
        shown, values = _read_sequence(region.value, region.where, counted).at(positions)
        boxes = values[:, :4] * scale
        boxes[:, 2:] += boxes[:, :2]
        for frame in np.flatnonzero(shown).tolist():
            why_not = _ROTATED if abs(values[frame, 4]) > _UPRIGHT else None if region.labels else _NO_LABEL
            left_out = [why_not] if why_not else [_SECOND_LABEL] * (len(region.labels) - 1)
            if left_out:
                video.left_out.setdefault(frame, []).extend(left_out)
            if why_not is None:
                box = Annotation(tuple(boxes[frame].tolist()), class_of[region.labels[0]], region.track)
                video.entries.setdefault(frame, []).append(box)
    if not by_time:
        return []
    return [
        f"{task.name}: Label Studio counted {counted:,} frames in {video.name}, the file holds {video.length:,}: the "
        "project's frame rate was another than the video's. Boxes were put to frames by their times."
    ]


def _read_sequence(value: dict[str, Any], where: str, counted: int) -> _Sequence:
    keys = value.get("sequence")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise InputError(f"{where} lacks its key frames. Expected value.sequence with frame, x, y, width and height.")
    rows: dict[int, tuple[list[float], bool, bool]] = {}
    for frame, key in sorted(_numbered(keys, value, where), key=lambda row: row[0]):
        place = f"{where}, frame {frame}"
        enabled = key.get("enabled", True) is not False
        if frame in rows:
            raise InputError(f"{place} is there twice. Expected one key frame of a region in a frame.")
        if enabled and frame > counted + slack(counted):
            raise InputError(f"{place} lies after the end of the video, which has {counted} frames.")
        placed = enabled or all(side in key for side in _SIDES)
        box = list(_box(key, place)) if placed else list(rows.values())[-1][0] if rows else [0.0] * 5
        rows[frame] = box, enabled, placed
    values, enabled_keys, placed_keys = zip(*rows.values(), strict=True)
    return _Sequence(np.array(list(rows)), np.array(values), np.array(enabled_keys), np.array(placed_keys))


def _numbered(
    keys: Sequence[dict[str, Any]], value: dict[str, Any], where: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The key frames with their numbers, from 1."""
    for number, key in enumerate(keys, start=1):
        place = f"{where}, key frame {number}"
        if key.get("frame") is not None:
            yield whole_number(key["frame"], f"{place}: frame", low=1), key
            continue
        if key.get("time") is None:
            raise InputError(f"{place} has neither a frame nor a time.")
        if not value.get("framesCount") or not value.get("duration"):
            raise InputError(f"{place} has a time and no frame. Expected framesCount and duration in its region, too.")
        count, duration = (finite_number(value[name], f"{where}: {name}", 0) for name in ("framesCount", "duration"))
        # Label Studio writes frame / rate: the first frame, 1, does not end at 0.
        yield max(1, round(finite_number(key["time"], f"{place}: time") * count / duration)), key


def _box(key: dict[str, Any], where: str) -> Iterator[float]:
    for side in _SIDES:
        if side not in key:
            raise InputError(f"{where} lacks {side!r}. Expected x, y, width and height in percent.")
        yield finite_number(key[side], f"{where}: {side}")
    rotation = finite_number(key.get("rotation") or 0, f"{where}: rotation")
    yield (rotation + 180) % 360 - 180


def _splits(source: Path) -> list[str]:
    return [ONLY_SPLIT] if find_export(source) else []


FORM = Form(
    "label-studio",
    "Label Studio: a JSON or JSON-MIN export of video tasks",
    _splits,
    lambda source, split, frames, progress: LabelStudio(source, split, frames, progress),
)
