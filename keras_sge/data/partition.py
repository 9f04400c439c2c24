"""Splits of one's own: which recordings are trained on, which are held back, and whether these show the same scenes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.formats.form import read_json
from keras_sge.data.splits import recordings_by_class, source_name
from keras_sge.progress import Progress, no_progress

BLOCK, VIDEO, TIME = "block", "video", "time"
# Scenes are compared as pictures of so many pixels a side; below this mean difference, of 255, two are alike.
_SIDE = 16
_ALIKE = 6.0

# Split -> video index -> the frames of it.
Parts = dict[str, dict[int, range]]


def partition(dataset: VideoDataset, shares: Mapping[str, float], by: str = BLOCK, seed: int = 0) -> Parts:
    """Divides videos, each class by itself, so that every split has a like share of each.

    Windows of one recording (`V_BIRD_012_3` of `V_BIRD_012`) stay together. A class of at least as many recordings as
    there are splits is in all of them.

    Args:
        dataset: the videos. shares: split -> its share, above 0, in sum below 1; `train` gets the rest.
        by: "block": each split takes neighbours, in the natural order of names, because recordings next to each other
            often show one scene; "video": drawn one by one; "time": every video is cut, its end is held back, for those
            who have one video only: scene and objects are then the same on both sides.
        seed: another one draws others.

    Raises:
        InputError: shares that do not fit, or too few recordings.
    """
    if not shares or min(shares.values()) <= 0 or sum(shares.values()) >= 1 or "train" in shares:
        raise InputError(f"shares must be above 0 and in sum below 1; train gets the rest. Received: {dict(shares)}")
    if by == TIME:
        return _by_time(dataset, shares)
    rng = np.random.default_rng(seed)
    chosen: dict[str, set[str]] = {name: set() for name in shares}
    for group in recordings_by_class(dataset).values():
        order = rng.permutation(group) if by == VIDEO else np.roll(group, rng.integers(len(group)))
        taken = 0
        for name, share in shares.items():
            count = max(round(share * len(group)), int(len(group) > len(shares)))
            chosen[name].update(order[taken : taken + count].tolist())
            taken += count
    parts: Parts = {name: {} for name in ("train", *shares)}
    for index, video in enumerate(dataset.videos):
        source = source_name(video.name)
        part = next((name for name, sources in chosen.items() if source in sources), "train")
        parts[part][index] = range(video.length)
    if empty := [name for name, videos in parts.items() if not videos]:
        raise InputError(
            f"the split {empty[0]} would be empty: there are {len({source_name(one.name) for one in dataset.videos})} "
            "recordings. Expected more of them, or --by time, which cuts each video."
        )
    return parts


def _by_time(dataset: VideoDataset, shares: Mapping[str, float]) -> Parts:
    parts: Parts = {name: {} for name in ("train", *shares)}
    for index, video in enumerate(dataset.videos):
        stop = video.length
        for name, share in reversed(shares.items()):
            start = stop - max(1, round(share * video.length))
            parts[name][index], stop = range(start, stop), start
        if stop < 1:
            raise InputError(f"{video.name} has {video.length} frames: too few to cut it into {len(parts)}.")
        parts["train"][index] = range(stop)
    return parts


def write_partition(dataset: VideoDataset, source: Path, parts: Parts) -> list[Path]:
    """Writes an annotation file for each split beside that of the whole; videos stay where they are.

    Args:
        dataset: what `source` lists. source: a COCO-VID annotation file. parts: of `partition`.

    Returns:
        The files.

    Raises:
        InputError: one of them exists already, or the source has no videos.
    """
    targets = [source.with_name(f"{name}.json") for name in parts]
    for target in targets:
        if target.exists():
            raise InputError(f"{target} exists already: move it away first.")
    document = read_json(source, "Expected COCO-VID annotations")
    if "videos" not in document:
        raise InputError(f"{source} is COCO without videos. Run `sge data convert` first, whose copy can be split.")
    for target, videos in zip(targets, parts.values(), strict=True):
        frames = {dataset.videos[index].id: own for index, own in videos.items()}
        with atomic_path(target) as temporary:
            temporary.write_text(json.dumps(_part(document, frames)), encoding="utf-8")
    return targets


def _part(document: dict[str, Any], frames: Mapping[int, range]) -> dict[str, Any]:
    """Of a COCO-VID document what is in these frames of these videos (by their ids)."""
    images = [image for image in document["images"] if image["frame_id"] in frames.get(image["video_id"], ())]
    ids = {image["id"] for image in images}
    return {
        **document,
        "videos": [video for video in document["videos"] if video["id"] in frames],
        "images": images,
        "annotations": [entry for entry in document["annotations"] if entry["image_id"] in ids],
    }


def same_scenes(dataset: VideoDataset, parts: Parts, progress: Progress = no_progress) -> list[tuple[str, str]]:
    """Names of videos held back and, beside each, of the recording trained on that it looks like most.

    Middle frames are compared as pictures of 16 x 16 pixels: it finds a camera that stands still, not every scene.

    Args:
        progress: around the videos, of which one frame each is decoded.
    """
    pictures = np.stack([_picture(dataset, index) for index in progress(range(len(dataset)))])
    sources = [source_name(video.name) for video in dataset.videos]
    training = list(parts["train"])
    pairs = []
    for index in (index for name, videos in parts.items() if name != "train" for index in videos):
        difference = np.abs(pictures[training] - pictures[index]).mean(axis=(1, 2, 3))
        nearest = int(difference.argmin())
        if difference[nearest] < _ALIKE:
            pairs.append((dataset.videos[index].name, sources[training[nearest]]))
    return pairs


def _picture(dataset: VideoDataset, index: int) -> np.ndarray:
    middle = dataset.videos[index].length // 2
    frame = dataset.read(index, middle, middle + 1)[0]
    return cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
