"""Frames as a bad camera gives them: what is done to a frame, and to which frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import InputError
from keras_sge.config import AugmentationConfig
from keras_sge.config.training import DAMAGE_PATTERNS

KINDS = ("motion blur", "defocus", "noise", "blocks", "low resolution")
# Mean length, in frames, of a burst and of the gap between two.
BURST_FRAMES = 8
# Lengths are given for frames with this longer side and scale with the frame's.
_REFERENCE_SIDE = 192


@dataclass(frozen=True)
class Damage:
    """A protocol of degraded frames. As text `PATTERN:SEED`, such as `bursts:1`; a seed alone means `singly`.

    Attributes:
        pattern: `singly`, `bursts` or `all`, see `Degradation`. seed: 0 or above.

    Raises:
        InputError: another pattern or seed.
    """

    pattern: str
    seed: int

    def __post_init__(self):
        if self.pattern not in DAMAGE_PATTERNS or self.seed < 0:
            raise InputError(
                f"degraded frames are PATTERN:SEED with {', '.join(DAMAGE_PATTERNS)} and a seed of 0 or above, or SEED "
                f"alone for {DAMAGE_PATTERNS[0]}. Received: {self}"
            )

    def __str__(self) -> str:
        return f"{self.pattern}:{self.seed}"

    @classmethod
    def parse(cls, text: str | int) -> Damage:
        """`bursts:1` or a seed; InputError for anything else."""
        pattern, colon, seed = str(text).rpartition(":")
        if not seed.isdecimal():
            raise InputError(
                f"degraded frames are PATTERN:SEED, such as {DAMAGE_PATTERNS[1]}:1, or SEED alone. Received: {text}"
            )
        return cls(pattern if colon else DAMAGE_PATTERNS[0], int(seed))


@dataclass(frozen=True)
class Degradation:
    """How frames are degraded: by one kind of damage, all kinds equally likely.

    The defaults are the degraded protocol. Ranges are drawn from uniformly; lengths are pixels of a frame whose longer
    side is 192 px and scale with it.

    Attributes:
        probability: that a frame is degraded, where `pattern` is `singly`.
        motion_blur: length of a linear motion blur in any direction. defocus: standard deviation of a Gaussian blur.
        noise: standard deviation of Gaussian noise, in gray values. blocks: number of black rectangles.
        block_side: their sides, as fractions of the frame's. low_resolution: longer side that the frame is shrunk to
            by area averaging before it is brought back by bilinear interpolation.
        pattern: which frames of a clip. `singly`: each with the same probability. `bursts`: runs of frames, half of all
            on average; runs and the gaps between have geometric lengths of mean 8, and a run has one kind and strength
            of damage, whose noise is drawn anew for each frame. `all`: every frame, each by a damage of its own.
    """

    probability: float = 0.5
    motion_blur: tuple[float, float] = (15, 25)
    defocus: tuple[float, float] = (3, 5)
    noise: tuple[float, float] = (40, 60)
    blocks: tuple[int, int] = (6, 10)
    block_side: tuple[float, float] = (0.2, 0.3)
    low_resolution: tuple[float, float] = (16, 24)
    pattern: str = DAMAGE_PATTERNS[0]

    def plan(self, length: int, rng: np.random.Generator) -> np.ndarray | None:
        """Which frames of a clip are damaged together.

        Args:
            length: frames of the clip. rng: where the plan is drawn from; that of a shorter clip is its beginning.

        Returns:
            int (length,), the number of the burst that a frame is in, -1 where it is in none; None where every frame
            is for itself.
        """
        if self.pattern != "bursts":
            return None
        # At the same chance of a change in every frame runs are geometric, and a clip begins in the midst of one.
        bad = int(rng.random() < 0.5)
        run = np.cumsum(rng.random(length) < 1 / BURST_FRAMES)
        return np.where((run + bad) % 2 == 1, run, -1)

    def degrade(
        self, frames: Iterable[np.ndarray], rngs: Iterable[np.random.Generator], plan: np.ndarray | None, key: list[int]
    ) -> list[np.ndarray]:
        """Degrades frames of one clip.

        Args:
            frames: uint8 (height, width, 3) each. rngs: a generator for each frame. plan: of these frames, see `plan`.
            key: seeds what a burst's frames have in common, together with the burst's number.
        """
        if plan is None:
            return [self.apply(frame, rng)[0] for frame, rng in zip(frames, rngs, strict=True)]
        return [
            frame if burst < 0 else self._damaged(frame, np.random.default_rng([*key, burst, 2]), rng)[0]
            for frame, rng, burst in zip(frames, rngs, plan.tolist(), strict=True)
        ]

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str | None]:
        """Degrades a frame for itself, or leaves it as it is.

        Args:
            frame: uint8 (height, width, 3). rng: where all numbers are drawn from, in a fixed order.

        Returns:
            The new frame, or `frame` itself; and which of `KINDS` was done to it, None for nothing.
        """
        if self.pattern != "all" and rng.random() >= self.probability:
            return frame, None
        return self._damaged(frame, rng, rng)

    def _damaged(
        self, frame: np.ndarray, rng: np.random.Generator, noise_rng: np.random.Generator
    ) -> tuple[np.ndarray, str]:
        """`rng` decides on the kind and its strength, `noise_rng` on the noise of single pixels."""
        kind = KINDS[rng.integers(len(KINDS))]
        scale = max(frame.shape[:2]) / _REFERENCE_SIDE
        if kind == "motion blur":
            result = _motion_blur(frame, rng.uniform(*self.motion_blur) * scale, rng.uniform(0, np.pi))
        elif kind == "defocus":
            result = cv2.GaussianBlur(frame, (0, 0), rng.uniform(*self.defocus) * scale)
        elif kind == "noise":
            noise = noise_rng.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(*self.noise))
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


def training_degradation(config: AugmentationConfig, rng: np.random.Generator) -> Degradation | None:
    """Draws a clip's degradation: its pattern, each of `damage` equally likely, and for single frames how often they
    are degraded, from never to twice `degrade`. None where no frame is."""
    # Nothing is drawn where there is no choice.
    patterns = config.damage
    pattern = patterns[int(rng.integers(len(patterns)))] if len(patterns) > 1 else patterns[0]
    if pattern == "singly" and not config.degrade:
        return None
    return wide_degradation(probability=min(1.0, rng.uniform(0, 2 * config.degrade)), pattern=pattern)


def wide_degradation(probability: float = 1.0, pattern: str = DAMAGE_PATTERNS[0]) -> Degradation:
    """What is trained with: the ranges are wider than those that the degraded protocol measures with."""
    return Degradation(
        probability=probability,
        motion_blur=(9, 31),
        defocus=(2, 6),
        noise=(20, 70),
        blocks=(3, 10),
        block_side=(0.15, 0.35),
        low_resolution=(12, 36),
        pattern=pattern,
    )


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
