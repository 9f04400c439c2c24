"""How the four objects move: paths float64 (frames, 2), the center in frame sides, x right and y down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

_GRID = 32


def cruise(frames: int, when: float, where: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Straight and steady: at `where` at frame `when`, `velocity` in frame sides per frame."""
    return where + (np.arange(frames)[:, None] - when) * velocity


def linger(frames: int, when: float, where: np.ndarray, hold: float, rng: np.random.Generator) -> np.ndarray:
    """Comes in, hangs about `where` from frame `when - hold` to `when + hold`, and leaves."""
    late = np.arange(frames) - when
    beyond = np.maximum(np.abs(late) - hold, 0)
    angles = rng.uniform(0, 2 * np.pi, 2)
    legs = np.stack([np.cos(angles), np.sin(angles) * 0.5], -1)
    # Speeds up over about ten frames to its travelling speed.
    out = 0.017 * beyond**2 / (beyond + 10)
    drift = rng.uniform(-0.0015, 0.0015, 2)
    leg = np.where(late[:, None] < 0, legs[0], legs[1])
    return where + np.clip(late, -hold, hold)[:, None] * drift + out[:, None] * leg


def jerks(rng: np.random.Generator, frames: int, step: float) -> np.ndarray:
    """Small sudden moves: every few frames a new place about `step` away is aimed at and reached in two or three."""
    places = rng.normal(0, step, (frames, 2))
    changes = rng.random(frames) < 0.22
    held = np.maximum.accumulate(np.where(changes, np.arange(frames), 0))
    target = places[held]
    path = np.empty((frames, 2))
    position = target[0]
    for frame in range(frames):
        position = position + 0.5 * (target[frame] - position)
        path[frame] = position
    return path + rng.normal(0, step * 0.12, (frames, 2))


def sway(rng: np.random.Generator, frames: int, size: float, period: tuple[float, float]) -> np.ndarray:
    """A slow bounded wander, for floating, for undulating and for the camera: at most `size` each way."""
    phases = 2 * np.pi * (np.arange(frames)[:, None] / rng.uniform(*period, 2) + rng.random(2))
    return size * np.sin(phases)


def rotations(yaw: np.ndarray, roll: np.ndarray, elevation: float) -> np.ndarray:
    """Body axes to screen, float64 (frames, 2, 3), for a camera that looks up at `elevation` radians.

    Yaw 0 flies to the right, pi/2 away from the camera; positive roll lifts the left wing.
    """
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    bank = np.array([[one, zero, zero], [zero, np.cos(roll), -np.sin(roll)], [zero, np.sin(roll), np.cos(roll)]])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), zero], [np.sin(yaw), np.cos(yaw), zero], [zero, zero, one]])
    view = np.array([[1, 0, 0], [0, np.sin(elevation), -np.cos(elevation)]])
    return np.einsum("ij,jkt,klt->til", view, turn, bank)


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
