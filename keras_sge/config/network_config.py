"""The network's description: everything that decides which layers are built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edge.errors import InputError
from keras_sge.config.anchor_config import AnchorConfig
from keras_sge.config.entropy_config import EntropyConfig
from keras_sge.config.memory_config import MemoryConfig
from keras_sge.config.neck_config import NeckConfig
from keras_sge.config.places import TRUNK_PLACES, feature_map_number


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
        finer_map: whether conv6 (stride 8) is a detection map too, the first one, for small objects.
        top_down: whether the map behind the memory is added to conv12's, so that detections there have a memory too;
            not in the paper.
        box_voting: whether detections are moved by the boxes that they suppress (`edge.boxes.vote`), outside the
            network; `sge export --box-voting` can still decide it.
        neck: a 1x1 reduction of conv13 for networks whose memory is not there; null for none.
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
    neck: NeckConfig | None = None
    box_voting: bool = False

    @property
    def recurrent(self) -> bool:
        """Whether the network carries a state from frame to frame."""
        return self.memory is not None and self.memory.kind != "neck"

    @property
    def size_text(self) -> str:
        """The input size for people, who take the width first."""
        height, width = self.input_size
        return f"{width} wide, {height} high"

    def turned_from(self, width: int, height: int) -> bool:
        """Whether frames of `width` x `height` px lie where the input stands, or the other way round."""
        return (width - height) * (self.input_size[1] - self.input_size[0]) < 0

    def channels_at(self, place: str) -> int:
        """Channels of the map at `place`, at alpha 1."""
        return TRUNK_PLACES[place][1] if place in TRUNK_PLACES else self.extras[feature_map_number(place) - 1][1]

    def __post_init__(self):
        if not re.fullmatch(r"\w[\w .-]*", self.name):
            raise InputError(f"network.name becomes a file's name: letters, digits, _ - . Received: {self.name!r}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise InputError(f"network.classes must be distinct names, at least one. Received: {list(self.classes)}")
        if any(side < 32 for side in self.input_size):
            raise InputError(f"network.input_size must be at least 32 x 32. Received: {list(self.input_size)}")
        if not 0.05 <= self.alpha <= 2:
            raise InputError(f"network.alpha must be from 0.05 to 2. Received: {self.alpha}")
        maps = 2 + self.finer_map + len(self.extras)
        if len(self.anchors.sizes) != maps + 1:
            raise InputError(
                f"network.anchors.sizes must have {maps + 1} entries, one more than the {maps} detection maps "
                f"({'conv6, ' * self.finer_map}conv12, conv13 and {len(self.extras)} extras). "
                f"Received: {len(self.anchors.sizes)}"
            )
        for name, part in (("memory", self.memory), ("entropy", self.entropy)):
            if part is not None and feature_map_number(part.place) > len(self.extras):
                raise InputError(
                    f"network.{name}.place is {part.place}, but network.extras makes {len(self.extras)} feature maps. "
                    "Add to network.extras and network.anchors.sizes, or name another place."
                )
        elsewhere = self.memory is not None and self.memory.place != "conv13"
        if self.top_down and elsewhere:
            raise InputError(
                "network.top_down needs the memory on conv13, whose map it adds to conv12's. Received: "
                f"network.memory.place={self.memory.place}"
            )
        if self.neck is not None and self.memory is not None and not elsewhere:
            raise InputError(
                "network.neck is for networks whose memory is not on conv13: a memory there makes its own reduction. "
                "Leave network.neck out, or set network.memory.place."
            )
