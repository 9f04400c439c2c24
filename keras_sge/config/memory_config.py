"""The temporal module's part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError
from keras_sge.config.checks import one_of, positive
from keras_sge.config.places import check_place

KINDS = ("squeezed_gru", "neck", "lstm", "gru", "conv_gru", "bottleneck_lstm")


@dataclass(frozen=True)
class MemoryConfig:
    """The temporal module.

    Attributes:
        kind: `squeezed_gru`; `lstm` and `gru`, depthwise separable, as the paper's Table 1 counts them (with filters
            1024); `conv_gru`; `bottleneck_lstm`, Liu & Zhu's; or `neck`: the Squeezed GRU's 1x1 reduction alone,
            without a state. A network with the neck is the fair single-frame twin of one with a memory, and the
            memory can join it later (`keras_sge.training.starting_weights`).
        filters: hidden channels at alpha 1; scaled by alpha. Elsewhere than on conv13 at most the map's channels.
        place: the map that it stands behind, see `keras_sge.config.places`: `conv13`, where its output takes the map's
            place; on others a 1x1 brings its output back to the map's channels, to which it is added.
        squeeze: where a Squeezed GRU reduces channels, `input` or `gate` (see `keras_sge.layers.SqueezedGRUCell`).
        squeeze_activation: of the reduction in front of its gates: `linear` as in the paper's equations, or `tanh`,
            which keeps what enters the gates within the range of the state, so that they start and stay off saturation.
    """

    kind: str = "squeezed_gru"
    filters: int = 256
    squeeze: str = "input"
    squeeze_activation: str = "linear"
    place: str = "conv13"

    def __post_init__(self):
        one_of("network.memory.kind", self.kind, KINDS)
        one_of("network.memory.squeeze", self.squeeze, ("input", "gate"))
        one_of("network.memory.squeeze_activation", self.squeeze_activation, ("linear", "tanh"))
        if self.squeeze == "gate" and (self.kind == "neck" or self.squeeze_activation != "linear"):
            raise InputError("network.memory.squeeze must be input for a neck and for a squeeze_activation.")
        if self.kind not in ("squeezed_gru", "neck") and (self.squeeze, self.squeeze_activation) != ("input", "linear"):
            raise InputError(
                "network.memory.squeeze and squeeze_activation are a Squeezed GRU's. Leave them out for "
                f"network.memory.kind {self.kind}."
            )
        positive("network.memory.filters", self.filters)
        check_place("network.memory.place", self.place)
        if self.kind == "neck" and self.place != "conv13":
            raise InputError(f"network.memory.place must be conv13 for a neck. Received: {self.place!r}")
