"""A run at a glance: some of its frames, evenly spread, in one picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.draw import draw_detections, picture_grid, with_caption
from edge.errors import InputError
from edge.results import FrameResult
from edge.sinks.sink import Picture, Sink

# Pixels of a picture in the sheet at the most; smaller frames are enlarged before boxes are drawn.
CELL_WIDTH, CELL_HEIGHT = 320, 480
# Width over height of a sheet that fills a screen.
_LANDSCAPE = 1.6


class ContactSheet(Sink):
    """One picture of frames spread evenly over the run, boxes drawn in, read row by row; written when the run ends,
    also after Ctrl-C or an error.

    How long the run will be need not be known: four times as many pictures as are shown are kept at most, and every
    second one is given up whenever there is no more room.

    Args:
        path: ends in .png or .jpg.
        frames: how many are shown, at least 1; all, where the run has fewer.
        columns: of the sheet; None takes those that leave no cell empty and make the sheet about as wide as a screen.

    Raises:
        InputError: `path` has another ending; when leaving, where the file cannot be written.
    """

    SUFFIXES = (".png", ".jpg")

    def __init__(self, path: str | os.PathLike[str], frames: int = 6, columns: int | None = None):
        self._path, self._frames, self._columns = Path(path), frames, columns
        if self._path.suffix.lower() not in self.SUFFIXES:
            raise InputError(f"a sheet is a {' or '.join(self.SUFFIXES)} file. Received: {path}")
        self._kept: list[np.ndarray] = []
        self._stride, self._seen = 1, 0

    def write(self, result: FrameResult, picture: Picture) -> None:
        if self._seen % self._stride == 0:
            self._kept.append(_cell(result))
        self._seen += 1
        if len(self._kept) > 4 * self._frames:
            self._kept, self._stride = self._kept[::2], 2 * self._stride

    def __exit__(self, *exception: Any) -> None:
        if not self._kept:
            return
        chosen = np.linspace(0, len(self._kept) - 1, min(self._frames, len(self._kept))).round().astype(int)
        cells = [self._kept[number] for number in chosen]
        height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
        sheet = picture_grid(cells, self._columns or _columns(len(cells), width / height))
        with atomic_path(self._path) as temporary:
            if not cv2.imwrite(str(temporary), sheet):
                raise InputError(f"{self._path} could not be written; OpenCV does not say why.")


def _columns(cells: int, aspect: float) -> int:
    """The best number of columns for so many cells of this width over height: empty cells weigh most."""

    def cost(columns: int) -> float:
        rows = -(-cells // columns)
        empty = 1 - cells / (rows * columns)
        return 10 * empty + abs(np.log(aspect * columns / rows / _LANDSCAPE))

    return min(range(1, cells + 1), key=cost)


def _cell(result: FrameResult) -> np.ndarray:
    """The frame at the sheet's size, with its boxes, and its time below."""
    assert result.frame is not None, "results of a stream have their frames"
    height, width = result.frame.shape[:2]
    picture = draw_detections(result.frame, result, min(CELL_WIDTH / width, CELL_HEIGHT / height))
    return with_caption(picture, f"{result.time:.2f} s")
