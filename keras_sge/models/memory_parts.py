"""The layers of a network's memory."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_sge.config import NetworkConfig
from keras_sge.layers.squeezed_gru_step import squeezed_gru_parts
from keras_sge.models.mobilenet_v1 import scaled

# The update gate then opens to .88: a new memory hands most of what it sees on.
_OPEN_GATE = 2.0


def memory_parts(layers: Any, config: NetworkConfig, update: str = "subtract") -> dict[str, Any]:
    """The parts of the one-step graph's memory, see `squeezed_gru_parts`; a neck uses the reduction alone.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. config: a network with a memory. update: the update's form.
    """
    return squeezed_gru_parts(
        layers,
        scaled(config.memory.filters, config.alpha),
        config.memory.squeeze,
        prefix="memory_",
        squeeze_activation=config.memory.squeeze_activation,
        update=update,
    )


def pass_through_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights, by `layer/weight`, with which a Squeezed GRU hands its reduced input on, much as its twin with the neck.

    A memory that joins a trained detector so starts where the detector stands, and learns what to keep from there.

    Args:
        model: a clip or step model whose memory squeezes at its input.
    """
    filters = scaled(model.config.memory.filters, model.config.alpha)
    centre = np.zeros((3, 3, filters, 1), np.float32)
    centre[1, 1] = 1
    return {
        "memory_candidate_x_depthwise/kernel": centre,
        "memory_candidate_x_pointwise/kernel": np.eye(filters, dtype=np.float32)[None, None],
        "memory_candidate_h_pointwise/kernel": np.zeros((1, 1, filters, filters), np.float32),
        "memory_update_x_pointwise/bias": np.full(filters, _OPEN_GATE, np.float32),
    }
