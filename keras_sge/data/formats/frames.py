"""Frames that lie on disk, as images or in a video file: upright, and with them labels that were made for other sides.

The rule everywhere is what a viewer shows: pixels are turned as EXIF or a video's rotation metadata say. Labels are
taken to be of the upright frame. Some tools label the pixels as they are stored; where width and height change places,
their size gives such labels away, and they are turned along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.orientation import UPRIGHT, turn_boxes, turns_sides
from edge.video.pictures import is_picture, picture_orientation, read_picture, read_turned_picture
from edge.video.reader import VideoReader, video_orientation
from keras_sge.data.dataset import FrameLabels, Video


def read_images(paths: Sequence[Path], video: Video) -> np.ndarray:
    """Decodes the images of one clip.

    Args:
        paths: one image per frame, at least one. video: what they belong to.

    Returns:
        uint8 (len(paths), video.height, video.width, 3), BGR, upright.

    Raises:
        InputError: an image is missing, unreadable, of another size than the video, or turned otherwise than labels
            that were made for the pixels as stored.
    """
    clip = np.empty((len(paths), video.height, video.width, 3), np.uint8)
    for place, path in zip(clip, paths, strict=True):
        if not path.is_file():
            raise InputError(f"no image {path}, which is a frame of {video.name}. Copy the data set again.")
        frame, orientation = read_turned_picture(path)
        _check_size(frame, video, path)
        if video.orientation not in (UPRIGHT, orientation):
            raise InputError(
                f"{path} has EXIF orientation {orientation}, the first frame of {video.name} {video.orientation}: "
                "labels made for the pixels as they are stored cannot be turned along. Store the pixels upright."
            )
        place[...] = frame
    return clip


def read_video(path: Path, video: Video, start: int, stop: int) -> np.ndarray:
    """Decodes frames `start` to `stop` (exclusive, at least one) of a video file, those that a viewer shows.

    Returns:
        uint8 (stop - start, video.height, video.width, 3), BGR, upright.

    Raises:
        InputError: the file is missing, unreadable, of another size than the video says, ends too early, or a frame of
            it is damaged.
    """
    if not path.is_file():
        raise InputError(f"no video file {path}, which the annotations name.")
    clip = np.empty((stop - start, video.height, video.width, 3), np.uint8)
    with VideoReader(path, start, str(path)) as reader:
        for number, place in enumerate(clip, start):
            item = reader.read()
            if item is None:
                raise InputError(
                    f"{path} ends or breaks before frame {number}; its annotations go on to frame {stop}. The file "
                    "is damaged or cut short, or an edit list hides frames that were annotated: copy it again, or "
                    "encode it anew."
                )
            if item[0] != number:
                raise InputError(f"{path} is damaged: frame {number} cannot be decoded. Copy it again.")
            _check_size(item[2], video, path)
            place[...] = item[2]
    return clip


def upright_video(video: Video, labels: Sequence[FrameLabels], path: Path) -> tuple[Video, Sequence[FrameLabels]]:
    """A video and its labels as a viewer shows them, whatever frame the labels were made for.

    Args:
        video: with the size that its annotations say. labels: of every frame.
        path: its file, or the image of its first frame; one that is missing or unreadable is reported when it is read.

    Returns:
        Both as they are, but where the size is that of the frames as stored and not upright: sides changed,
        `orientation` set and boxes turned.
    """
    orientation = labels_orientation(path, video.width, video.height)
    if orientation == UPRIGHT:
        return video, labels
    turned = dataclasses.replace(video, width=video.height, height=video.width, orientation=orientation)
    return turned, [turn_labels(frame, turned) for frame in labels]


def labels_orientation(path: Path, width: int, height: int) -> int:
    """EXIF's number of the turn that labels for frames of `width` x `height` need: 1 for none, as ever where the size
    does not tell, for squares and for turns by 180 degrees."""
    if width == height:
        return UPRIGHT
    try:
        is_image = is_picture(path)
        orientation = picture_orientation(path) if is_image else video_orientation(path)
        if not turns_sides(orientation):
            return UPRIGHT
        if is_image:
            upright = read_picture(path).shape[:2]
        else:
            with VideoReader(path) as reader:
                upright = reader.height, reader.width
    except (InputError, OSError):
        return UPRIGHT
    return orientation if upright == (width, height) else UPRIGHT


def turn_labels(labels: FrameLabels, video: Video) -> FrameLabels:
    """Labels made for the frames of `video` as they are stored, turned along with them."""
    # Whatever has two dimensions is boxes.
    boxes = {name: value for name, value in vars(labels).items() if np.ndim(value) == 2}
    return dataclasses.replace(
        labels, **{name: turn_boxes(value, video.orientation, *stored_size(video)) for name, value in boxes.items()}
    )


def stored_size(video: Video) -> tuple[int, int]:
    """Width and height of the frames that the labels of `video` were made for."""
    turned = turns_sides(video.orientation)
    return (video.height, video.width) if turned else (video.width, video.height)


def _check_size(frame: np.ndarray, video: Video, path: Path) -> None:
    height, width = frame.shape[:2]
    if (height, width) != (video.height, video.width):
        raise InputError(
            f"{path} has {width} x {height} px as a viewer shows it; the annotations of {video.name} say "
            f"{video.width} x {video.height}. Correct these"
            + (", or store the pixels upright." if (width, height) == (video.height, video.width) else ".")
        )
