"""The augmentation part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes, drawn once a clip and applied to all of its frames alike, unless they say otherwise.

    Attributes:
        flip: probability of a mirror image.
        zoom: smallest and largest scale; below 1 the frame shrinks into a border of repeated pixels.
        shift: largest displacement, as a fraction of the frame's side.
        colour: strength of brightness, contrast, saturation and gamma changes; 0 for none.
        blur: largest standard deviation of a Gaussian blur, in pixels of the network's input; 0 for none.
        drop: probability that a frame of the clip is lost; the clip then goes on with the next one.
        degrade: probability, drawn for every frame of its own, that a frame is spoilt by motion blur, defocus, noise,
            black blocks or low resolution (`keras_sge.data.degradation`).
    """

    flip: float = 0.5
    zoom: tuple[float, float] = (0.8, 1.3)
    shift: float = 0.15
    colour: float = 0.3
    blur: float = 0.0
    drop: float = 0.0
    degrade: float = 0.0

    def __post_init__(self):
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InputError(f"training.augmentation.zoom must be two ascending numbers above 0. Received: {self.zoom}")
        for name, limit in (("flip", 1), ("shift", 1), ("colour", 1), ("blur", 8), ("drop", 0.5), ("degrade", 1)):
            if not 0 <= getattr(self, name) <= limit:
                raise InputError(
                    f"training.augmentation.{name} must be from 0 to {limit}. Received: {getattr(self, name)}"
                )
