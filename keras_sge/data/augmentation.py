"""Random changes of a clip, the same for all of its frames: what moves must go on moving as it did."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.preprocess import resize_frame
from keras_sge.config import AugmentationConfig

# An object of which less is left inside the window no longer counts as one.
_MINIMUM_VISIBLE = 0.3
KINDS = ("motion blur", "defocus", "noise", "blocks", "low resolution")
# Lengths are given for frames with this longer side and scale with the frame's.
_REFERENCE_SIDE = 192


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


def training_degradation(config: AugmentationConfig, rng: np.random.Generator) -> Degradation | None:
    """Draws how often a clip's frames are degraded, from never to twice `degrade`; None where they never are.

    The ranges are wider than those that the degraded protocol measures with.
    """
    if not config.degrade:
        return None
    return Degradation(
        probability=min(1.0, rng.uniform(0, 2 * config.degrade)),
        motion_blur=(9, 31),
        defocus=(2, 6),
        noise=(20, 70),
        blocks=(3, 10),
        block_side=(0.15, 0.35),
        low_resolution=(12, 36),
    )


def _color_table(strength: float, rng: np.random.Generator) -> np.ndarray:
    gains = np.exp(rng.uniform(-strength, strength) + rng.uniform(-strength / 3, strength / 3, 3))
    gamma = np.exp(rng.uniform(-strength, strength))
    values = (np.linspace(0, 1, 256)[:, None] ** gamma) * gains * 255
    return np.clip(values, 0, 255).astype(np.uint8)[None]


@dataclass(frozen=True)
class Degradation:
    """How frames are degraded: each with the same probability, by one kind of damage, all kinds equally likely.

    The defaults are the degraded protocol. Ranges are drawn from uniformly; lengths are pixels of a frame whose longer
    side is 192 px and scale with it.

    Attributes:
        probability: that a frame is degraded.
        motion_blur: length of a linear motion blur in any direction. defocus: standard deviation of a Gaussian blur.
        noise: standard deviation of Gaussian noise, in gray values. blocks: number of black rectangles.
        block_side: their sides, as fractions of the frame's. low_resolution: longer side that the frame is shrunk to
            by area averaging before it is brought back by bilinear interpolation.
    """

    probability: float = 0.5
    motion_blur: tuple[float, float] = (15, 25)
    defocus: tuple[float, float] = (3, 5)
    noise: tuple[float, float] = (40, 60)
    blocks: tuple[int, int] = (6, 10)
    block_side: tuple[float, float] = (0.2, 0.3)
    low_resolution: tuple[float, float] = (16, 24)

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str | None]:
        """Degrades a frame, or leaves it as it is.

        Args:
            frame: uint8 (height, width, 3). rng: where all numbers are drawn from, in a fixed order.

        Returns:
            The new frame, or `frame` itself; and which of `KINDS` was done to it, None for nothing.
        """
        if rng.random() >= self.probability:
            return frame, None
        kind = KINDS[rng.integers(len(KINDS))]
        scale = max(frame.shape[:2]) / _REFERENCE_SIDE
        if kind == "motion blur":
            result = _motion_blur(frame, rng.uniform(*self.motion_blur) * scale, rng.uniform(0, np.pi))
        elif kind == "defocus":
            result = cv2.GaussianBlur(frame, (0, 0), rng.uniform(*self.defocus) * scale)
        elif kind == "noise":
            noise = rng.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(*self.noise))
            result = np.clip(frame + noise, 0, 255).astype(np.uint8)
        elif kind == "blocks":
            result = self._with_blocks(frame, rng)
        else:
            result = _low_resolution(frame, rng.uniform(*self.low_resolution) / _REFERENCE_SIDE)
        return result, kind

    def _with_blocks(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        result, (rows, columns) = frame.copy(), frame.shape[:2]
        for _ in range(rng.integers(self.blocks[0], self.blocks[1] + 1)):
            height, width = (int(rng.uniform(*self.block_side) * side) for side in (rows, columns))
            y, x = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
            result[y : y + height, x : x + width] = 0
        return result


def _motion_blur(frame: np.ndarray, length: float, angle: float) -> np.ndarray:
    side = max(3, round(length)) | 1
    center = side // 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * center
    kernel = np.zeros((side, side), np.float32)
    start, end = (np.round(center + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1)
    return cv2.filter2D(frame, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _low_resolution(frame: np.ndarray, factor: float) -> np.ndarray:
    rows, columns = frame.shape[:2]
    small = max(1, round(columns * factor)), max(1, round(rows * factor))
    return cv2.resize(
        cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (columns, rows), interpolation=cv2.INTER_LINEAR
    )
