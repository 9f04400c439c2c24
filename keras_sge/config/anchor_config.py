"""The anchors' part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError


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
