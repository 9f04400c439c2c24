"""Several streams in one picture, for sinks that show one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from edge.draw import with_caption
from edge.frame_result import FrameResult
from edge.sinks.sink import Picture, Sink
from edge.sinks.video_sink import letterbox
from edge.stream_event import StreamEvent

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

    def __exit__(self, *exception: object) -> None:
        self._sink.__exit__(*exception)

    @property
    def closed(self) -> bool:
        """Whether the person who looks wants to end."""
        return self._sink.closed

    def write(self, result: FrameResult, picture: Picture) -> None:
        # Drawn when somebody looks, so that no stream's picture is older than its newest frame.
        self._waiting[result.stream] = picture
        self._sink.write(result, self._picture)

    def event(self, event: StreamEvent) -> None:
        self._sink.event(event)

    def _picture(self) -> np.ndarray:
        for stream, picture in self._waiting.items():
            self._put(stream, picture())
        self._waiting.clear()
        return self._canvas.copy()

    def _put(self, stream: Hashable, picture: np.ndarray) -> None:
        if self._canvas is None:
            self._begin(picture)
        tile = with_caption(letterbox(picture, self._size), str(stream))
        row, column = divmod(self._streams.index(stream), self._columns)
        top, left = row * tile.shape[0], column * tile.shape[1]
        self._canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile

    def _begin(self, picture: np.ndarray) -> None:
        """The tiles have the shape of the first picture."""
        width = min(picture.shape[1], _MOST_WIDTH // self._columns)
        self._size = width, max(1, round(picture.shape[0] * width / picture.shape[1]))
        empty = np.zeros((self._size[1], width, 3), np.uint8)
        tiles = [with_caption(empty, str(stream)) for stream in self._streams]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % self._columns)
        rows = [np.hstack(tiles[start : start + self._columns]) for start in range(0, len(tiles), self._columns)]
        self._canvas = np.vstack(rows)
