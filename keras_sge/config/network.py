"""The network's part of a configuration: memory, attention, and what they stand in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edge.entropy import BORDERS
from edge.errors import InputError
from keras_sge.config.maps import (
    MAPS,
    TRUNK_MAPS,
    AnchorConfig,
    HeadsConfig,
    check_map,
    feature_map_number,
    one_of,
    positive,
)

KINDS = ("squeezed_gru", "reduction", "lstm", "gru", "conv_gru", "bottleneck_lstm", "correction_gru")


@dataclass(frozen=True)
class MemoryConfig:
    """The temporal module.

    Attributes:
        kind: `squeezed_gru`; `lstm` and `gru`, depthwise separable, as the paper's Table 1 counts them (with filters
            1024); `conv_gru`; `bottleneck_lstm`, Liu & Zhu's; `correction_gru`, which corrects its map and keeps the
            map's channels (`keras_sge.layers.CorrectionGRUCell`); or `reduction`: the Squeezed GRU's 1x1 alone, without
            a state. A network with the reduction is the fair single-frame twin of one with a memory, and the memory can
            join it later (`keras_sge.training.start`).
        filters: hidden channels at alpha 1; scaled by alpha. At most the map's channels, but where the output takes
            conv13's place.
        attach_to: the map behind which it stands, one of `MAPS`: `conv13`, where its output takes the map's
            place; on others, and of a `correction_gru` everywhere, a 1x1 brings its output back to the map's channels,
            to which it is added. A `correction_gru` takes a list of maps too, with a cell and a state for each.
        squeeze: where a Squeezed GRU reduces channels, `input` or `gate` (see `keras_sge.layers.SqueezedGRUCell`).
        squeeze_activation: of the reduction in front of its gates: `linear` as in the paper's equations, or `tanh`,
            which keeps what enters the gates within the range of the state, so that they start and stay off saturation.
    """

    kind: str = "squeezed_gru"
    filters: int = 256
    squeeze: str = "input"
    squeeze_activation: str = "linear"
    attach_to: str | tuple[str, ...] = "conv13"

    @property
    def places(self) -> tuple[str, ...]:
        """The maps behind which there is a cell, in the order of the network."""
        return (self.attach_to,) if isinstance(self.attach_to, str) else self.attach_to

    @property
    def replaces_conv13(self) -> bool:
        """Whether its output takes conv13's place and makes a reduction of its own; else it is added to its map."""
        return self.kind != "correction_gru" and self.attach_to == "conv13"

    def __post_init__(self):
        one_of("network.memory.kind", self.kind, KINDS)
        one_of("network.memory.squeeze", self.squeeze, ("input", "gate"))
        one_of("network.memory.squeeze_activation", self.squeeze_activation, ("linear", "tanh"))
        if self.squeeze == "gate" and (self.kind == "reduction" or self.squeeze_activation != "linear"):
            raise InputError("network.memory.squeeze must be input for a reduction and for a squeeze_activation.")
        if self.kind not in ("squeezed_gru", "reduction") and (self.squeeze, self.squeeze_activation) != (
            "input",
            "linear",
        ):
            raise InputError(
                "network.memory.squeeze and squeeze_activation are a Squeezed GRU's. Leave them out for "
                f"network.memory.kind {self.kind}."
            )
        positive("network.memory.filters", self.filters)
        for name in self.places:
            check_map("network.memory.attach_to", name)
        if not isinstance(self.attach_to, str):
            ordered = [name for name in MAPS if name in self.attach_to]
            if list(self.attach_to) != ordered or len(ordered) < 2:
                raise InputError(
                    "network.memory.attach_to is one map, or a list of two or more in the order of the network: "
                    f"{', '.join(MAPS)}. Received: {list(self.attach_to)}"
                )
            if self.kind != "correction_gru":
                raise InputError(
                    "network.memory.attach_to is a list only for network.memory.kind correction_gru. Received: "
                    f"{list(self.attach_to)} with kind {self.kind}"
                )
        if self.kind == "reduction" and self.attach_to != "conv13":
            raise InputError(f"network.memory.attach_to must be conv13 for a reduction. Received: {self.attach_to!r}")


