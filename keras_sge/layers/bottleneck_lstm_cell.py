"""The Bottleneck-LSTM: one time step."""

from __future__ import annotations

import keras

from keras_sge.layers.bottleneck_lstm_step import bottleneck_lstm_parts, bottleneck_lstm_step
from keras_sge.layers.map_cell import MapCell


@keras.saving.register_keras_serializable("keras_sge")
class BottleneckLSTMCell(MapCell):
    """One step of Liu & Zhu's Bottleneck-LSTM; arguments, call and result as `MapCell`'s.

    Its states h and c are within 0 .. 6. With 1,024 input channels and 256 filters it has 603,648 weights and 1,280
    biases.
    """

    make_parts = staticmethod(bottleneck_lstm_parts)
    step = staticmethod(bottleneck_lstm_step)
    number_of_states = 2
