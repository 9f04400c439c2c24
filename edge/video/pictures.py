"""Pictures on disk: which files are some, in which order they follow each other, and their pixels, upright."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from edge.errors import InputError
from edge.quiet import quiet_opencv
from edge.video.orientation import exif_orientation, turn_picture

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def natural_order(path: str | os.PathLike[str]) -> list[tuple[str, int]]:
    """A key to sort paths by: frame 2 comes before frame 10."""
    name = os.fspath(path)
    parts = re.split("([0-9]+)", name)
    # 01 and 1 are equal as numbers: the text decides.
    return [*zip(parts[::2], map(int, [*parts[1::2], "-1"]), strict=True), (name, 0)]


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in a folder, in natural order; hidden ones are passed over."""
    return sorted((item for item in folder.iterdir() if is_picture(item)), key=natural_order)


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name says that it is a picture; `._1.jpg` and its like are other systems' notes."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_picture(path: str | os.PathLike[str]) -> np.ndarray:
    """The pixels of a picture, upright, as a viewer shows it: turned as its EXIF orientation says.

    Args:
        path: of a file of one of `IMAGE_SUFFIXES`; of several pages or pictures the first counts.

    Returns:
        uint8 (height, width, 3), BGR.

    Raises:
        InputError: it is missing or cannot be decoded.
    """
    return read_turned_picture(path)[0]


def read_turned_picture(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """`read_picture`, and the EXIF orientation, 1 to 8, by which the stored pixels were turned."""
    content, orientation = _content(path)
    with quiet_opencv():
        try:
            picture = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(content) else None
        except cv2.error:
            # A damaged header may announce more pixels than OpenCV allows.
            picture = None
    if picture is None:
        raise InputError(f"cannot decode the image {path} ({len(content)} bytes). Remove it, or copy it again.")
    return turn_picture(picture, orientation), orientation


def picture_orientation(path: str | os.PathLike[str]) -> int:
    """The EXIF orientation of a picture, 1 to 8, without decoding it."""
    return _content(path)[1]


def _content(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read the image {path}: {error.strerror}.") from error
    orientation, offset = exif_orientation(content.tobytes())
    if offset is not None and content[:2].tobytes() in (b"II", b"MM"):
        # OpenCV always turns TIFF, and fails where the sides change places: here it reads that none is needed.
        content[offset : offset + 2] = (1, 0) if content[0] == ord("I") else (0, 1)
    return content, orientation
