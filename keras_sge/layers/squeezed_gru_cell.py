"""The Squeezed GRU's cell: one time step."""

from __future__ import annotations

import keras

from keras_sge.layers.squeezed_gru_step import SQUEEZE_PLACES, squeezed_gru_parts, squeezed_gru_step


@keras.saving.register_keras_serializable("keras_sge")
class SqueezedGRUCell(keras.layers.Layer):
    """One step of a channel-reduced, depthwise-separable convolutional GRU (Su et al., SGE-Net, eq. 5-8).

    With 1,024 input channels and 256 filters, `squeeze="input"` has 669,184 weights and 1,024 biases, the count the
    paper's Table 1 prints (.67M); `squeeze="gate"` has 1,006,080 weights and 768 biases, what its equations say.

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
        super().__init__(**kwargs)
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(f"`filters` must be a positive integer. Received: filters={filters}")
        if squeeze not in SQUEEZE_PLACES:
            raise ValueError(f"`squeeze` must be one of {SQUEEZE_PLACES}. Received: squeeze={squeeze!r}")
        if squeeze == "gate" and squeeze_activation != "linear":
            raise ValueError(
                "`squeeze_activation` needs `squeeze='input'`: each gate's own 1x1 has none. Received: "
                f"squeeze_activation={squeeze_activation!r}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.squeeze = squeeze
        self.squeeze_activation = squeeze_activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.depthwise_initializer = depthwise_initializer and keras.initializers.get(depthwise_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.state_size = filters
        self.output_size = filters
        self.parts = squeezed_gru_parts(
            keras.layers,
            filters,
            squeeze,
            kernel_size,
            prefix=f"{self.name}_",
            squeeze_activation=squeeze_activation,
            # Serialised, so that every kernel draws numbers of its own: an instance repeats itself.
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
            depthwise_initializer=self._depthwise_config(),
            bias_initializer=keras.initializers.serialize(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
        )

    def _depthwise_config(self):
        return self.depthwise_initializer and keras.initializers.serialize(self.depthwise_initializer)

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "SqueezedGRUCell expects inputs of shape (batch, rows, columns, channels) with known rows, columns and "
                f"channels. Received: input_shape={input_shape}"
            )
        self.state_shape = (*input_shape[1:3], self.filters)
        squeezed = (None, *self.state_shape) if self.squeeze == "input" else (None, *input_shape[1:])
        for role, part in self.parts.items():
            if role == "squeeze":
                part.build((None, *input_shape[1:]))
            elif "_x_" in role:
                part.build(squeezed)
            elif "_h_" in role:
                part.build((None, *self.state_shape))
        self.built = True

    def call(self, inputs, states):
        state = states[0] if isinstance(states, (list, tuple)) else states
        state = squeezed_gru_step(self.parts, inputs, state)
        return state, [state]

    def get_initial_state(self, batch_size=None):
        """A list with the zero state, (batch_size, rows, columns, filters); the cell must have been built."""
        return [keras.ops.zeros((batch_size, *self.state_shape), dtype=self.compute_dtype)]

    def compute_output_shape(self, input_shape, states_shape=None):
        state_shape = (*input_shape[:3], self.filters)
        return state_shape, [state_shape]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "squeeze": self.squeeze,
            "squeeze_activation": self.squeeze_activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "depthwise_initializer": self._depthwise_config(),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
