"""One step of the Bottleneck-LSTM, written once over a namespace of stock layers.

Liu & Zhu, "Mobile Video Object Detection with Temporally-Aware Feature Maps" (CVPR 2018), section 3.3: [x, h] is
reduced to the hidden channels first, and the gates see the reduction only. Not in the paper's tables; its reference.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_sge.layers.cells import MapCell, separable_makers

GATES = ("input", "forget", "candidate", "output")
LIMIT = 6.0


def bottleneck_lstm_parts(
    layers: Any, filters: int, kernel_size: int = 3, prefix: str = "", update: str = "subtract", **weight_options: Any
) -> dict[str, Any]:
    """The stock layers of one cell, by role; names are `prefix` + role.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. filters: hidden channels. kernel_size: of the depthwise kernels.
        prefix: of every layer's name. update: an LSTM's has one form, so it says nothing here.
        weight_options: see `separable_makers`. The forget gate's bias starts at 1 whatever they say, as in Keras.
    """
    depthwise, pointwise = separable_makers(layers, filters, kernel_size, prefix, **weight_options)
    parts = {}
    for part, use_bias in (("x", True), ("h", False)):
        parts[f"bottleneck_{part}_depthwise"] = depthwise(f"bottleneck_{part}_depthwise")
        parts[f"bottleneck_{part}_pointwise"] = pointwise(f"bottleneck_{part}_pointwise", use_bias)
    parts["bottleneck_sum"] = layers.Add(name=prefix + "bottleneck_sum")
    parts["bottleneck"] = layers.ReLU(LIMIT, name=prefix + "bottleneck")
    parts["gates_depthwise"] = depthwise("gates_depthwise")
    for gate in GATES:
        remembering = {"bias_initializer": "ones"} if gate == "forget" else {}
        parts[f"{gate}_pointwise"] = pointwise(f"{gate}_pointwise", True, **remembering)
        rectified = gate == "candidate"
        name = prefix + gate
        parts[gate] = layers.ReLU(LIMIT, name=name) if rectified else layers.Activation("sigmoid", name=name)
    return parts | {
        "kept": layers.Multiply(name=prefix + "kept"),
        "taken": layers.Multiply(name=prefix + "taken"),
        "cell": layers.Add(name=prefix + "cell"),
        "next_state_c": layers.ReLU(LIMIT, name=prefix + "next_state_c"),
        "next_state_h": layers.Multiply(name=prefix + "next_state_h"),
    }


def bottleneck_lstm_step(parts: dict[str, Any], x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """b = phi(W [x, h]); i, f, o = sigmoid(W b); c' = phi(f c + i phi(W b)), h' = o phi(c'), with phi = ReLU6.

    The state's reading: the publication bounds what is read of c by phi, its code can clip c itself. Here c' is clipped
    by phi, so that both states lie within 0 .. 6 however long a stream is, which a file of 8 bits needs.

    Args:
        parts: from `bottleneck_lstm_parts`. x: (batch, rows, columns, channels). h, c: (batch, rows, columns, filters).

    Returns:
        h' and c' in 0 .. 6, (batch, rows, columns, filters) each.
    """
    seen, remembered = (
        parts[f"bottleneck_{part}_pointwise"](parts[f"bottleneck_{part}_depthwise"](value))
        for part, value in (("x", x), ("h", h))
    )
    b = parts["bottleneck"](parts["bottleneck_sum"]([seen, remembered]))
    b = parts["gates_depthwise"](b)

    def gate(role):
        return parts[role](parts[f"{role}_pointwise"](b))

    kept = parts["kept"]([gate("forget"), c])
    c = parts["next_state_c"](parts["cell"]([kept, parts["taken"]([gate("input"), gate("candidate")])]))
    # phi(c') is c' once it is clipped.
    return parts["next_state_h"]([gate("output"), c]), c


@keras.saving.register_keras_serializable("keras_sge")
class BottleneckLSTMCell(MapCell):
    """One step of Liu & Zhu's Bottleneck-LSTM; arguments, call and result as `MapCell`'s.

    Its states h and c are within 0 .. 6. With 1,024 input channels and 256 filters it has 603,648 weights and 1,280
    biases.
    """

    make_parts = staticmethod(bottleneck_lstm_parts)
    step = staticmethod(bottleneck_lstm_step)
    number_of_states = 2
