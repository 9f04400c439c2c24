"""Spoilt frames: the degraded protocol that models are measured with, and the same kinds of damage for training."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

KINDS = ("motion blur", "defocus", "noise", "blocks", "low resolution")
# Lengths are given for frames with this longer side and scale with the frame's.
_REFERENCE_SIDE = 192


@dataclass(frozen=True)
class Degradation:
    """How frames are spoilt: each with the same probability, by one kind of damage, all kinds equally likely.

    The defaults are the degraded protocol. Ranges are drawn from uniformly; lengths are pixels of a frame whose longer
    side is 192 px and scale with it.

    Attributes:
        probability: that a frame is spoilt.
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
        """Spoils a frame, or leaves it.

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
    centre = side // 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * centre
    kernel = np.zeros((side, side), np.float32)
    ends = (tuple(np.round(centre + sign * reach).astype(int).tolist()) for sign in (-1, 1))
    cv2.line(kernel, *ends, 1)
    return cv2.filter2D(frame, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _low_resolution(frame: np.ndarray, factor: float) -> np.ndarray:
    rows, columns = frame.shape[:2]
    small = max(1, round(columns * factor)), max(1, round(rows * factor))
    return cv2.resize(
        cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (columns, rows), interpolation=cv2.INTER_LINEAR
    )
