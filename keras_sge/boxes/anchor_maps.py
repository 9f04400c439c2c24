"""A configuration's anchors, without building its network."""

from __future__ import annotations

from edge.anchors import AnchorMap, ssd_cell_boxes
from keras_sge.config import NetworkConfig
from keras_sge.config.places import place_stride


def map_size(config: NetworkConfig, stride: int) -> tuple[int, int]:
    """Rows and columns of the map of that stride; padding is `same`, so sides are rounded up."""
    height, width = config.input_size
    return -(-height // stride), -(-width // stride)


def memory_map_size(config: NetworkConfig) -> tuple[int, int]:
    """Rows and columns of the memory's states, of the map that it stands behind."""
    return map_size(config, place_stride(config.memory.place))


def attention_map_size(config: NetworkConfig) -> tuple[int, int]:
    """Rows and columns of the entropy attention, of the map that it multiplies."""
    return map_size(config, place_stride(config.entropy.place))


def boxes_per_cell(config: NetworkConfig) -> int:
    """Anchors in each cell of every detection map."""
    return 2 + 2 * len(config.anchors.ratios)


def map_sizes(config: NetworkConfig) -> list[tuple[int, int]]:
    """Rows and columns of the detection maps, finest first: strides 8 (the finer map) or 16 and on by 2, rounded up."""
    sizes = [map_size(config, 8 if config.finer_map else 16)]
    for _ in range(1 + config.finer_map + len(config.extras)):
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def anchor_maps(config: NetworkConfig) -> tuple[AnchorMap, ...]:
    """The anchors that belong to the graph's outputs, in their order."""
    sizes = config.anchors.sizes
    return tuple(
        AnchorMap(rows, columns, ssd_cell_boxes(size, next_size, config.anchors.ratios, *config.input_size))
        for (rows, columns), size, next_size in zip(map_sizes(config), sizes, sizes[1:], strict=False)
    )
