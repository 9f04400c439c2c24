"""The temporal module's part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError
from keras_sge.config.checks import one_of, positive


@dataclass(frozen=True)
class MemoryConfig:
    """The temporal module behind conv13.

    Attributes:
        kind: `squeezed_gru`, or `neck`: its 1x1 reduction alone, without a state. A network with the neck is the fair
            single-frame twin of one with the memory, and the memory can join it later: the weights' names agree.
        filters: hidden channels at alpha 1; scaled by alpha.
        squeeze: where channels are reduced, `input` or `gate` (see `keras_sge.layers.SqueezedGRUCell`).
        squeeze_activation: of the reduction in front of the gates: `linear` as in the paper's equations, or `tanh`,
            which keeps what enters the gates within the range of the state, so that they start and stay off saturation.
    """

    kind: str = "squeezed_gru"
    filters: int = 256
    squeeze: str = "input"
    squeeze_activation: str = "linear"

    def __post_init__(self):
        one_of("network.memory.kind", self.kind, ("squeezed_gru", "neck"))
        one_of("network.memory.squeeze", self.squeeze, ("input", "gate"))
        one_of("network.memory.squeeze_activation", self.squeeze_activation, ("linear", "tanh"))
        if self.squeeze == "gate" and (self.kind == "neck" or self.squeeze_activation != "linear"):
            raise InputError("network.memory.squeeze must be input for a neck and for a squeeze_activation.")
        positive("network.memory.filters", self.filters)
