"""Frames that lie on disk as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.errors import InputError
from keras_sge.data.video_dataset import Video


def read_images(paths: Sequence[Path], video: Video) -> np.ndarray:
    """Decodes the images of one clip.

    Args:
        paths: one image a frame, at least one. video: what they belong to.

    Returns:
        uint8 (len(paths), video.height, video.width, 3), BGR.

    Raises:
        InputError: an image is missing, unreadable, or of another size than the video.
    """
    clip = np.empty((len(paths), video.height, video.width, 3), np.uint8)
    for place, path in zip(clip, paths, strict=True):
        if not path.is_file():
            raise InputError(f"no image {path}, which is a frame of {video.name}. Copy the data set again.")
        # Boxes belong to the pixels as they are stored, whatever a camera said of its rotation.
        frame = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if frame is None:
            raise InputError(f"cannot decode the image {path} ({path.stat().st_size} bytes). Copy or extract it again.")
        if frame.shape != place.shape:
            raise InputError(
                f"{path} has {frame.shape[1]} x {frame.shape[0]} px; the annotations of {video.name} say "
                f"{video.width} x {video.height}."
            )
        place[...] = frame
    return clip
