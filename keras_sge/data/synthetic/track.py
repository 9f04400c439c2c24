"""One object of one video: its outline in pixels at every frame, and what of it can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

_GRID = 32


@dataclass(frozen=True)
class Track:
    """One object's flight.

    Attributes:
        class_index: index into the data set's classes.
        points: float32 (frames, n, 2), x, y in frame pixels; pixel i covers i to i + 1.
        bounds: float32 (frames, 4), x1, y1, x2, y2 of the whole outline, wherever it lies.
        parts: where the points of each convex solid lie among them, in painting order.
        paints: float (frames, parts, 4), BGR times alpha and alpha, 0 to 255.
        softness: standard deviation in pixels of the blur that distance and lens add.
        smear: float32 (frames, 2), pixels the object moves while the shutter is open.
    """

    class_index: int
    points: np.ndarray
    bounds: np.ndarray
    parts: Sequence[slice]
    paints: np.ndarray
    softness: float
    smear: np.ndarray

    def seen_from(self, places: np.ndarray) -> Track:
        """The same track for a camera that is at `places`, (frames, 2) in pixels, instead of standing at 0."""
        shift = places.astype(np.float32)
        return replace(self, points=self.points - shift[:, None], bounds=self.bounds - np.tile(shift, 2))

    def touches(self, size: int) -> np.ndarray:
        """bool (frames,): where the bounds reach into the square frame."""
        return (self.bounds[:, :2] < size).all(1) & (self.bounds[:, 2:] > 0).all(1)

    def hulls(self, frame: int) -> list[np.ndarray]:
        """The outline at one frame as convex polygons, float32 (n, 2) each, one for each part."""
        return [cv2.convexHull(self.points[frame, part])[:, 0] for part in self.parts]


def bounds_inside(hulls: Sequence[np.ndarray], size: int) -> np.ndarray | None:
    """Tight bounds, float32 (4,), of what of the polygons lies in the square frame; None when nothing does."""
    border = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    pieces = [piece[:, 0] for area, piece in (cv2.intersectConvexConvex(hull, border) for hull in hulls) if area > 0]
    if not pieces:
        return None
    corners = np.clip(np.concatenate(pieces), 0, size)
    return np.concatenate([corners.min(0), corners.max(0)])


def visible_share(
    hulls: Sequence[np.ndarray],
    bounds: np.ndarray,
    size: int,
    hidden: Callable[[np.ndarray], np.ndarray],
    nearer: Sequence[np.ndarray],
) -> float:
    """The share of an outline's area in the frame and behind neither scenery (`hidden`) nor `nearer` outlines.

    Counted on a coarse grid over the outline's bounds.
    """
    cell = (bounds[2:] - bounds[:2]) / _GRID
    cells = np.zeros((_GRID, _GRID), np.uint8)
    _fill(cells, hulls, bounds[:2], cell, 1)
    rows, columns = np.nonzero(cells)
    _fill(cells, nearer, bounds[:2], cell, 0)
    points = np.stack([columns + 0.5, rows + 0.5], -1) * cell + bounds[:2]
    seen = ((points >= 0) & (points < size)).all(1) & (cells[rows, columns] > 0)
    return float((seen & ~hidden(points)).mean())


def _fill(cells: np.ndarray, polygons: Sequence[np.ndarray], corner: np.ndarray, cell: np.ndarray, value: int) -> None:
    for polygon in polygons:
        points = ((polygon - corner) / cell * 16 - 8).astype(np.int32)
        cv2.fillConvexPoly(cells, points, value, cv2.LINE_8, 4)
