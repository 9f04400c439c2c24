"""Convex solids as point clouds: whatever the view, the outline is the convex hull of the projected points.

Body axes: x forward, y left, z up.
"""

from __future__ import annotations

import cv2
import numpy as np

from keras_sge.data.synthetic.track import Track

_SUBPIXEL_BITS = 4


def ellipsoid(center: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
    """Surface points of an ellipsoid: float64 (42, 3)."""
    along = np.repeat([-0.92, -0.6, 0.0, 0.6, 0.92], 8)
    around = np.tile(np.arange(8) * np.pi / 4, 5)
    ring = np.sqrt(1 - along**2)
    points = np.stack([along, ring * np.cos(around), ring * np.sin(around)], -1)
    return np.concatenate([points, [[1, 0, 0], [-1, 0, 0]]]) * radii + center


def slab(corners: list[tuple[float, float, float]], thickness: float, axis: int = 2) -> np.ndarray:
    """A plate of four corners, made `thickness` thick along one body axis: float64 (8, 3)."""
    plate = np.asarray(corners, np.float64)
    half = np.zeros(3)
    half[axis] = thickness / 2
    return np.concatenate([plate - half, plate + half])


def disc(center: tuple[float, float, float], radius: float, thickness: float, axis: int = 2) -> np.ndarray:
    """A round plate whose normal is a body axis: float64 (32, 3)."""
    angles = np.arange(16) * np.pi / 8
    plate = np.zeros((16, 3))
    plate[:, (axis + 1) % 3] = radius * np.cos(angles)
    plate[:, (axis + 2) % 3] = radius * np.sin(angles)
    half = np.zeros(3)
    half[axis] = thickness / 2
    return np.concatenate([plate - half, plate + half]) + center


def mirror(points: np.ndarray) -> np.ndarray:
    """The same solid on the other side of the body: (..., 3) with y negated."""
    return points * (1, -1, 1)


def draw(track: Track, frame: int, size: int) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The object alone, cut to the frame; None when it is outside.

    Returns:
        layer: uint8 (h, w, 4), BGR times alpha and alpha.
        corner: x, y of the layer's first pixel in the frame.
    """
    points = track.points[frame]
    pad = 1 + int(np.ceil(2.5 * track.softness + np.abs(track.smear[frame]).max() / 2))
    low = np.floor(points.min(0)).astype(int) - pad
    high = np.ceil(points.max(0)).astype(int) + pad
    if (high <= 0).any() or (low >= size).any():
        return None
    width, height = high - low
    # Drawn larger and shrunk, for smooth edges at exact sub-pixel places: OpenCV's own anti-aliasing widens outlines.
    scale = min(max(200 // max(width, height), 2), 4)
    canvas = np.zeros((height * scale, width * scale, 4), np.uint8)
    corners = np.round(((points - low) * scale - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    for part, color in zip(track.parts, track.paints[frame].tolist(), strict=True):
        cv2.fillConvexPoly(canvas, cv2.convexHull(corners[part]), color, cv2.LINE_8, _SUBPIXEL_BITS)
    layer = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    if track.softness > 0.2:
        layer = cv2.GaussianBlur(layer, (0, 0), track.softness)
    layer = _smear(layer, track.smear[frame])
    left, top = np.maximum(low, 0)
    return layer[top - low[1] : size - low[1], left - low[0] : size - low[0]], (left, top)


def paint(picture: np.ndarray, track: Track, frame: int, veil: np.ndarray | None) -> None:
    """Draws the object into the square uint8 BGR picture, in place.

    `veil` is the cloud before the object, float32 (size, size), 0 to 1.
    """
    drawn = draw(track, frame, len(picture))
    if drawn is None:
        return
    layer, (left, top) = drawn
    height, width = layer.shape[:2]
    if veil is not None:
        layer = (layer * (1 - veil[top : top + height, left : left + width, None])).astype(np.uint8)
    behind = picture[top : top + height, left : left + width]
    clear = cv2.cvtColor(255 - layer[..., 3], cv2.COLOR_GRAY2BGR)
    behind[:] = cv2.add(cv2.multiply(behind, clear, scale=1 / 255), cv2.cvtColor(layer, cv2.COLOR_BGRA2BGR))


def _smear(layer: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Motion blur along `step` (x, y in pixels)."""
    length = float(np.hypot(*step))
    if length < 0.8:
        return layer
    side = 2 * int(np.ceil(np.abs(step).max() / 2)) + 3
    line = np.zeros((side, side), np.uint8)
    x, y = np.round(step * 8).astype(int).tolist()
    center = side // 2 * 16
    cv2.line(line, (center - x, center - y), (center + x, center + y), 255, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    kernel = line.astype(np.float32)
    return cv2.filter2D(layer, -1, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)
