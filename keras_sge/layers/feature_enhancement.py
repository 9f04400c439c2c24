"""Attention by the entropy map."""

from __future__ import annotations

import keras
from keras import ops

POOLINGS = {"average": ops.average_pool, "max": ops.max_pool}


@keras.saving.register_keras_serializable("keras_sge")
class FeatureEnhancement(keras.layers.Layer):
    """f' = gain * sigmoid(pooling(m)) * f (Su et al., SGE-Net, eq. 4, where the gain is 1); no weights.

    Args:
        pooling: `"average"` or `"max"`; the paper does not say which.
        stride: pixels of the image for each of the feature's cells; None takes the map's size over the feature's,
            which is the same where it divides.
        gain: fixed factor; 2 leaves features of flat parts as they are.

    Call arguments:
        inputs: a pair: the feature (batch, rows, columns, channels) and the entropy map (batch, height, width, 1) of
            the image that the feature was computed from. The map is pooled with `same` padding.

    Output shape:
        The feature's.
    """

    def __init__(self, pooling="average", stride=None, gain=1.0, **kwargs):
        super().__init__(**kwargs)
        if pooling not in POOLINGS:
            raise ValueError(f"`pooling` must be one of {tuple(POOLINGS)}. Received: pooling={pooling!r}")
        self.pooling = pooling
        self.stride = stride
        self.gain = gain
        self.supports_masking = True

    def build(self, input_shape):
        feature, entropy = input_shape
        strides = [self.stride or -(-size // cells) for size, cells in zip(entropy[1:3], feature[1:3], strict=True)]
        covered = [-(-size // stride) for size, stride in zip(entropy[1:3], strides, strict=True)]
        if covered != list(feature[1:3]) or entropy[-1] != 1:
            raise ValueError(
                "FeatureEnhancement expects a feature whose rows and columns divide the entropy map's, and a map of "
                f"one channel. Received: feature shape={feature}, map shape={entropy}"
            )
        self.strides = tuple(strides)
        self.built = True

    def call(self, inputs):
        feature, entropy = inputs
        pooled = POOLINGS[self.pooling](entropy, self.strides, strides=self.strides, padding="same")
        attention = ops.sigmoid(pooled)
        if self.gain != 1:
            attention = self.gain * attention
        return ops.cast(attention, feature.dtype) * feature

    def compute_mask(self, inputs, mask=None):
        return mask[0] if mask else None

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling, "stride": self.stride, "gain": self.gain}
