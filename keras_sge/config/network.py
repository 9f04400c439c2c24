"""The network's description: everything that decides which layers are built."""

from __future__ import annotations

from dataclasses import dataclass

from edge.entropy import BORDERS
from edge.errors import InputError


@dataclass(frozen=True)
class MemoryConfig:
    """The temporal module behind conv13.

    Attributes:
        kind: `squeezed_gru`.
        filters: hidden channels at alpha 1; scaled by alpha.
        squeeze: where channels are reduced, `input` or `gate` (see `keras_sge.layers.SqueezedGRUCell`).
    """

    kind: str = "squeezed_gru"
    filters: int = 256
    squeeze: str = "input"

    def __post_init__(self):
        _one_of("network.memory.kind", self.kind, ("squeezed_gru",))
        _one_of("network.memory.squeeze", self.squeeze, ("input", "gate"))
        _positive("network.memory.filters", self.filters)


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
        _one_of("network.entropy.window", self.window, (3, 5, 7, 9))
        _one_of("network.entropy.border", self.border, tuple(BORDERS))
        _one_of("network.entropy.opening", self.opening, (1, 3, 5, 7, 9))


@dataclass(frozen=True)
class AnchorConfig:
    """SSD anchors.

    Attributes:
        sizes: pixels of the network's input, ascending, one more than there are detection maps: map k has boxes of
            size k and of the geometric mean of sizes k and k + 1.
        ratios: aspect ratios above 1; each is used together with its inverse.
        variances: of the box codes' centre and size.
    """

    sizes: tuple[float, ...] = (60.0, 105.0, 150.0, 195.0, 240.0, 285.0, 330.0)
    ratios: tuple[float, ...] = (2.0, 3.0)
    variances: tuple[float, float] = (0.1, 0.2)

    def __post_init__(self):
        if any(size <= 0 for size in self.sizes) or list(self.sizes) != sorted(set(self.sizes)):
            raise InputError(f"network.anchors.sizes must ascend from above 0. Received: {list(self.sizes)}")
        if any(ratio <= 1 for ratio in self.ratios):
            raise InputError(f"network.anchors.ratios must be above 1. Received: {list(self.ratios)}")


@dataclass(frozen=True)
class NetworkConfig:
    """MobileNetV1-SSD with an optional memory and an optional entropy attention.

    Attributes:
        name: short name, used for files.
        classes: class names, background not among them.
        input_size: height and width in pixels.
        alpha: width multiplier of every layer.
        memory: the temporal module; null for a single-frame network.
        entropy: the entropy attention; null for none.
        anchors: see `AnchorConfig`.
        extras: for each extra detection map the channels of its 1x1 reduction and of its output, at alpha 1.
    """

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int] = (320, 320)
    alpha: float = 1.0
    memory: MemoryConfig | None = None
    entropy: EntropyConfig | None = None
    anchors: AnchorConfig = AnchorConfig()
    extras: tuple[tuple[int, int], ...] = ((256, 512), (128, 256), (128, 256), (128, 256))

    def __post_init__(self):
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise InputError(f"network.classes must be distinct names, at least one. Received: {list(self.classes)}")
        if any(side < 32 for side in self.input_size):
            raise InputError(f"network.input_size must be at least 32 x 32. Received: {list(self.input_size)}")
        if not 0.05 <= self.alpha <= 2:
            raise InputError(f"network.alpha must be from 0.05 to 2. Received: {self.alpha}")
        maps = 2 + len(self.extras)
        if len(self.anchors.sizes) != maps + 1:
            raise InputError(
                f"network.anchors.sizes must have {maps + 1} entries, one more than the {maps} detection maps (conv12, "
                f"conv13 and {len(self.extras)} extras). Received: {len(self.anchors.sizes)}"
            )


def _one_of(key, value, choices):
    if value not in choices:
        raise InputError(f"{key} must be one of {', '.join(map(str, choices))}. Received: {value!r}")


def _positive(key, value):
    if value <= 0:
        raise InputError(f"{key} must be above 0. Received: {value}")
