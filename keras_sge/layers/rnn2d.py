"""Recurrent layers over clips of feature maps, and clips as larger batches and back."""

from __future__ import annotations

import keras
from keras import ops


def step_mask(mask):
    """(batch, time, ...) -> (batch, time): a step counts where anything of it does. None stays None."""
    return mask if mask is None or len(mask.shape) <= 2 else ops.any(mask, axis=list(range(2, len(mask.shape))))


@keras.saving.register_keras_serializable("keras_sge")
class RNN2D(keras.layers.RNN):
    """Runs a convolutional cell over time; `keras.layers.RNN` for maps instead of vectors.

    Constructor arguments:
        cell: a cell with `filters`, `call(inputs, states)` and `get_initial_state(batch_size)`, such as
            `SqueezedGRUCell`.
        return_sequences: whether to return the output of every step or of the last one only.
        return_state: whether to return the last state as well.
        stateful: whether the state goes on into the next batch until `reset_state()`; needs a fixed batch size.
        unroll: whether to write the loop out; needs a known number of steps.

    Call arguments:
        sequences: (batch, time, rows, columns, channels).
        initial_state: list of state tensors; zeros when left out.
        mask: bool (batch, time); a step where it is False keeps the state and repeats the output. One with more axes,
            such as that of `keras.layers.Masking`, counts as True at a step where it is True anywhere.

    Input shape:
        (batch, time, rows, columns, channels)

    Output shape:
        (batch, time, rows, columns, filters) with `return_sequences`, else (batch, rows, columns, filters); with
        `return_state` followed by each state, (batch, rows, columns, filters).
    """

    def build(self, sequences_shape, initial_state_shape=None):
        if len(sequences_shape) != 5:
            raise ValueError(
                f"{type(self).__name__} expects inputs of shape (batch, time, rows, columns, channels). "
                f"Received: input_shape={sequences_shape}"
            )
        super().build(sequences_shape, initial_state_shape)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if mask is not None:
            # Keras' loop under JAX broadcasts a mask over vectors only.
            mask = step_mask(mask)[:, :, None, None, None]
        return super().inner_loop(sequences, initial_state, mask, training)

    def compute_mask(self, sequences, mask):
        # Of the sequences alone: initial states, which come behind them, have none.
        return super().compute_mask(sequences, step_mask(keras.tree.flatten(mask)[0]))

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        state_shape = (sequences_shape[0], *sequences_shape[2:4], self.cell.filters)
        output_shape = (*sequences_shape[:4], self.cell.filters) if self.return_sequences else state_shape
        if self.return_state:
            return (output_shape, *[state_shape] * len(self.state_size))
        return output_shape


@keras.saving.register_keras_serializable("keras_sge")
class FoldTime(keras.layers.Layer):
    """(batch, time, ...) -> (batch * time, ...): the stateless layers then see single frames. A mask folds alike."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, clip):
        return ops.reshape(clip, (-1, *clip.shape[2:]))

    def compute_mask(self, clip, mask=None):
        return mask if mask is None else ops.reshape(mask, (-1, *mask.shape[2:]))

    def compute_output_shape(self, clip_shape):
        known = None not in clip_shape[:2]
        return (clip_shape[0] * clip_shape[1] if known else None, *clip_shape[2:])


@keras.saving.register_keras_serializable("keras_sge")
class UnfoldTime(keras.layers.Layer):
    """[(batch * time, ...), clip] -> (batch, time, ...), with batch, time and the mask of steps as in `clip`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        frames, clip = inputs
        return ops.reshape(frames, (-1, ops.shape(clip)[1], *frames.shape[1:]))

    def compute_mask(self, inputs, mask=None):
        # Layers between drop masks, or have maps of other rows and columns: what the clip says of steps holds.
        return step_mask(mask[1]) if mask else None

    def compute_output_shape(self, input_shape):
        frames, clip = input_shape
        return (*clip[:2], *frames[1:])
