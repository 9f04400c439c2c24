"""Convex solids as point clouds: whatever the view, the outline is the convex hull of the projected points.

Body axes: x forward, y left, z up.
"""

from __future__ import annotations

import numpy as np


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
    """Surface points of an ellipsoid: float64 (42, 3)."""
    along = np.repeat([-0.92, -0.6, 0.0, 0.6, 0.92], 8)
    around = np.tile(np.arange(8) * np.pi / 4, 5)
    ring = np.sqrt(1 - along**2)
    points = np.stack([along, ring * np.cos(around), ring * np.sin(around)], -1)
    return np.concatenate([points, [[1, 0, 0], [-1, 0, 0]]]) * radii + centre


def slab(corners: list[tuple[float, float, float]], thickness: float, axis: int = 2) -> np.ndarray:
    """A plate of four corners, made `thickness` thick along one body axis: float64 (8, 3)."""
    plate = np.asarray(corners, np.float64)
    half = np.zeros(3)
    half[axis] = thickness / 2
    return np.concatenate([plate - half, plate + half])


def disc(centre: tuple[float, float, float], radius: float, thickness: float, axis: int = 2) -> np.ndarray:
    """A round plate whose normal is a body axis: float64 (32, 3)."""
    angles = np.arange(16) * np.pi / 8
    plate = np.zeros((16, 3))
    plate[:, (axis + 1) % 3] = radius * np.cos(angles)
    plate[:, (axis + 2) % 3] = radius * np.sin(angles)
    half = np.zeros(3)
    half[axis] = thickness / 2
    return np.concatenate([plate - half, plate + half]) + centre


def mirror(points: np.ndarray) -> np.ndarray:
    """The same solid on the other side of the body: (..., 3) with y negated."""
    return points * (1, -1, 1)
