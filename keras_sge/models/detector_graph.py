"""The network of one frame, written once over a namespace of stock layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_sge.boxes import boxes_per_cell
from keras_sge.config import NetworkConfig
from keras_sge.config.maps import FEATURE_MAPS
from keras_sge.models.memory import memory_filters
from keras_sge.models.mobilenet_v1 import conv_bn_relu6, depthwise_bn_relu6, mobilenet_v1, scaled
from keras_sge.models.topology import REDUCTION, memory_prefix

# A sigmoid of 0.01: without a background to take the rest, anchors begin sure of nothing (Lin et al., Focal Loss, 4.1).
_RARE = {"class_name": "Constant", "config": {"value": -4.6}}


def attended(layers: Any, x: Any, attention: Any, gain: int) -> Any:
    """gain * attention * x; the factor is the network's, so that the host operator gives a plain sigmoid.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. x: (batch, rows, columns, channels).
        attention: (batch, rows, columns, 1). gain: see `EntropyConfig.gain`; at 1 there is no layer for it.
    """
    if gain != 1:
        # Rescaling would need TensorFlow on every backend.
        attention = layers.Add(name="attention_gain")([attention] * gain)
    return layers.Multiply(name="attended")([x, attention])


def detector_graph(
    layers: Any,
    config: NetworkConfig,
    image: Any,
    attend: Callable[[Any], Any],
    remember: Callable[[Any, str], Any],
    after: str | None = None,
) -> tuple[Any, Any]:
    """Frame -> trunk -> SSD extras and heads, with attention and memory behind the maps that the configuration names.

    Args:
        layers: `keras.layers` or `tf_keras.layers`.
        image: (batch, height, width, 3) RGB in -1 .. 1.
        attend: applied to the map at `config.entropy.attach_to`; multiplies it with the entropy attention.
        remember: applied to the map at each of `config.memory.places`, behind the attention if that is there too, and
            the place's name; the temporal module.
        after: a block of the trunk, such as `conv12`, whose map stands in `image`'s place, see `mobilenet_v1`.

    Returns:
        Box codes (batch, anchors, 4) and class logits (batch, anchors, config.score_columns), of a softmax with the
        background first.
    """

    def at(place, x):
        if config.entropy is not None and place == config.entropy.attach_to:
            x = attend(x)
        if config.memory is not None and place in config.memory.places:
            x = _with_memory(layers, config, place, x, remember)
        return _neck(layers, x, config) if config.reduction is not None and place == "conv13" else x

    conv6, conv12, x = mobilenet_v1(layers, image, config.alpha, at, config.last_block, after)
    if config.top_down:
        conv12 = _top_down(layers, x, conv12)
    maps = [conv6, conv12, x] if config.finer_map else [conv12, x]
    for number in range(1, 1 + len(config.extras)):
        x = at(FEATURE_MAPS[number - 1], _extra(layers, x, config, number))
        maps.append(x)
    cells = list(enumerate(zip(maps, boxes_per_cell(config), strict=True), start=1))
    boxes = [_head(layers, x, config, count, 4, f"boxes{number}") for number, (x, count) in cells]
    columns, first = config.score_columns, _RARE if config.heads.scores == "sigmoid" else "zeros"
    scores = [_head(layers, x, config, count, columns, f"scores{number}", first) for number, (x, count) in cells]
    return layers.Concatenate(axis=1, name="boxes")(boxes), layers.Concatenate(axis=1, name="scores")(scores)


def _with_memory(layers: Any, config: NetworkConfig, place: str, x: Any, remember: Callable[[Any, str], Any]) -> Any:
    """The map behind the memory's cell: what it remembers, or the map plus what that adds to it.

    At first it adds nothing, so a trained network's layers behind the map go on working: they still see what they were
    trained on. A correction GRU sees the map squeezed, and adds how far that is from what it remembers.
    """
    prefix = memory_prefix(config, place)
    if config.memory.replaces_conv13:
        return remember(x, place)
    if config.memory.kind == "correction_gru":
        seen = layers.Conv2D(memory_filters(config, place), 1, name=f"{prefix}squeeze")(x)
        new = layers.Subtract(name=f"{prefix}change")([remember(seen, place), seen])
    else:
        new = remember(x, place)
    restored = layers.Conv2D(x.shape[-1], 1, use_bias=False, kernel_initializer="zeros", name=f"{prefix}restore")(new)
    return layers.Add(name=f"{prefix}added")([x, restored])


def _neck(layers: Any, x: Any, config: NetworkConfig) -> Any:
    x = layers.Conv2D(scaled(config.reduction.filters, config.alpha), 1, name=REDUCTION)(x)
    return x if config.reduction.activation == "linear" else layers.Activation("tanh", name="neck_squeezed")(x)


def _top_down(layers: Any, coarse: Any, fine: Any) -> Any:
    """`fine` plus what `coarse`, half as large, knows of the same places; at first nothing."""
    rows, columns, channels = fine.shape[1:]
    x = layers.Conv2D(channels, 1, kernel_initializer="zeros", name="top_down_pointwise")(coarse)
    x = _doubled(layers, x)
    beyond = x.shape[1] - rows, x.shape[2] - columns
    if any(beyond):
        x = layers.Cropping2D(((0, beyond[0]), (0, beyond[1])), name="top_down_crop")(x)
    return layers.Add(name="top_down")([fine, x])


def _doubled(layers: Any, x: Any) -> Any:
    """Every cell four times. UpSampling2D makes tensors of five dimensions of it, which GPU delegates refuse."""
    rows, columns, channels = x.shape[1:]
    for axis, shape in ((3, (rows, 2 * columns, channels)), (2, (2 * rows, 2 * columns, channels))):
        twice = layers.Concatenate(axis=axis, name=f"top_down_twice{axis}")([x, x])
        x = layers.Reshape(shape, name=f"top_down_doubled{axis}")(twice)
    return x


def _extra(layers: Any, x: Any, config: NetworkConfig, number: int) -> Any:
    name, (reduced, channels) = f"extra{number}", (scaled(size, config.alpha) for size in config.extras[number - 1])
    x = conv_bn_relu6(layers, x, reduced, 1, 1, f"{name}_reduce")
    if config.extras_kind == "conv3x3":
        return conv_bn_relu6(layers, x, channels, 3, 2, f"{name}_conv")
    x = depthwise_bn_relu6(layers, x, 2, f"{name}_depthwise")
    return conv_bn_relu6(layers, x, channels, 1, 1, f"{name}_pointwise")


def _head(
    layers: Any, x: Any, config: NetworkConfig, boxes: int, values: int, name: str, first_bias: Any = "zeros"
) -> Any:
    rows, columns = x.shape[1:3]
    if config.heads.kind == "separable":
        x = depthwise_bn_relu6(layers, x, 1, f"{name}_depthwise")
    x = layers.Conv2D(boxes * values, 1, bias_initializer=first_bias, name=f"{name}_pointwise")(x)
    return layers.Reshape((rows * columns * boxes, values), name=f"{name}_flat")(x)
