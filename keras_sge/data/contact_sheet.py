"""A look at a data set: some videos side by side over time, with their boxes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.errors import InputError
from keras_sge.data.video_dataset import FrameLabels, VideoDataset

# BGR; one colour for each class, taken in turn.
_COLOURS = ((90, 110, 255), (110, 230, 80), (40, 180, 255), (245, 150, 225), (219, 152, 52), (156, 188, 26))
_GAP = 2


def contact_sheet(
    dataset: VideoDataset, videos: Sequence[int], frames: Sequence[int] | Sequence[Sequence[int]], scale: float = 1.0
) -> np.ndarray:
    """Draws a table of frames: a row for each video, a column for each frame, boxes and class names on top.

    Args:
        dataset: any videos; frames of another shape than the first row's are fitted into it.
        videos: indices of the videos, one a row.
        frames: frame numbers, the same for all rows or one sequence for each row, all of one length.
        scale: size of a frame in the sheet as a multiple of its own.

    Returns:
        uint8 (height, width, 3), BGR.
    """
    rows = [list(row) for row in frames] if isinstance(frames[0], Sequence) else [list(frames)] * len(videos)
    if len(rows) != len(videos) or len({len(row) for row in rows}) != 1:
        lengths = [len(row) for row in rows]
        raise InputError(
            f"contact_sheet: expected `frames` for each of {len(videos)} videos, all of one length. Received: {lengths}"
        )
    first = dataset.videos[videos[0]]
    size = round(first.width * scale), round(first.height * scale)
    sheet = []
    for index, numbers in zip(videos, rows, strict=True):
        labels = dataset.labels(index)
        clip = dataset.read(index, min(numbers), max(numbers) + 1)
        cells = [_cell(clip[n - min(numbers)], labels[n], dataset.classes, size) for n in numbers]
        sheet.append(np.hstack(cells)[:, _GAP:])
    return np.vstack(sheet)[_GAP:]


def _cell(picture: np.ndarray, labels: FrameLabels, classes: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    picture, factor, shift = _fitted(picture, size)
    for box, class_index in zip(labels.boxes, labels.classes, strict=True):
        colour = _COLOURS[class_index % len(_COLOURS)]
        x1, y1, x2, y2 = np.round(box * factor + np.tile(shift, 2)).astype(int).tolist()
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 1)
        baseline = y1 - 3 if y1 > 12 else min(y2 + 11, size[1] - 3)
        (width, height), below = cv2.getTextSize(classes[class_index], cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)
        corner = max(min(x1, size[0] - width - 1), 1), baseline
        # Dark letters on a plate of the class's colour are readable on any picture.
        plate = corner[0] - 1, corner[1] - height - 1, width + 2, height + below + 1
        cv2.rectangle(picture, plate, colour, cv2.FILLED)
        cv2.putText(picture, classes[class_index], corner, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (20, 20, 20), 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(picture, _GAP, 0, _GAP, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, float, tuple[int, int]]:
    """The picture in the middle of a gray one of `size`, and where a point of it is there: factor * point + shift."""
    factor = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    width, height = (max(1, round(side * factor)) for side in picture.shape[1::-1])
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    fitted = np.full((size[1], size[0], 3), 200, np.uint8)
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    fitted[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=method)
    return fitted, factor, (left, top)
