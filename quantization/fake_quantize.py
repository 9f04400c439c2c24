"""Where a tensor of the graph becomes 8 bits wide."""

from __future__ import annotations

import keras
import tensorflow as tf


class FakeQuantize(keras.layers.Layer):
    """Rounds to the 256 values of an int8 tensor that covers `low` to `high`; the converter reads its scale from here.

    Args:
        low, high: the range, 0 within. It is moved a little so that 0 is one of the values, and what lies outside
            becomes its end.
    """

    def __init__(self, low: float, high: float, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high = float(low), float(high)

    def call(self, x):
        return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high, num_bits=8)

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
