"""What a device must know about a network."""

from __future__ import annotations

from typing import Any

from edge.metadata import EntropySettings, Metadata, StateTensor
from keras_sge.boxes.anchor_maps import anchor_maps, memory_map_size
from keras_sge.config import NetworkConfig
from keras_sge.config.places import place_stride
from keras_sge.models.memory_kind import MEMORY_KINDS
from keras_sge.models.memory_parts import memory_filters


def entropy_settings(config: NetworkConfig) -> EntropySettings | None:
    """The host operator's settings for the attention at its place; None where there is none."""
    if config.entropy is None:
        return None
    entropy = config.entropy
    return EntropySettings(entropy.window, entropy.border, entropy.opening, stride=place_stride(entropy.place))


def state_tensors(config: NetworkConfig) -> tuple[StateTensor, ...]:
    """The float step's recurrent states, none for a single-frame network."""
    if not config.recurrent:
        return ()
    shape = (1, *memory_map_size(config), memory_filters(config))
    return tuple(StateTensor(name, f"next_{name}", shape) for name in MEMORY_KINDS[config.memory.kind].states)


def network_metadata(
    config: NetworkConfig, precision: str = "float32", entropy: str = "host", details: dict[str, Any] | None = None
) -> Metadata:
    """The metadata of a float step of `config`.

    Args:
        config: the network. precision: of the file's weights. entropy: `host` or `graph`, see `build_step_model`.
        details: facts for people, JSON values.
    """
    return Metadata(
        name=config.name,
        labels=config.classes,
        height=config.input_size[0],
        width=config.input_size[1],
        precision=precision,
        anchors=anchor_maps(config),
        variances=config.anchors.variances,
        box_voting=config.box_voting,
        entropy=entropy_settings(config) if entropy == "host" else None,
        states=state_tensors(config),
        details=details or {},
    )