@dataclass(frozen=True)
class EntropyConfig:
    """The entropy attention (eq. 2-4).

    Attributes:
        window: side of the sliding windows. border: see `edge.entropy_map`. opening: side of the opening, 1 for none.
        attach_to: the map that it multiplies, one of `MAPS`; in front of a memory there.
        gain: what the network multiplies the attention with: 1, sigmoid(m) f as eq. 4 says, which shrinks every feature
            to 0.5 to 0.96 of itself; or 2, which leaves flat parts of the picture as they are and lifts the others, up
            to 1.92. The attention that enters the network is the sigmoid in both.
    """

    window: int = 3
    border: str = "reflect_101"
    opening: int = 3
    attach_to: str = "conv13"
    gain: int = 1

    def __post_init__(self):
        one_of("network.entropy.window", self.window, (3, 5, 7, 9))
        one_of("network.entropy.border", self.border, tuple(BORDERS))
        one_of("network.entropy.opening", self.opening, (1, 3, 5, 7, 9))
        check_map("network.entropy.attach_to", self.attach_to)
        one_of("network.entropy.gain", self.gain, (1, 2))


@dataclass(frozen=True)
class ReductionConfig:
    """A 1x1 reduction of conv13 that stays where it is when the memory stands elsewhere or corrects conv13.

    A memory in conv13's place has a reduction of its own, or is one (`memory.kind: reduction`); from a network trained
    so, this one takes its weights over.

    Attributes:
        filters: channels at alpha 1; scaled by alpha. activation: `tanh` or `linear`.
    """

    filters: int = 256
    activation: str = "tanh"

    def __post_init__(self):
        positive("network.reduction.filters", self.filters)
        one_of("network.reduction.activation", self.activation, ("tanh", "linear"))


