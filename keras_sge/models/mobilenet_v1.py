"""MobileNetV1 (Howard et al. 2017) as a function over a namespace of stock layers.

Layers are numbered as the SGE-Net paper does, counting the first convolution: conv6 is the last map of stride 8 (256
channels at alpha 1), conv12 the last of stride 16 (512), conv13 the first of stride 32 (1,024). The block after it
(conv14) is left out.
Padding is `same` everywhere, so any input size works.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# (channels at alpha 1, stride) of conv2 .. conv13.
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
)


def is_frozen(layer_name: str, until: str | None) -> bool:
    """Whether a layer is of the trunk up to `until`, such as `conv6`; of None is none."""
    found = re.match(r"conv(\d+)", layer_name)
    return bool(until and found and int(found[1]) <= int(until.removeprefix("conv")))


def is_trunk_batch_norm(layer_name: str) -> bool:
    """Whether a layer is one of the trunk's batch norms."""
    return bool(re.fullmatch(r"conv\d+.*_bn", layer_name))


def scaled(channels: int, alpha: float) -> int:
    """Channels under a width multiplier, at least 8."""
    return max(8, int(channels * alpha))


def conv_bn_relu6(layers: Any, x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    """Convolution, batch norm, ReLU6."""
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def depthwise_bn_relu6(layers: Any, x: Any, stride: int, name: str) -> Any:
    """Depthwise 3x3 convolution, batch norm, ReLU6."""
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def mobilenet_v1(
    layers: Any, image: Any, alpha: float, at: Callable[[str, Any], Any] = lambda _, x: x
) -> tuple[Any, Any, Any]:
    """The trunk.

    Args:
        layers: `keras.layers` or `tf_keras.layers`.
        image: (batch, height, width, 3) RGB in -1 .. 1.
        alpha: width multiplier.
        at: given the name of each map, conv2 to conv13, and the map: what goes on in its place.

    Returns:
        The last maps of their strides: conv6 (batch, ceil(height / 8), ceil(width / 8), 256 alpha); conv12, half as
        large, 512 alpha channels; conv13, half as large again, 1,024 alpha channels.
    """
    x = conv_bn_relu6(layers, image, scaled(32, alpha), 3, 2, "conv1")
    for number, (channels, stride) in enumerate(BLOCKS, start=2):
        if number == 7:
            conv6 = x
        if number == 13:
            conv12 = x
        x = depthwise_bn_relu6(layers, x, stride, f"conv{number}_depthwise")
        x = at(f"conv{number}", conv_bn_relu6(layers, x, scaled(channels, alpha), 1, 1, f"conv{number}_pointwise"))
    return conv6, conv12, x
