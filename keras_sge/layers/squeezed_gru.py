"""One step of the Squeezed GRU, written once over a namespace of stock layers.

`keras.layers` gives the training cell and the exported step; `tf_keras.layers` gives the twin that
tensorflow-model-optimization understands. The maths is here and nowhere else.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_sge.layers.cells import MapCell, gated_update, gated_update_parts, separable_makers
from keras_sge.layers.rnn2d import RNN2D

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


@keras.saving.register_keras_serializable("keras_sge")
class SqueezedGRUCell(MapCell):
    """One step of a channel-reduced, depthwise-separable convolutional GRU (Su et al., SGE-Net, eq. 5-8).

    With 1,024 input channels and 256 filters, `squeeze="input"` has 669,184 weights and 1,024 biases, the count the
    paper's Table 1 prints (0.67M); `squeeze="gate"` has 1,006,080 weights and 768 biases, what its equations say.

    Args:
        filters: hidden channels.
        kernel_size: side of the depthwise kernels.
        squeeze: where channels are reduced: `"input"`, a 1x1 convolution on x before the gates, or `"gate"`, in each
            gate's own 1x1 convolution.
        squeeze_activation: of the reduction before the gates, `"linear"` as in the paper or the name of another.
        kernel_initializer: of the 1x1 kernels.
        depthwise_initializer: of the depthwise kernels; None keeps the signal's variance.
        bias_initializer: of the gates' biases.
        kernel_regularizer: of the 1x1 kernels.

    Call arguments:
        inputs: (batch, rows, columns, channels).
        states: one tensor or a list of one: the state before, (batch, rows, columns, filters).

    Returns:
        The new state as the output, and a list with the new state. From a zero state it stays within -1 .. 1.
    """

    make_parts = staticmethod(squeezed_gru_parts)
    step = staticmethod(squeezed_gru_step)

    def __init__(
        self,
        filters,
        kernel_size=3,
        squeeze="input",
        squeeze_activation="linear",
        kernel_initializer="glorot_uniform",
        depthwise_initializer=None,
        bias_initializer="zeros",
        kernel_regularizer=None,
        **kwargs,
    ):
        if squeeze not in SQUEEZE_PLACES:
            raise ValueError(f"`squeeze` must be one of {SQUEEZE_PLACES}. Received: squeeze={squeeze!r}")
        if squeeze == "gate" and squeeze_activation != "linear":
            raise ValueError(
                "`squeeze_activation` needs `squeeze='input'`: each gate's own 1x1 has none. Received: "
                f"squeeze_activation={squeeze_activation!r}"
            )
        regularizer = keras.regularizers.get(kernel_regularizer)
        super().__init__(
            filters,
            kernel_size,
            kernel_initializer,
            depthwise_initializer,
            bias_initializer,
            part_options={
                "squeeze": squeeze,
                "squeeze_activation": squeeze_activation,
                "kernel_regularizer": regularizer,
            },
            **kwargs,
        )
        self.squeeze = squeeze
        self.squeeze_activation = squeeze_activation
        self.kernel_regularizer = regularizer

    def _sees_input(self, role):
        # Squeezed at its input, the gates see the reduction.
        return role == "squeeze" if self.squeeze == "input" else super()._sees_input(role)

    def get_config(self):
        return {
            **super().get_config(),
            "squeeze": self.squeeze,
            "squeeze_activation": self.squeeze_activation,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable("keras_sge")
class SqueezedGRU2D(RNN2D):
    """Squeezed GRU over a clip of feature maps (Su et al., SGE-Net, section 2.3).

    Args:
        filters, kernel_size, squeeze, squeeze_activation: see `SqueezedGRUCell`.
        kernel_initializer, depthwise_initializer, bias_initializer, kernel_regularizer: see `SqueezedGRUCell`.
        return_sequences, return_state, stateful, unroll: see `RNN2D`, as are call arguments and shapes.
        cell_name: name of the cell, the first word of its weights' names.

    Example:

    >>> clip = keras.Input((10, 20, 20, 512))
    >>> remembered = SqueezedGRU2D(128, return_sequences=True)(clip)
    >>> remembered.shape
    (None, 10, 20, 20, 128)
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        squeeze="input",
        squeeze_activation="linear",
        kernel_initializer="glorot_uniform",
        depthwise_initializer=None,
        bias_initializer="zeros",
        kernel_regularizer=None,
        return_sequences=False,
        return_state=False,
        stateful=False,
        unroll=False,
        cell_name=None,
        **kwargs,
    ):
        cell = SqueezedGRUCell(
            filters,
            kernel_size=kernel_size,
            squeeze=squeeze,
            squeeze_activation=squeeze_activation,
            kernel_initializer=kernel_initializer,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            name=cell_name,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            stateful=stateful,
            unroll=unroll,
            **kwargs,
        )

    def get_config(self):
        config = super().get_config()
        for key in ("cell", "go_backwards", "zero_output_for_mask"):
            del config[key]
        cell = self.cell.get_config()
        names = [name for name in cell if name not in keras.layers.Layer().get_config()]
        return {**config, **{name: cell[name] for name in names}, "cell_name": self.cell.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