@dataclass(frozen=True)
class NetworkConfig:
    """MobileNetV1-SSD with an optional memory and an optional entropy attention.

    Attributes:
        name: short name, used for files: letters, digits, `_`, `-`, `.` and spaces.
        classes: class names, background not among them.
        input_size: height and width in pixels, in this order: [192, 320] is 320 wide and 192 high.
        alpha: width multiplier of every layer.
        memory: the temporal module; null for a single-frame network.
        entropy: the entropy attention; null for none.
        anchors: see `AnchorConfig`.
        extras: for each extra detection map the channels of its 1x1 reduction and of its output, at alpha 1.
        extras_kind: `separable`, whose step of stride 2 is a depthwise 3x3 between two 1x1; or `conv3x3`, where it is a
            full 3x3 behind one 1x1, as in TensorFlow's Object Detection API.
        last_block: where the trunk ends, `conv13` or `conv14`; its map is the detection map of stride 32.
        heads: see `HeadsConfig`.
        finer_map: whether conv6 (stride 8) is a detection map too, the first one, for small objects.
        top_down: whether the map behind the memory is added to conv12's, so that detections there have a memory too;
            not in the paper.
        box_voting: whether detections are moved by the boxes that they suppress (`edge.boxes.vote`), outside the
            network; `sge export --box-voting` can still decide it.
        reduction: a 1x1 reduction of conv13 for networks whose memory does not take its place; null for none.
    """

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int] = (320, 320)
    alpha: float = 1.0
    memory: MemoryConfig | None = None
    entropy: EntropyConfig | None = None
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    extras: tuple[tuple[int, int], ...] = ((256, 512), (128, 256), (128, 256), (128, 256))
    finer_map: bool = False
    top_down: bool = False
    reduction: ReductionConfig | None = None
    box_voting: bool = False
    extras_kind: str = "separable"
    last_block: str = "conv13"
    heads: HeadsConfig = field(default_factory=HeadsConfig)

    @property
    def recurrent(self) -> bool:
        """Whether the network carries a state from frame to frame."""
        return self.memory is not None and self.memory.kind != "reduction"

    @property
    def score_columns(self) -> int:
        """Logits of an anchor: one for each class, and of a softmax one for the background in front."""
        return len(self.classes) + (self.heads.scores == "softmax")

    @property
    def size_text(self) -> str:
        """The input size for people, who take the width first."""
        height, width = self.input_size
        return f"{width} wide, {height} high"

    def turned_from(self, width: int, height: int) -> bool:
        """Whether frames of `width` x `height` px lie where the input stands, or the other way round."""
        return (width - height) * (self.input_size[1] - self.input_size[0]) < 0

    def channels_of(self, name: str) -> int:
        """Channels of a map, at alpha 1."""
        return TRUNK_MAPS[name][1] if name in TRUNK_MAPS else self.extras[feature_map_number(name) - 1][1]

    def __post_init__(self):
        if not re.fullmatch(r"\w[\w .-]*", self.name):
            raise InputError(f"network.name becomes a file's name: letters, digits, _ - . Received: {self.name!r}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise InputError(f"network.classes must be distinct names, at least one. Received: {list(self.classes)}")
        if any(side < 32 for side in self.input_size):
            raise InputError(f"network.input_size must be at least 32 x 32. Received: {list(self.input_size)}")
        if not 0.05 <= self.alpha <= 2:
            raise InputError(f"network.alpha must be from 0.05 to 2. Received: {self.alpha}")
        one_of("network.extras_kind", self.extras_kind, ("separable", "conv3x3"))
        one_of("network.last_block", self.last_block, ("conv13", "conv14"))
        self._check_maps()
        elsewhere = self.memory is not None and not self.memory.replaces_conv13
        if self.top_down and elsewhere:
            raise InputError(
                "network.top_down needs a memory in conv13's place, whose map it adds to conv12's. Received: "
                f"network.memory.attach_to={self.memory.attach_to}, network.memory.kind={self.memory.kind}"
            )
        if self.reduction is not None and self.memory is not None and not elsewhere:
            raise InputError(
                "network.reduction is for networks whose memory does not take conv13's place: a memory there makes its "
                "own. Leave network.reduction out, or set network.memory.attach_to."
            )
        if self.last_block != "conv13" and (self.reduction or (self.memory and self.memory.replaces_conv13)):
            raise InputError(
                "a memory or reduction in conv13's place needs network.last_block: conv13. Received: "
                f"{self.last_block}. Set network.memory.attach_to to {self.last_block}, or network.reduction to null."
            )

    def _check_maps(self) -> None:
        """What must fit the detection maps, and what is attached to them."""
        maps = 2 + self.finer_map + len(self.extras)
        names = f"{'conv6, ' * self.finer_map}conv12, {self.last_block} and {len(self.extras)} extras"
        if not self.anchors.boxes and len(self.anchors.sizes) != maps + 1:
            raise InputError(
                f"network.anchors.sizes must have {maps + 1} entries, one more than the {maps} detection maps "
                f"({names}). Received: {len(self.anchors.sizes)}"
            )
        for key, value in (
            ("anchors.boxes", self.anchors.boxes),
            ("heads.box_limits", self.heads.box_limits),
            ("heads.score_limits", self.heads.score_limits),
        ):
            if value and len(value) != maps:
                raise InputError(
                    f"network.{key} must have an entry for each of the {maps} detection maps ({names}). "
                    f"Received: {len(value)}"
                )
        used = [("memory", place) for place in (self.memory.places if self.memory else ())]
        used += [("entropy", self.entropy.attach_to)] if self.entropy else []
        for name, place in used:
            if place == "conv14" and self.last_block != place:
                raise InputError(f"network.{name}.attach_to is conv14, where network.last_block is {self.last_block}.")
            if feature_map_number(place) > len(self.extras):
                raise InputError(
                    f"network.{name}.attach_to is {place}, but network.extras makes {len(self.extras)} feature"
                    " maps. Add to network.extras and network.anchors.sizes, or name another map."
                )
