"""The GRU of the paper's Table 1: one time step."""

from __future__ import annotations

from typing import Any

import keras

from keras_sge.layers.cells import MapCell
from keras_sge.layers.squeezed_gru import squeezed_gru_parts, squeezed_gru_step


def separable_gru_parts(layers: Any, filters: int, **options: Any) -> dict[str, Any]:
    """The Squeezed GRU whose gates have their own 1x1; with as many hidden channels as x has, nothing is squeezed."""
    return squeezed_gru_parts(layers, filters, squeeze="gate", **options)


@keras.saving.register_keras_serializable("keras_sge")
class SeparableGRUCell(MapCell):
    """One step of a depthwise-separable convolutional GRU; arguments, call and result as `MapCell`'s.

    Its state stays within -1 .. 1. With 1,024 input channels and 1,024 filters it has 6,328,320 weights and 3,072
    biases; the paper prints 6.33M.
    """

    make_parts = staticmethod(separable_gru_parts)
    step = staticmethod(squeezed_gru_step)
