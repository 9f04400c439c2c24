"""One step of a depthwise-separable convolutional LSTM, written once over a namespace of stock layers.

As the paper's Table 1 counts it: one depthwise 3x3 over [x, h] and a 1x1 to all four gates. With 1,024 input and 1,024
hidden channels that is 8,407,040 weights, which the table prints as 8.41M.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_sge.layers.cells import MapCell, separable_makers

GATES = {"input": "sigmoid", "forget": "sigmoid", "candidate": "tanh", "output": "sigmoid"}
# Nothing bounds an LSTM's cell state; beyond this tanh is 1, and a file of 8 bits needs a range.
CELL_LIMIT = 8.0


def lstm_parts(
    layers: Any, filters: int, kernel_size: int = 3, prefix: str = "", update: str = "subtract", **weight_options: Any
) -> dict[str, Any]:
    """The stock layers of one cell, by role; names are `prefix` + role.

    x and h have convolutions of their own, whose results are added: the same function as one over [x, h]. Each gate has
    its own 1x1: tensorflow-model-optimization refuses the slices of a common one.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. filters: hidden channels. kernel_size: of the depthwise kernels.
        prefix: of every layer's name. update: an LSTM's has one form, so it says nothing here.
        weight_options: see `separable_makers`. The forget gate's bias starts at 1 whatever they say, as in Keras.
    """
    depthwise, pointwise = separable_makers(layers, filters, kernel_size, prefix, **weight_options)
    parts = {role: depthwise(role) for role in ("gates_x_depthwise", "gates_h_depthwise")}
    for gate, activation in GATES.items():
        remembering = {"bias_initializer": "ones"} if gate == "forget" else {}
        parts[f"{gate}_x_pointwise"] = pointwise(f"{gate}_x_pointwise", True, **remembering)
        parts[f"{gate}_h_pointwise"] = pointwise(f"{gate}_h_pointwise", False)
        parts[f"{gate}_sum"] = layers.Add(name=f"{prefix}{gate}_sum")
        parts[gate] = layers.Activation(activation, name=prefix + gate)
    return parts | {
        "kept": layers.Multiply(name=prefix + "kept"),
        "taken": layers.Multiply(name=prefix + "taken"),
        "cell": layers.Add(name=prefix + "cell"),
        "cell_above": layers.ReLU(CELL_LIMIT, name=prefix + "cell_above"),
        "cell_positive": layers.ReLU(name=prefix + "cell_positive"),
        "cell_negative": layers.Subtract(name=prefix + "cell_negative"),
        "cell_below": layers.ReLU(CELL_LIMIT, name=prefix + "cell_below"),
        "next_state_c": layers.Subtract(name=prefix + "next_state_c"),
        "shown": layers.Activation("tanh", name=prefix + "shown"),
        "next_state_h": layers.Multiply(name=prefix + "next_state_h"),
    }


def lstm_step(parts: dict[str, Any], x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """c' = clip(f c + i g, -8, 8), h' = o tanh(c').

    Args:
        parts: from `lstm_parts`. x: (batch, rows, columns, channels). h, c: (batch, rows, columns, filters).

    Returns:
        h' in -1 .. 1 and c' in -8 .. 8, (batch, rows, columns, filters) each.
    """
    x, h = parts["gates_x_depthwise"](x), parts["gates_h_depthwise"](h)

    def gate(role):
        total = parts[f"{role}_sum"]([parts[f"{role}_x_pointwise"](x), parts[f"{role}_h_pointwise"](h)])
        return parts[role](total)

    kept = parts["kept"]([gate("forget"), c])
    cell = parts["cell"]([kept, parts["taken"]([gate("input"), gate("candidate")])])
    # A clip on both sides in stock layers that change no value within; Rescaling, to negate, would need TensorFlow.
    below = parts["cell_below"](parts["cell_negative"]([parts["cell_positive"](cell), cell]))
    c = parts["next_state_c"]([parts["cell_above"](cell), below])
    return parts["next_state_h"]([gate("output"), parts["shown"](c)]), c


@keras.saving.register_keras_serializable("keras_sge")
class SeparableLSTMCell(MapCell):
    """One step of a depthwise-separable convolutional LSTM; arguments, call and result as `MapCell`'s.

    Its states are h in -1 .. 1 and c, clipped to -8 .. 8. With 1,024 input channels and 1,024 filters it has 8,407,040
    weights and 4,096 biases; the paper prints 8.41M.
    """

    make_parts = staticmethod(lstm_parts)
    step = staticmethod(lstm_step)
    number_of_states = 2
