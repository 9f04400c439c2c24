"""The neck's part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from keras_sge.config.checks import one_of, positive


@dataclass(frozen=True)
class NeckConfig:
    """A 1x1 reduction of conv13 that stays where it is when the memory stands elsewhere.

    A memory on conv13 has a reduction of its own, or is one (`memory.kind: neck`); from a network trained so, this neck
    takes its weights over.

    Attributes:
        filters: channels at alpha 1; scaled by alpha. activation: `tanh` or `linear`.
    """

    filters: int = 256
    activation: str = "tanh"

    def __post_init__(self):
        positive("network.neck.filters", self.filters)
        one_of("network.neck.activation", self.activation, ("tanh", "linear"))
