"""The Squeezed GRU as a layer."""

from __future__ import annotations

import keras

from keras_sge.layers.rnn2d import RNN2D
from keras_sge.layers.squeezed_gru_cell import SqueezedGRUCell


@keras.saving.register_keras_serializable("keras_sge")
class SqueezedGRU2D(RNN2D):
    """Squeezed GRU over a clip of feature maps (Su et al., SGE-Net, section 2.3).

    Args:
        filters, kernel_size, squeeze, squeeze_activation, and the initializers and regularizer: see `SqueezedGRUCell`.
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
