"""What all cells of maps have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import keras

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def separable_makers(
    layers: Any, filters: int, kernel_size: int, prefix: str, **weight_options: Any
) -> tuple[Callable[[str], Any], Callable[..., Any]]:
    """Functions that make a depthwise layer, and a 1x1 layer to `filters` channels, from a role.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. filters: of the 1x1 layers. kernel_size: of the depthwise ones.
        prefix: of every layer's name.
        weight_options: `depthwise_initializer`, None for one that keeps the signal's variance; `kernel_initializer`,
            `bias_initializer`, `kernel_regularizer` of the 1x1 layers.

    Returns:
        depthwise(role), pointwise(role, use_bias, **options that replace those given here).
    """
    # Keras counts a depthwise kernel's channels as inputs, and its default would start the gates almost blind.
    unit_gain = {"class_name": "RandomNormal", "config": {"stddev": 1 / kernel_size}}
    depthwise_options = {"use_bias": False, "padding": "same"}
    depthwise_options["depthwise_initializer"] = weight_options.pop("depthwise_initializer", None) or unit_gain

    def depthwise(role):
        return layers.DepthwiseConv2D(kernel_size, name=prefix + role, **depthwise_options)

    def pointwise(role, use_bias, **replaced):
        options = {k: v for k, v in weight_options.items() if use_bias or not k.startswith("bias")}
        return layers.Conv2D(filters, 1, use_bias=use_bias, name=prefix + role, **{**options, **replaced})

    return depthwise, pointwise


def gated_update_parts(layers: Any, prefix: str, update: str) -> dict[str, Any]:
    """The layers of (1 - z) h + z h', by role.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. prefix: of every layer's name.
        update: `subtract`, h - z (h - h'), ends in a subtraction: some phone GPU delegates return one operand of an
            addition that is both an output and read again (LiteRT issue 8599). `blend`, (h - z h) + z h', has no value
            beyond the state's own range, as h - h' is: integers of 8 bits have no steps to waste.
    """
    if update == "blend":
        return {
            "forgotten": layers.Multiply(name=prefix + "forgotten"),
            "kept": layers.Subtract(name=prefix + "kept"),
            "taken": layers.Multiply(name=prefix + "taken"),
            "next_state": layers.Add(name=prefix + "next_state"),
        }
    return {
        "difference": layers.Subtract(name=prefix + "difference"),
        "correction": layers.Multiply(name=prefix + "correction"),
        "next_state": layers.Subtract(name=prefix + "next_state"),
    }


def gated_update(parts: dict[str, Any], h: Any, update: Any, candidate: Any) -> Any:
    """The new state from the old one `h`, the update gate z and the candidate h', all of one shape."""
    if "taken" in parts:
        kept = parts["kept"]([h, parts["forgotten"]([update, h])])
        return parts["next_state"]([kept, parts["taken"]([update, candidate])])
    correction = parts["correction"]([update, parts["difference"]([h, candidate])])
    return parts["next_state"]([h, correction])


class MapCell(keras.layers.Layer):
    """One time step of a convolutional cell around the stock layers of its `*_step.py`; runs in `RNN2D`.

    Args:
        filters: hidden channels.
        kernel_size: side of the spatial kernels.
        kernel_initializer: of the 1x1 kernels; of all kernels in a cell without depthwise ones.
        depthwise_initializer: of the depthwise kernels; None keeps the signal's variance.
        bias_initializer: of the gates' biases.
        part_options: a subclass' own options of `make_parts`.

    Call arguments:
        inputs: (batch, rows, columns, channels).
        states: a list of the states before, (batch, rows, columns, filters) each.

    Returns:
        The output, which is the first of the new states, and a list of the new states.
    """

    # Of a subclass: `NAME_parts` and `NAME_step`, how many states there are, whether kernels are depthwise and 1x1.
    make_parts: ClassVar[Callable[..., dict[str, Any]]]
    step: ClassVar[Callable[..., Any]]
    number_of_states: ClassVar[int] = 1
    separable: ClassVar[bool] = True

    def __init__(
        self,
        filters,
        kernel_size=3,
        kernel_initializer="glorot_uniform",
        depthwise_initializer=None,
        bias_initializer="zeros",
        part_options=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(f"`filters` must be a positive integer. Received: filters={filters}")
        if depthwise_initializer is not None and not self.separable:
            raise ValueError(
                f"{type(self).__name__} has no depthwise kernels. Received: "
                f"depthwise_initializer={depthwise_initializer!r}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.depthwise_initializer = depthwise_initializer and keras.initializers.get(depthwise_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.state_size = [filters] * self.number_of_states
        self.output_size = filters
        # Serialized, so that every kernel draws numbers of its own: an instance repeats itself.
        options = {name: value for name, value in self._initializers().items() if value is not None}
        self.parts = type(self).make_parts(
            keras.layers, filters, kernel_size=kernel_size, prefix=f"{self.name}_", **options, **(part_options or {})
        )
        for part in self.parts.values():
            # Of the cell's own precision: a state that changed its dtype from step to step could not be looped over.
            part.dtype_policy = self.dtype_policy

    def _initializers(self):
        return {
            name: value and keras.initializers.serialize(value)
            for name, value in (
                ("kernel_initializer", self.kernel_initializer),
                ("depthwise_initializer", self.depthwise_initializer),
                ("bias_initializer", self.bias_initializer),
            )
        }

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                f"{type(self).__name__} expects inputs of shape (batch, rows, columns, channels) with known rows, "
                f"columns and channels. Received: input_shape={input_shape}"
            )
        self.state_shape = (*input_shape[1:3], self.filters)
        for role, part in self.parts.items():
            if isinstance(part, _CONVOLUTIONS):
                part.build((None, *(input_shape[1:] if self._sees_input(role) else self.state_shape)))
        self.built = True

    def _sees_input(self, role):
        """Whether the convolution of this role is over the input's channels; it is over the hidden ones else."""
        return "_x" in role

    def call(self, inputs, states):
        states = states if isinstance(states, (list, tuple)) else [states]
        states = type(self).step(self.parts, inputs, *states)
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        return states[0], states

    def get_initial_state(self, batch_size=None):
        """A list with the zero states, (batch_size, rows, columns, filters); the cell must have been built."""
        shape = (batch_size, *self.state_shape)
        return [keras.ops.zeros(shape, dtype=self.compute_dtype) for _ in range(self.number_of_states)]

    def compute_output_shape(self, input_shape, states_shape=None):
        state_shape = (*input_shape[:3], self.filters)
        return state_shape, [state_shape] * self.number_of_states

    def get_config(self):
        initializers = self._initializers()
        if not self.separable:
            del initializers["depthwise_initializer"]
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            **initializers,
        }
