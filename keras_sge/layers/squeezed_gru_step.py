"""One step of the Squeezed GRU, written once over a namespace of stock layers.

`keras.layers` gives the training cell and the exported step; `tf_keras.layers` gives the twin that
tensorflow-model-optimization understands. The maths is here and nowhere else.
"""

from __future__ import annotations

from typing import Any

from keras_sge.layers.gated_update import gated_update, gated_update_parts
from keras_sge.layers.separable_makers import separable_makers

SQUEEZE_PLACES = ("input", "gate")


def squeezed_gru_parts(
    layers: Any,
    filters: int,
    squeeze: str = "input",
    kernel_size: int = 3,
    prefix: str = "",
    squeeze_activation: str = "linear",
    update: str = "subtract",
    **weight_options: Any,
) -> dict[str, Any]:
    """The stock layers of one cell, by role; names are `prefix` + role.

    Concatenating x with h before a depthwise-separable convolution is the same function as two convolutions whose
    results are added, and the second form lets an int8 file give x and h scales of their own.

    Args:
        layers: `keras.layers` or `tf_keras.layers`.
        filters: hidden channels.
        squeeze: where channels are reduced: `input` (a 1x1 on x before the gates; counts as the paper's Table 1 prints)
            or `gate` (each gate's own 1x1, as the paper's eq. 5-7 and Fig. 3 say).
        kernel_size: side of the depthwise kernels.
        prefix: of every layer's name.
        squeeze_activation: of the 1x1 on x; the gates' own 1x1 have none.
        update: how eq. 8 is written, see `gated_update_parts`: `subtract` or `blend`.
        weight_options: `depthwise_initializer`, and `kernel_initializer`, `bias_initializer`, `kernel_regularizer` of
            the 1x1 convolutions.
    """
    depthwise, pointwise = separable_makers(layers, filters, kernel_size, prefix, **weight_options)
    parts = {"squeeze": pointwise("squeeze", True)} if squeeze == "input" else {}
    if squeeze_activation != "linear":
        parts["squeezed"] = layers.Activation(squeeze_activation, name=f"{prefix}squeezed")
    for role in ("update", "reset", "candidate") if squeeze == "input" else ("gates", "candidate"):
        parts |= {f"{role}_x_depthwise": depthwise(f"{role}_x_depthwise")}
        parts |= {f"{role}_h_depthwise": depthwise(f"{role}_h_depthwise")}
    for role in ("update", "reset", "candidate"):
        parts[f"{role}_x_pointwise"] = pointwise(f"{role}_x_pointwise", True)
        parts[f"{role}_h_pointwise"] = pointwise(f"{role}_h_pointwise", False)
        parts[f"{role}_sum"] = layers.Add(name=f"{prefix}{role}_sum")
        activation = "tanh" if role == "candidate" else "sigmoid"
        parts[role] = layers.Activation(activation, name=prefix + role)
    parts["reset_state"] = layers.Multiply(name=prefix + "reset_state")
    return parts | gated_update_parts(layers, prefix, update)


def squeezed(parts: dict[str, Any], x: Any) -> Any:
    """The reduction in front of the gates, (batch, rows, columns, filters); x itself where each gate has its own."""
    for role in ("squeeze", "squeezed"):
        if role in parts:
            x = parts[role](x)
    return x


def squeezed_gru_step(parts: dict[str, Any], x: Any, h: Any) -> Any:
    """Equations 5-8: the new state from the input and the old state.

    Args:
        parts: from `squeezed_gru_parts`. x: (batch, rows, columns, channels). h: (batch, rows, columns, filters).

    Returns:
        (batch, rows, columns, filters) in -1 .. 1 when h is.
    """
    x = squeezed(parts, x)

    def depthwise_pair(role, state):
        return parts[f"{role}_x_depthwise"](x), parts[f"{role}_h_depthwise"](state)

    def gate(role, pair):
        total = parts[f"{role}_sum"]([parts[f"{role}_x_pointwise"](pair[0]), parts[f"{role}_h_pointwise"](pair[1])])
        return parts[role](total)

    if "gates_x_depthwise" in parts:
        update_pair = reset_pair = depthwise_pair("gates", h)
    else:
        update_pair, reset_pair = depthwise_pair("update", h), depthwise_pair("reset", h)
    update = gate("update", update_pair)
    reset = gate("reset", reset_pair)
    candidate = gate("candidate", depthwise_pair("candidate", parts["reset_state"]([reset, h])))
    return gated_update(parts, h, update, candidate)
