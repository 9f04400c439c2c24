"""From the shared single-frame network to a row's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_sge.config import EntropyConfig, MemoryConfig, NeckConfig, NetworkConfig

Change = Callable[[NetworkConfig], NetworkConfig]
# SSD's step from one map's boxes to the next's, as a share of the input's side.
_STEP = 0.15


def with_memory(kind: str, filters: int = 256, **options: Any) -> Change:
    """A memory on conv13 instead of the neck.

    A Squeezed GRU squeezes linearly, as the paper's does: its candidate, tanh of the squeezed input, is then at first
    what the neck's tanh was.
    """
    return lambda network: dataclasses.replace(network, memory=MemoryConfig(kind, filters, **options))


def with_memory_at(place: str) -> Change:
    """A Squeezed GRU behind the map at `place`; elsewhere than on conv13 the neck stays beside it, if there was one."""

    def change(network):
        neck = network.memory and NeckConfig(network.memory.filters, network.memory.squeeze_activation)
        memory = MemoryConfig("squeezed_gru", place=place)
        return dataclasses.replace(network, memory=memory, neck=None if place == "conv13" else neck)

    return change


def with_entropy(place: str = "conv13", form: str = "literal") -> Change:
    """The entropy attention on the map at `place`."""
    return lambda network: dataclasses.replace(network, entropy=EntropyConfig(place=place, form=form))


def with_top_down(network: NetworkConfig) -> NetworkConfig:
    """The memory's map added to conv12's."""
    return dataclasses.replace(network, top_down=True)


def with_four_feature_maps(network: NetworkConfig) -> NetworkConfig:
    """SSD's four extra maps, as many as the paper's network has; for a smaller one the missing ones are new.

    They have half the first one's channels, as in the paper, and squares of up to .15 of the input's side more each.
    """
    missing = 4 - len(network.extras)
    if missing <= 0:
        return network
    first = network.extras[0] if network.extras else (256, 512)
    halves = (max(1, first[0] // 2), max(1, first[1] // 2))
    step = _STEP * max(network.input_size)
    sizes = network.anchors.sizes + tuple(network.anchors.sizes[-1] + step * (k + 1) for k in range(missing))
    return dataclasses.replace(
        network,
        extras=(*network.extras, *[halves] * missing),
        anchors=dataclasses.replace(network.anchors, sizes=sizes),
    )


def chain(*changes: Change) -> Change:
    """One change after the other."""

    def change(network):
        for one in changes:
            network = one(network)
        return network

    return change
