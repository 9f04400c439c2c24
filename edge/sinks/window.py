"""Results in a window; several streams in one picture."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Hashable, Sequence
from typing import Any

import cv2
import numpy as np

from edge.draw import letterbox, with_caption
from edge.errors import InputError
from edge.results import FrameResult, StreamEvent
from edge.sinks.sink import Picture, Sink

_INSTEAD = "Use --save for a video, or --serve to watch in a browser."
# Of the whole picture, in pixels: what screens have room for.
_MOST_WIDTH = 1280


class Mosaic(Sink):
    """The newest pictures of several streams side by side, each with its id below, handed to a sink as one picture.

    Args:
        sink: a window or a page; it is entered and left with this one.
        streams: their ids, at least one; their order is that of the tiles, row by row.
    """

    def __init__(self, sink: Sink, streams: Sequence[Hashable]):
        self._sink, self._streams = sink, list(streams)
        self._columns = math.ceil(math.sqrt(len(self._streams)))
        self._waiting: dict[Hashable, Picture] = {}
        self._canvas: np.ndarray | None = None

    def __enter__(self) -> Mosaic:
        self._sink.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._sink.__exit__(*exception)

    def write(self, result: FrameResult, picture: Picture) -> None:
        # Drawn when a viewer asks for it, so that no stream's picture is older than its newest frame.
        self._waiting[result.stream] = picture
        self._sink.write(result, self._picture)
        self.closed = self._sink.closed

    def event(self, event: StreamEvent) -> None:
        self._sink.event(event)

    def _picture(self) -> np.ndarray:
        pictures = {stream: picture() for stream, picture in self._waiting.items()}
        self._waiting.clear()
        if self._canvas is None:
            self._canvas = self._begin(next(iter(pictures.values())))
        for stream, picture in pictures.items():
            tile = with_caption(letterbox(picture, self._size), str(stream))
            row, column = divmod(self._streams.index(stream), self._columns)
            top, left = row * tile.shape[0], column * tile.shape[1]
            self._canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        return self._canvas.copy()

    def _begin(self, picture: np.ndarray) -> np.ndarray:
        """The canvas with an empty tile for each stream, in the shape of the first picture."""
        width = min(picture.shape[1], _MOST_WIDTH // self._columns)
        self._size = width, max(1, round(picture.shape[0] * width / picture.shape[1]))
        empty = np.zeros((self._size[1], width, 3), np.uint8)
        tiles = [with_caption(empty, str(stream)) for stream in self._streams]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % self._columns)
        rows = [np.hstack(tiles[start : start + self._columns]) for start in range(0, len(tiles), self._columns)]
        return np.vstack(rows)


class Window(Sink):
    """A window with the boxes drawn in. `closed` once q or Esc is pressed or the window is closed.

    Raises:
        InputError: there is no screen, or this OpenCV was built without windows.
    """

    def __init__(self, title: str = "sge-edge"):
        self._title, self._shown = title, False
        # Qt ends the whole process where there is no display.
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError(f"a window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set. {_INSTEAD}")

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            cv2.destroyWindow(self._title)

    def write(self, result: FrameResult, picture: Picture) -> None:
        if self.closed:
            return
        try:
            cv2.imshow(self._title, picture())
            key = cv2.waitKey(1) & 0xFF
            # 0 or below: the window's own button closed it; asked only once it is there.
            gone = self._shown and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error as error:
            raise InputError(f"this OpenCV was built without windows. {_INSTEAD}") from error
        self._shown = not gone
        self.closed = gone or key in (ord("q"), 27)
