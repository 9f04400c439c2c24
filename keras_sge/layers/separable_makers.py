"""The two halves of a depthwise-separable convolution, as cells of maps make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
