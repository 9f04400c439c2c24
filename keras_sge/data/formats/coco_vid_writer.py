"""Writes any video data set to disk as COCO-VID: mp4 files and one JSON file for each split."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path, path_below
from edge.errors import InputError
from edge.sinks.video import VideoSink
from keras_sge.data.dataset import NO_TRACK, FrameLabels, Video, VideoDataset
from keras_sge.progress import Progress, no_progress

# Frames decoded at a time, so that a long video never lies in memory whole.
_CHUNK = 64


def write_coco_vid(
    dataset: VideoDataset,
    directory: str | os.PathLike[str],
    split: str,
    progress: Progress = no_progress,
) -> Path:
    """Writes `directory/videos/<name>.mp4` for every video, then `directory/annotations/<split>.json`.

    Every file gets its name only once it is whole, and the JSON file is the last: an interrupted run leaves no split
    that looks finished, and can simply be run again. Ids count from 1, `frame_id` from 0; `bbox` is x, y, w, h in
    pixels; `instance_id` is the object's identity within its video, where it has one. Unlabelled frames are in the
    video and not among the images; regions to ignore have `iscrowd` 1. mp4 compression changes the pixels a little.

    Args:
        dataset: the videos to write.
        directory: made where it does not exist; other splits in it are kept.
        split: the name of the annotation file, such as "train".
        progress: around the sequence of video indices.

    Returns:
        The path of the annotation file.

    Raises:
        InputError: the split is there already, a video of it would write over another, or a video's name or the split's
            leads out of the directory.
    """
    directory = Path(directory)
    target = _file(directory / "annotations", split, ".json")
    # Lists the videos while they are written, so that a run that is done again knows its own.
    partial = target.with_name(f".{target.name}.partial")
    if target.exists():
        raise InputError(f"{target} exists already: delete it, or choose another directory or split name")
    _refuse_shared_names(dataset, directory, split)
    # All names are looked at before the first video is written.
    files = [_file(directory / "videos", video.name, ".mp4") for video in dataset.videos]
    _refuse_other_videos(dataset, files, partial)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(partial) as temporary:
        temporary.write_text(json.dumps([video.name for video in dataset.videos]), encoding="utf-8")

    content: dict[str, Any] = {
        "info": {"description": f"{split} split, written by keras-sge", "version": "1.0"},
        "categories": [{"id": number, "name": name} for number, name in enumerate(dataset.classes, 1)],
        "videos": [],
        "images": [],
        "annotations": [],
    }
    for index in progress(range(len(dataset))):
        video = dataset.videos[index]
        files[index].parent.mkdir(parents=True, exist_ok=True)
        _write_video(dataset, index, files[index])
        content["videos"].append(
            {
                "id": video.id,
                "name": video.name,
                "file_name": files[index].relative_to(directory).as_posix(),
                "width": video.width,
                "height": video.height,
                "fps": video.fps,
                "length": video.length,
            }
        )
        _add_frames(content, video, dataset.labels(index))

    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
    partial.unlink()
    return target


def _file(folder: Path, name: str, ending: str) -> Path:
    path = path_below(folder, name)
    return path.with_name(path.name + ending)


def _refuse_shared_names(dataset: VideoDataset, directory: Path, split: str) -> None:
    """A video that another split of the directory lists must not be written over."""
    names = {f"videos/{video.name}.mp4" for video in dataset.videos}
    if len(names) != len(dataset):
        raise InputError(f"videos need different names. Received: {len(dataset)} videos with {len(names)} names")
    for other in sorted((directory / "annotations").glob("*.json")):
        try:
            listed = {video.get("file_name") for video in json.loads(other.read_text(encoding="utf-8-sig"))["videos"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{other} is no COCO-VID file: move it away, or choose another directory") from error
        if shared := sorted(names & listed):
            raise InputError(
                f"{other} already lists {shared[0]}, which the split '{split}' would write over ({len(shared)} such "
                "videos): choose another directory, or another seed for synthetic videos"
            )


def _refuse_other_videos(dataset: VideoDataset, files: Sequence[Path], partial: Path) -> None:
    """A video that no interrupted run of this split left behind must not be written over either."""
    try:
        own = set(json.loads(partial.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        own = set()
    for video, path in zip(dataset.videos, files, strict=True):
        if path.exists() and video.name not in own:
            raise InputError(f"{path} exists already and would be written over: choose another directory")


def _write_video(dataset: VideoDataset, index: int, target: Path) -> None:
    video = dataset.videos[index]
    with VideoSink(target, video.fps, whole=True) as sink:
        for start in range(0, video.length, _CHUNK):
            for picture in dataset.read(index, start, min(start + _CHUNK, video.length)):
                sink.write(picture)


def _add_frames(content: dict[str, Any], video: Video, labels: Sequence[FrameLabels]) -> None:
    """Appends the images and annotations of one video."""
    for number, frame in enumerate(labels):
        if number in video.unlabelled:
            continue
        image_id = len(content["images"]) + 1
        content["images"].append(
            {
                "id": image_id,
                "video_id": video.id,
                "frame_id": number,
                "width": video.width,
                "height": video.height,
            }
        )
        objects = [(*entry, 0) for entry in zip(frame.boxes, frame.classes, frame.tracks, strict=True)]
        # A region is nobody in particular.
        regions = [(*entry, NO_TRACK, 1) for entry in zip(frame.ignored, frame.ignored_classes, strict=True)]
        for box, class_index, track, crowd in objects + regions:
            x1, y1, x2, y2 = (round(float(value), 3) for value in box)
            width, height = round(x2 - x1, 3), round(y2 - y1, 3)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image_id,
                    "video_id": video.id,
                    **({} if track == NO_TRACK else {"instance_id": int(track)}),
                    "category_id": int(class_index) + 1,
                    "bbox": [x1, y1, width, height],
                    "area": round(width * height, 3),
                    "iscrowd": crowd,
                }
            )
