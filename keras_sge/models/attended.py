"""A feature under the entropy attention."""

from __future__ import annotations

from typing import Any


def attended(layers: Any, x: Any, attention: Any, gain: int) -> Any:
    """gain * attention * x; the factor is the network's, so that the host operator gives a plain sigmoid.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. x: (batch, rows, columns, channels).
        attention: (batch, rows, columns, 1). gain: see `EntropyConfig.gain`; at 1 there is no layer for it.
    """
    if gain != 1:
        # Rescaling would need TensorFlow on every backend.
        attention = layers.Add(name="attention_gain")([attention] * gain)
    return layers.Multiply(name="attended")([x, attention])
