"""MobileNetV1 (Howard et al. 2017) as a function over a namespace of stock layers.

Layers are numbered as the SGE-Net paper does, counting the first convolution: conv6 is the last map of stride 8 (256
channels at alpha 1), conv12 the last of stride 16 (512), conv13 the first of stride 32 (1,024), where the paper's trunk
ends; the block after it, conv14, is the last.
Padding is `same` everywhere, so any input size works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_sge.config.maps import TRUNK_BLOCKS
from keras_sge.models.topology import BATCH_NORM_EPSILON, block_name, block_number, norm_name

_MOMENTUM = 0.97


def folded_norm(convolution: str, bias: np.ndarray) -> dict[str, np.ndarray]:
    """The weights, by `layer/weight`, of a batch norm behind a convolution that does nothing but add `bias`."""
    values = {
        "gamma": np.full_like(bias, np.sqrt(1 + BATCH_NORM_EPSILON)),
        "beta": bias,
        "moving_mean": np.zeros_like(bias),
        "moving_variance": np.ones_like(bias),
    }
    return {f"{norm_name(convolution)}/{name}": value for name, value in values.items()}


def scaled(channels: int, alpha: float) -> int:
    """Channels under a width multiplier, at least 8."""
    return max(8, int(channels * alpha))


def conv_bn_relu6(layers: Any, x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    """Convolution, batch norm, ReLU6."""
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=norm_name(name))(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def depthwise_bn_relu6(layers: Any, x: Any, stride: int, name: str) -> Any:
    """Depthwise 3x3 convolution, batch norm, ReLU6."""
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=norm_name(name))(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def mobilenet_v1(
    layers: Any,
    image: Any,
    alpha: float,
    at: Callable[[str, Any], Any] = lambda _, x: x,
    last_block: str = "conv13",
    after: str | None = None,
) -> tuple[Any, Any, Any]:
    """The trunk.

    Args:
        layers: `keras.layers` or `tf_keras.layers`.
        image: (batch, height, width, 3) RGB in -1 .. 1.
        alpha: width multiplier.
        at: given the name of each map, from conv2 on, and the map: what goes on in its place.
        last_block: `conv13` or `conv14`, where the trunk ends.
        after: a block from conv2 on, whose map then stands in `image`'s place: there are no layers up to it.

    Returns:
        The last maps of their strides: conv6 (batch, ceil(height / 8), ceil(width / 8), 256 alpha); conv12, half as
        large, 512 alpha channels; that of the last block, half as large again, 1,024 alpha channels.
    """
    given, maps = block_number(after) if after else 1, {}
    x = image if after else conv_bn_relu6(layers, image, scaled(32, alpha), 3, 2, block_name(1))
    for number, (channels, stride) in enumerate(TRUNK_BLOCKS[: block_number(last_block) - 1], start=2):
        if number < given:
            continue
        if number > given:
            x = depthwise_bn_relu6(layers, x, stride, block_name(number, "depthwise"))
            x = conv_bn_relu6(layers, x, scaled(channels, alpha), 1, 1, block_name(number))
        x = maps[f"conv{number}"] = at(f"conv{number}", x)
    return maps.get("conv6"), maps.get("conv12"), x
