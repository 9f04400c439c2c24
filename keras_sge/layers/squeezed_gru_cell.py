"""The Squeezed GRU's cell: one time step."""

from __future__ import annotations

import keras

from keras_sge.layers.map_cell import MapCell
from keras_sge.layers.squeezed_gru_step import SQUEEZE_PLACES, squeezed_gru_parts, squeezed_gru_step


@keras.saving.register_keras_serializable("keras_sge")
class SqueezedGRUCell(MapCell):
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
