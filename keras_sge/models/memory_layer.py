"""A network's memory over clips."""

from __future__ import annotations

from keras_sge.config import NetworkConfig
from keras_sge.layers import RNN2D, SqueezedGRU2D
from keras_sge.models.memory_kind import MEMORY_KINDS
from keras_sge.models.memory_parts import memory_filters


def memory_layer(config: NetworkConfig, unroll: bool) -> RNN2D:
    """The layer that returns every step's output and the last states; its weights' names are the step model's.

    Args:
        config: a recurrent network. unroll: whether the loop is written out, for clips of a known length.
    """
    memory, filters = config.memory, memory_filters(config)
    options = {"return_sequences": True, "return_state": True, "unroll": unroll, "name": "memory_over_time"}
    if memory.kind == "squeezed_gru":
        return SqueezedGRU2D(
            filters,
            squeeze=memory.squeeze,
            squeeze_activation=memory.squeeze_activation,
            cell_name="memory",
            **options,
        )
    return RNN2D(MEMORY_KINDS[memory.kind].cell(filters, name="memory"), **options)
