"""The tf_keras twin of the one-step network, batch norm folded into the convolutions before it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from keras_sge.config import NetworkConfig
from keras_sge.models.mobilenet_v1 import folded_norm
from keras_sge.models.step_model import build_step_model
from keras_sge.models.topology import BATCH_NORM_EPSILON, layer_of, topology, weight_name
from quantization.contract import IMAGE_RANGE
from quantization.int8 import Ranges, input_ranges
from quantization.qat.clip_graph import PREFIX
from quantization.qat.quantizers import CUSTOM_OBJECTS, AsAnnotated, ConvolutionRange, OutputRange, tfmot

_CONVOLUTIONS = (tf_keras.layers.Conv2D, tf_keras.layers.DepthwiseConv2D)


def folded_twin(config: NetworkConfig, weights: Mapping[str, np.ndarray]) -> tf_keras.Model:
    """The twin: a functional step model of any batch size, its memory's update written as int8 files have it.

    Args:
        config: the network. weights: from `folded_weights`; a convolution that has none gets a bias of zeros.

    Raises:
        ValueError: a weight's name or shape has no match on the other side.
    """
    twin = build_step_model(config, FoldedLibrary(), batch_size=None, update="blend")
    variables = {weight_name(variable): variable for variable in twin.weights}
    unknown = [name for name in weights if name not in variables]
    missing = [name for name in variables if name not in weights and not name.endswith("/bias")]
    if unknown or missing:
        raise ValueError(f"the twin's weights differ in: {sorted(unknown + missing)[:8]}")
    for name, value in weights.items():
        if tuple(value.shape) != tuple(variables[name].shape):
            raise ValueError(f"{name} has shape {value.shape}, expected {tuple(variables[name].shape)}")
        variables[name].assign(value)
    return twin


def folded_weights(model: keras.Model, config: NetworkConfig) -> dict[str, np.ndarray]:
    """A Keras network's weights by `layer/weight`, each batch norm multiplied into the convolution before it.

    Args:
        model: a clip or step model.
        config: of the network.
    """
    weights = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}
    table = topology(config)
    norms = {row.norm for row in table}
    folded = {name: value for name, value in weights.items() if layer_of(name) not in norms}
    for row in table:
        if row.norm is None:
            continue
        gamma, beta, mean, variance = (
            weights[f"{row.norm}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        # A depthwise kernel is (rows, columns, channels, 1), any other ends in its output channels.
        along = factor[:, None] if row.kind == "depthwise" else factor
        folded[f"{row.name}/kernel"] = folded[f"{row.name}/kernel"] * along
        folded[f"{row.name}/bias"] = beta - mean * factor
    return folded


def set_folded_weights(model: keras.Model, config: NetworkConfig, weights: Mapping[str, np.ndarray]) -> None:
    """Puts folded weights back into a Keras network, whose batch norms become additions of a bias.

    Args:
        model: a clip or step model.
        config: of the network.
        weights: by `layer/weight`, as `folded_weights` gives them.
    """
    names = [weight_name(weight) for weight in model.weights]
    unfolded = {name: value for name, value in weights.items() if name in names}
    for row in topology(config):
        if row.norm:
            unfolded |= folded_norm(row.name, weights[f"{row.name}/bias"])
    for weight, name in zip(model.weights, names, strict=True):
        weight.assign(unfolded[name])


def quantized_twin(twin: tf_keras.Model, ranges: Ranges) -> tf_keras.Model:
    """The twin as its int8 file will compute: kernels and activations rounded, the weights copied.

    Args:
        twin: from `folded_twin`.
        ranges: (low, high) by layer name of every activation that the file rounds, as
            `quantization.calibration.calibrate` finds them.

    Raises:
        ValueError: a range is of no layer of the twin.
    """
    names = {layer.name for layer in twin.layers}
    # Of -1 to 1 TensorFlow's kernel makes another zero point than the converter, by one step.
    limits = input_ranges(twin.input, ranges) | {"image": IMAGE_RANGE}
    ranges = {**ranges, **{f"{name}_in": limit for name, limit in limits.items()}}
    if unknown := ranges.keys() - names:
        raise ValueError(f"ranges of layers that the twin does not have: {sorted(unknown)[:8]}")

    def annotated(layer):
        kind = ConvolutionRange if isinstance(layer, _CONVOLUTIONS) else OutputRange
        return tfmot.quantization.keras.quantize_annotate_layer(layer, kind(*ranges.get(layer.name, ())))

    with tfmot.quantization.keras.quantize_scope(CUSTOM_OBJECTS):
        return tfmot.quantization.keras.quantize_apply(
            tf_keras.models.clone_model(twin, clone_function=annotated),
            AsAnnotated(),
            quantized_layer_name_prefix=PREFIX,
        )


def twin_variables(twin: tf_keras.Model) -> dict[str, tf.Variable]:
    """The kernels and biases of a quantized twin by `layer/weight`, as `folded_weights` names them."""
    return {
        f"{layer.name.removeprefix(PREFIX)}/{'bias' if variable.name.endswith('bias:0') else 'kernel'}": variable
        for layer in twin.layers
        for variable in layer.trainable_weights
    }


class FoldedLibrary:
    """`tf_keras` as `build_step_model` takes it, with three differences: batch norm is the identity, every convolution
    has a bias to hold it, and each input is followed by an identity layer `NAME_in` for a quantizer to stand on.

    Folded, because what is trained then is what the file will hold: batch statistics of a few neighbouring frames are
    noise, and a kernel's int8 steps before folding are not its steps after it.
    """

    def __init__(self):
        self._inputs: dict[str, Any] = {}
        self.layers = SimpleNamespace(**{**vars(tf_keras.layers), **_FOLDED_LAYERS})

    def Input(self, shape, batch_size=None, name=None):  # noqa: N802
        """The identity behind a `tf_keras.Input`."""
        self._inputs[name] = tf_keras.Input(shape, batch_size=batch_size, name=name)
        return tf_keras.layers.Activation("linear", name=f"{name}_in")(self._inputs[name])

    def Model(self, inputs, outputs, name=None):  # noqa: N802
        """The functional model from the inputs themselves to `outputs`."""
        return tf_keras.Model({key: self._inputs[key] for key in inputs}, outputs, name=name)


def _with_bias(layer):
    return lambda *arguments, **options: layer(*arguments, **{**options, "use_bias": True})


_FOLDED_LAYERS = {
    "Conv2D": _with_bias(tf_keras.layers.Conv2D),
    "DepthwiseConv2D": _with_bias(tf_keras.layers.DepthwiseConv2D),
    "BatchNormalization": lambda **options: lambda x: x,
}
