"""A data set from a folder, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edge.errors import InputError
from keras_sge.data.coco_vid import CocoVid
from keras_sge.data.imagenet_vid import ImageNetVid
from keras_sge.data.mot_challenge import MotChallenge
from keras_sge.data.video_dataset import VideoDataset


def open_videos(
    directory: str | Path, split: str, progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None
) -> VideoDataset:
    """The videos of one split; the folder's layout tells the format.

    Args:
        directory: the data set's root. split: its name, such as `train` or `val`.
        progress: wraps the iteration over videos while a format of many files is indexed, such as `tqdm`.

    Raises:
        InputError: no data set there, or a wrong one.
    """
    directory = Path(directory)
    if any((directory / "annotations").glob("*.json")):
        return CocoVid(directory, split)
    if (directory / "Annotations" / "VID").is_dir():
        return ImageNetVid(directory, split, progress)
    if any(directory.glob("*/*/gt/gt.txt")):
        return MotChallenge(directory, split, progress)
    raise InputError(
        f"no data set in {directory}{'' if directory.is_dir() else ', which is no folder'}. Expected one of three "
        f"layouts: COCO-VID with annotations/{split}.json; ImageNet VID with Data/VID/{split} and "
        f"Annotations/VID/{split}; MOTChallenge with {split}/SEQUENCE/gt/gt.txt."
    )
