"""One step of the convolutional GRU, written once over a namespace of stock layers (Siam et al. 2017).

Three full 3x3 convolutions over [x, h]: with 1,024 input and 256 hidden channels 8,847,360 weights. The paper's Table 1
prints 29.49M for it, which is 2 x 9 x 1,280 x 1,280: gates as wide as [x, h] and no candidate. That cell has no update
that its own h would fit, so it is not built here; see docs/paper.md.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_sge.layers.cells import MapCell, gated_update, gated_update_parts

GATES = {"update": "sigmoid", "reset": "sigmoid", "candidate": "tanh"}


def conv_gru_parts(
    layers: Any, filters: int, kernel_size: int = 3, prefix: str = "", update: str = "subtract", **weight_options: Any
) -> dict[str, Any]:
    """The stock layers of one cell, by role; names are `prefix` + role.

    x and h have convolutions of their own, whose results are added: the same function as one over [x, h].

    Args:
        layers: `keras.layers` or `tf_keras.layers`. filters: hidden channels. kernel_size: of all kernels.
        prefix: of every layer's name. update: see `gated_update_parts`.
        weight_options: `kernel_initializer`, `bias_initializer`.
    """

    def convolution(role, use_bias):
        options = {k: v for k, v in weight_options.items() if use_bias or not k.startswith("bias")}
        return layers.Conv2D(filters, kernel_size, padding="same", use_bias=use_bias, name=prefix + role, **options)

    parts = {}
    for gate, activation in GATES.items():
        parts[f"{gate}_x"] = convolution(f"{gate}_x", True)
        parts[f"{gate}_h"] = convolution(f"{gate}_h", False)
        parts[f"{gate}_sum"] = layers.Add(name=f"{prefix}{gate}_sum")
        parts[gate] = layers.Activation(activation, name=prefix + gate)
    parts["reset_state"] = layers.Multiply(name=prefix + "reset_state")
    return parts | gated_update_parts(layers, prefix, update)


def conv_gru_step(parts: dict[str, Any], x: Any, h: Any) -> Any:
    """The new state from the input and the old state: the Squeezed GRU's equations with full convolutions.

    Args:
        parts: from `conv_gru_parts`. x: (batch, rows, columns, channels). h: (batch, rows, columns, filters).

    Returns:
        (batch, rows, columns, filters) in -1 .. 1 when h is.
    """

    def gate(role, state):
        return parts[role](parts[f"{role}_sum"]([parts[f"{role}_x"](x), parts[f"{role}_h"](state)]))

    candidate = gate("candidate", parts["reset_state"]([gate("reset", h), h]))
    return gated_update(parts, h, gate("update", h), candidate)


@keras.saving.register_keras_serializable("keras_sge")
class ConvGRUCell(MapCell):
    """One step of a convolutional GRU with its three gates; arguments, call and result as `MapCell`'s.

    Its state stays within -1 .. 1. With 1,024 input channels and 256 filters it has 8,847,360 weights and 768 biases;
    the paper's 29.49M is another count, see `conv_gru_step.py`.
    """

    make_parts = staticmethod(conv_gru_parts)
    step = staticmethod(conv_gru_step)
    separable = False
