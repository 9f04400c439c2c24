"""The entropy attention's part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.entropy import BORDERS
from keras_sge.config.checks import one_of


@dataclass(frozen=True)
class EntropyConfig:
    """The entropy attention on conv13 (eq. 2-4).

    Attributes:
        window: side of the sliding windows. border: see `edge.entropy_map`. opening: side of the opening, 1 for none.
    """

    window: int = 3
    border: str = "reflect_101"
    opening: int = 3

    def __post_init__(self):
        one_of("network.entropy.window", self.window, (3, 5, 7, 9))
        one_of("network.entropy.border", self.border, tuple(BORDERS))
        one_of("network.entropy.opening", self.opening, (1, 3, 5, 7, 9))
