"""The information entropy map and the attention that is made of it, as layers."""

from __future__ import annotations

import math

import keras
from keras import ops

PAD_MODES = {"reflect_101": "reflect", "reflect": "symmetric", "constant": "constant"}
POOLINGS = {"average": ops.average_pool, "max": ops.max_pool}


@keras.saving.register_keras_serializable("keras_sge")
class InformationEntropyMap(keras.layers.Layer):
    """Two-dimensional information entropy of every pixel's window (Su et al., SGE-Net, eq. 2-3); no weights.

    Each pixel becomes the pair (gray value i, mean j of its window); the map is -sum p log2 p over the pairs in a
    second window of the same size. Equal to `edge.entropy_map`, which is the faster one on a CPU.

    Args:
        window: odd side of both sliding windows; the paper's is 3.
        border: what lies outside the image in both passes: `"reflect_101"`, `"reflect"` or `"constant"` (zero).
        opening: side of the morphological opening that follows; None for none, the paper does not give its size.
        value_range: range of the images' values, mapped to 0 .. 255 before the map is computed.

    Input shape:
        (batch, height, width, 3) RGB or (batch, height, width, 1) gray.

    Output shape:
        (batch, height, width, 1), float32 in bits, 0 .. log2(window ** 2).
    """

    def __init__(self, window=3, border="reflect_101", opening=3, value_range=(0, 255), **kwargs):
        # Gray codes up to 65,535 and logarithms need float32 whatever the policy.
        super().__init__(**{**kwargs, "dtype": "float32"})
        if window % 2 == 0 or window < 3:
            raise ValueError(f"`window` must be an odd number from 3. Received: window={window}")
        if border not in PAD_MODES:
            raise ValueError(f"`border` must be one of {tuple(PAD_MODES)}. Received: border={border!r}")
        if opening is not None and (opening % 2 == 0 or opening < 1):
            raise ValueError(f"`opening` must be an odd number or None. Received: opening={opening}")
        self.window = window
        self.border = border
        self.opening = opening
        self.value_range = tuple(value_range)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] not in (1, 3):
            raise ValueError(
                "InformationEntropyMap expects images of shape (batch, height, width, 3 or 1). "
                f"Received: input_shape={input_shape}"
            )
        self.built = True

    def call(self, images):
        low, high = self.value_range
        pixels = ops.floor((images - low) * (255.0 / (high - low)) + 0.5)
        gray = self._gray(pixels) if images.shape[-1] == 3 else pixels
        count = self.window**2
        neighbours = self._shifted(gray)
        mean = ops.floor(sum(neighbours[1:], neighbours[0]) / count + 0.5)
        pairs = self._shifted(gray * 256.0 + mean)
        # H = log2 n - (1/n) sum_k log2 c_k, where c_k pairs of the window equal pair k.
        total = 0.0
        for one in pairs:
            equal = [ops.cast(ops.equal(one, other), "float32") for other in pairs]
            total = total + ops.log(sum(equal[1:], equal[0]))
        entropy = ops.maximum(math.log2(count) - total / (count * math.log(2)), 0.0)
        if self.opening and self.opening > 1:
            eroded = -ops.max_pool(-entropy, self.opening, strides=1, padding="same")
            entropy = ops.max_pool(eroded, self.opening, strides=1, padding="same")
        return entropy

    def _gray(self, pixels):
        red, green, blue = pixels[..., 0:1], pixels[..., 1:2], pixels[..., 2:3]
        # OpenCV's fixed-point luma, exact in float32.
        return ops.floor((9798.0 * red + 19235.0 * green + 3735.0 * blue + 16384.0) / 32768.0)

    def _shifted(self, plane):
        """The plane seen from each of the window's positions: window ** 2 tensors of the plane's shape."""
        radius = self.window // 2
        height, width = plane.shape[1], plane.shape[2]
        if height is None or width is None:
            height, width = ops.shape(plane)[1], ops.shape(plane)[2]
        padded = ops.pad(plane, [[0, 0], [radius, radius], [radius, radius], [0, 0]], mode=PAD_MODES[self.border])
        return [padded[:, y : y + height, x : x + width, :] for y in range(self.window) for x in range(self.window)]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "window": self.window,
            "border": self.border,
            "opening": self.opening,
            "value_range": self.value_range,
        }


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
