"""SSD anchors (priors): where they stand and how large they are, shared by training and the device.

Source: Liu et al., "SSD: Single Shot MultiBox Detector", section 2.2. All lengths are fractions of the frame's sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AnchorMap:
    """The anchors of one detection map: the same boxes centred in every cell.

    Attributes:
        rows, columns: size of the detection map.
        boxes: (width, height) of each anchor of a cell, as fractions of the frame's width and height.
    """

    rows: int
    columns: int
    boxes: tuple[tuple[float, float], ...]


def ssd_cell_boxes(
    size: float, next_size: float, ratios: Sequence[float], image_height: int, image_width: int
) -> tuple[tuple[float, float], ...]:
    """The SSD boxes of one cell: squares of `size` and sqrt(size * next_size), then each ratio and its inverse.

    Args:
        size, next_size: side lengths in pixels of the network's input.
        ratios: aspect ratios above 1, width / height.
        image_height, image_width: the network's input size in pixels.

    Returns:
        2 + 2 * len(ratios) pairs (width, height), fractions of the frame's sides.
    """
    middle = (size * next_size) ** 0.5
    pixels = [(size, size), (middle, middle)]
    for ratio in ratios:
        root = ratio**0.5
        pixels += [(size * root, size / root), (size / root, size * root)]
    return tuple((width / image_width, height / image_height) for width, height in pixels)


def anchor_boxes(maps: Sequence[AnchorMap]) -> np.ndarray:
    """All anchors as float32 (n, 4): cx, cy, width, height; ordered by map, row, column, box like the outputs."""
    parts = []
    for grid in maps:
        cy, cx = np.meshgrid(
            (np.arange(grid.rows) + 0.5) / grid.rows, (np.arange(grid.columns) + 0.5) / grid.columns, indexing="ij"
        )
        centres = np.stack([cx, cy], axis=-1)[:, :, None, :]
        sizes = np.asarray(grid.boxes, np.float64)[None, None]
        shape = (grid.rows, grid.columns, len(grid.boxes), 2)
        boxes = np.concatenate([np.broadcast_to(centres, shape), np.broadcast_to(sizes, shape)], axis=-1)
        parts.append(boxes.reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)
