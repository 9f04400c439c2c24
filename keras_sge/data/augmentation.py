"""Random changes of a clip, the same for all of its frames: what moves must go on moving as it did."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.preprocess import resize_frame
from keras_sge.config import AugmentationConfig

# An object of which less is left inside the window no longer counts as one.
_MINIMUM_VISIBLE = 0.3


@dataclass(frozen=True)
class ClipTransform:
    """One clip's change.

    Attributes:
        window: x1, y1, x2, y2 of the part of the source frame that is kept, in pixels; may reach beyond the frame.
        flip: whether left and right change places.
        table: uint8 (1, 256, 3), the new value of every B, G, R value; None for no change.
        blur: standard deviation of a Gaussian blur of the result, in pixels; 0 for none.
        gray: whether colors are lost.
    """

    window: tuple[int, int, int, int]
    flip: bool = False
    table: np.ndarray | None = None
    blur: float = 0.0
    gray: bool = False

    def frame(self, frame: np.ndarray, height: int, width: int) -> np.ndarray:
        """uint8 (h, w, 3) -> uint8 (height, width, 3); outside the frame its border pixels are repeated."""
        x1, y1, x2, y2 = self.window
        rows, columns = frame.shape[:2]
        beyond = max(0, -y1), max(0, y2 - rows), max(0, -x1), max(0, x2 - columns)
        cut = frame[max(0, y1) : y2, max(0, x1) : x2]
        if any(beyond):
            cut = cv2.copyMakeBorder(cut, *beyond, cv2.BORDER_REPLICATE)
        result = resize_frame(cut, height, width)
        if self.table is not None:
            result = cv2.LUT(result, self.table)
        if self.gray:
            result = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if self.blur:
            result = cv2.GaussianBlur(result, (0, 0), self.blur)
        return cv2.flip(result, 1) if self.flip else np.ascontiguousarray(result)

    def boxes(self, boxes: np.ndarray, visible: float = _MINIMUM_VISIBLE) -> tuple[np.ndarray, np.ndarray]:
        """Boxes in the changed frame.

        Args:
            boxes: (n, 4) corners in the source frame's pixels. visible: share of its area that must be left of a box.

        Returns:
            float32 (k, 4) corners, fractions of the changed frame; and a bool (n,) mask of the boxes kept.
        """
        x1, y1, x2, y2 = self.window
        scaled = (boxes - (x1, y1, x1, y1)) / (x2 - x1, y2 - y1, x2 - x1, y2 - y1)
        if self.flip:
            scaled = np.stack([1 - scaled[:, 2], scaled[:, 1], 1 - scaled[:, 0], scaled[:, 3]], axis=1)
        clipped = np.clip(scaled, 0, 1)
        area, left = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (scaled, clipped))
        kept = left > visible * area
        return clipped[kept].astype(np.float32), kept


def whole_frame(width: int, height: int) -> ClipTransform:
    """The transform that only resizes."""
    return ClipTransform((0, 0, width, height))


def random_transform(config: AugmentationConfig, width: int, height: int, rng: np.random.Generator) -> ClipTransform:
    """Draws a clip's change for source frames of `width` x `height` pixels."""
    scale = np.exp(rng.uniform(*np.log(config.zoom)))
    w, h = width / scale, height / scale
    cx = width * (0.5 + rng.uniform(-config.shift, config.shift))
    cy = height * (0.5 + rng.uniform(-config.shift, config.shift))
    window = tuple(round(value) for value in (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
    flip = bool(rng.random() < config.flip)
    table = _color_table(config.color, rng) if config.color else None
    # Sharp clips stay the most frequent ones.
    blur = max(0.0, rng.uniform(-config.blur, config.blur)) if config.blur else 0.0
    gray = bool(config.gray and rng.random() < config.gray)
    return ClipTransform(window, flip, table, blur, gray)


def _color_table(strength: float, rng: np.random.Generator) -> np.ndarray:
    gains = np.exp(rng.uniform(-strength, strength) + rng.uniform(-strength / 3, strength / 3, 3))
    gamma = np.exp(rng.uniform(-strength, strength))
    values = (np.linspace(0, 1, 256)[:, None] ** gamma) * gains * 255
    return np.clip(values, 0, 255).astype(np.uint8)[None]
