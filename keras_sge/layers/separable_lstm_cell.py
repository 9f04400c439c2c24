"""The LSTM of the paper's Table 1: one time step."""

from __future__ import annotations

import keras

from keras_sge.layers.lstm_step import lstm_parts, lstm_step
from keras_sge.layers.map_cell import MapCell


@keras.saving.register_keras_serializable("keras_sge")
class SeparableLSTMCell(MapCell):
    """One step of a depthwise-separable convolutional LSTM; arguments, call and result as `MapCell`'s.

    Its states are h in -1 .. 1 and c, clipped to -8 .. 8. With 1,024 input channels and 1,024 filters it has 8,407,040
    weights and 4,096 biases; the paper prints 8.41M.
    """

    make_parts = staticmethod(lstm_parts)
    step = staticmethod(lstm_step)
    number_of_states = 2
