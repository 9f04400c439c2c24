"""The maps of a network, the anchors that stand on them and the heads that read them; and checks that all share."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import InputError
from edge.scores import SCORE_FORMS


def one_of(key: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises InputError unless `value` is one of `choices`; `key` is the setting's dotted path."""
    if value not in choices:
        raise InputError(f"{key} must be one of {', '.join(map(str, choices))}. Received: {value!r}")


def positive(key: str, value: float) -> None:
    """Raises InputError unless `value` is above 0, which NaN is not."""
    if not value > 0:
        raise InputError(f"{key} must be above 0. Received: {value}")


def below_one(key: str, value: float | None) -> None:
    """Raises InputError unless `value` is from 0 to below 1, or None."""
    if value is not None and not 0 <= value < 1:
        raise InputError(f"{key} must be from 0 to below 1. Received: {value}")


def valid_seed(key: str, value: int) -> None:
    """Raises InputError unless `value` seeds all generators."""
    if not 0 <= value < 2**32:
        raise InputError(f"{key} must be from 0 to 4294967295. Received: {value}")


# Channels at alpha 1 and stride of MobileNetV1's blocks conv2 to conv14, behind conv1's 32 and 2.
TRUNK_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
# Map of the trunk -> its stride and its channels at alpha 1: those of the paper's Tables 2 and 3, and conv14.
TRUNK_MAPS = {
    f"conv{number}": (2 * math.prod(stride for _, stride in TRUNK_BLOCKS[: number - 1]), TRUNK_BLOCKS[number - 2][0])
    for number in (3, 4, 12, 13, 14)
}
FEATURE_MAPS = ("feature_map1", "feature_map2", "feature_map3", "feature_map4")
MAPS = (*TRUNK_MAPS, *FEATURE_MAPS)


def map_stride(name: str) -> int:
    """Pixels of the input for each cell of a map; sides are rounded up."""
    return TRUNK_MAPS[name][0] if name in TRUNK_MAPS else 2 ** (5 + feature_map_number(name))


def feature_map_number(name: str) -> int:
    """1 for `feature_map1`, the first SSD extra; 0 for a map of the trunk."""
    return 0 if name in TRUNK_MAPS else 1 + FEATURE_MAPS.index(name)


def check_map(key: str, name: str) -> None:
    """Raises InputError unless a memory or an attention can be attached to that map; `key` is the setting's path."""
    if name not in MAPS:
        close = difflib.get_close_matches(name, MAPS, 1)
        hint = f" Did you mean {close[0]}?" if close else f" For none, set {key.rpartition('.')[0]} to null."
        raise InputError(f"{key} must be one of {', '.join(MAPS)}. Received: {name!r}.{hint}")


@dataclass(frozen=True)
class AnchorConfig:
    """SSD anchors.

    Attributes:
        sizes: pixels of the network's input, ascending, one more than there are detection maps: map k has boxes of
            size k and of the geometric mean of sizes k and k + 1.
        ratios: aspect ratios above 1; each is used together with its inverse.
        variances: of the box codes' center and size.
        boxes: for each detection map the [width, height] of every anchor of a cell, in pixels, in place of `sizes` and
            `ratios`: maps may then have different numbers of anchors. Empty for none.
        step: anchors are rounded to multiples of this fraction of the frame, as a file of 8 bits stores them; 0 for
            not at all.
    """

    sizes: tuple[float, ...] = (60.0, 105.0, 150.0, 195.0, 240.0, 285.0, 330.0)
    ratios: tuple[float, ...] = (2.0, 3.0)
    variances: tuple[float, float] = (0.1, 0.2)
    boxes: tuple[tuple[tuple[float, float], ...], ...] = ()
    step: float = 0.0

    def __post_init__(self):
        if any(size <= 0 for size in self.sizes) or list(self.sizes) != sorted(set(self.sizes)):
            raise InputError(f"network.anchors.sizes must ascend from above 0. Received: {list(self.sizes)}")
        if any(ratio <= 1 for ratio in self.ratios):
            raise InputError(f"network.anchors.ratios must be above 1. Received: {list(self.ratios)}")
        if not 0 <= self.step < 0.1:
            raise InputError(f"network.anchors.step must be from 0 to below 0.1. Received: {self.step}")
        for index, shapes in enumerate(self.boxes):
            if not shapes or not min(side for shape in shapes for side in shape) > 0:
                raise InputError(
                    f"network.anchors.boxes[{index}] must be a list of [width, height] above 0. "
                    f"Received: {list(shapes)}"
                )


@dataclass(frozen=True)
class HeadsConfig:
    """What reads the detection maps and answers with boxes and scores.

    Attributes:
        kind: `separable`, a depthwise 3x3 and a 1x1 convolution; or `conv1x1`, the 1x1 alone, as in the SSD of
            TensorFlow's Object Detection API.
        scores: what the logits become: `softmax` over the classes and a background in front of them; or `sigmoid`,
            each class for itself, without a background.
        box_limits, score_limits: [lowest, highest] code and logit of each detection map, for a network that was trained
            with rounded answers and never knew others; applied behind the network. Empty for none.
    """

    kind: str = "separable"
    scores: str = "softmax"
    box_limits: tuple[tuple[float, float], ...] = ()
    score_limits: tuple[tuple[float, float], ...] = ()

    def __post_init__(self):
        one_of("network.heads.kind", self.kind, ("separable", "conv1x1"))
        one_of("network.heads.scores", self.scores, SCORE_FORMS)
        for name in ("box_limits", "score_limits"):
            for index, (low, high) in enumerate(getattr(self, name)):
                if not low < high:
                    raise InputError(f"network.heads.{name}[{index}] must ascend. Received: {[low, high]}")
