"""The moving shape of one flying object, in its own body axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """One convex solid of an actor.

    Attributes:
        points: where its points lie in `Actor.points`.
        shade: brightness as a multiple of the actor's colour.
        opacity: float (frames,), 0 to 1; a whirling rotor is translucent and flickers.
    """

    points: slice
    shade: float
    opacity: np.ndarray


class Actor:
    """The solids of one flying object at every frame; a wing span or rotor diameter is about 1.

    Attributes:
        points: float64 (frames, n, 3), body axes.
        parts: the solids in painting order.
    """

    def __init__(self, frames: int):
        self.frames = frames
        self.parts: list[Part] = []
        self._clouds: list[np.ndarray] = []

    def add(self, points: np.ndarray, shade: float = 1.0, opacity: float | np.ndarray = 1.0) -> None:
        """Adds a solid: points (n, 3) when it is rigid, (frames, n, 3) when it moves."""
        start = self.parts[-1].points.stop if self.parts else 0
        self._clouds.append(np.broadcast_to(points, (self.frames, *points.shape[-2:])))
        opacity = np.broadcast_to(np.asarray(opacity, np.float64), (self.frames,))
        self.parts.append(Part(slice(start, start + points.shape[-2]), shade, opacity))

    def paints(self, colour: np.ndarray) -> np.ndarray:
        """BGR times alpha and alpha, 0 to 255, of every part for a BGR `colour`: float64 (frames, parts, 4)."""
        shades = np.array([part.shade for part in self.parts])
        solid = np.pad(np.clip(shades[:, None] * colour, 0, 255), ((0, 0), (0, 1)), constant_values=255)
        return solid * np.stack([part.opacity for part in self.parts], -1)[..., None]

    @property
    def points(self) -> np.ndarray:
        return np.concatenate(self._clouds, 1)
