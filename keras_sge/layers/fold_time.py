"""Clips as larger batches and back."""

from __future__ import annotations

import keras
from keras import ops

from keras_sge.layers.rnn2d import step_mask


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
