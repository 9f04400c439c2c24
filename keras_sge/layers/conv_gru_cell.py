"""The convolutional GRU: one time step."""

from __future__ import annotations

import keras

from keras_sge.layers.conv_gru_step import conv_gru_parts, conv_gru_step
from keras_sge.layers.map_cell import MapCell


@keras.saving.register_keras_serializable("keras_sge")
class ConvGRUCell(MapCell):
    """One step of a convolutional GRU with its three gates; arguments, call and result as `MapCell`'s.

    Its state stays within -1 .. 1. With 1,024 input channels and 256 filters it has 8,847,360 weights and 768 biases;
    the paper's 29.49M is another count, see `conv_gru_step.py`.
    """

    make_parts = staticmethod(conv_gru_parts)
    step = staticmethod(conv_gru_step)
    separable = False
