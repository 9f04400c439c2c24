"""A folded twin with tensorflow-model-optimization's quantisers around every layer."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from quantization.qat.clip_graph import PREFIX
from quantization.qat.model_optimization import tfmot
from quantization.qat.step_quantizers import CUSTOM_OBJECTS, AsAnnotated, ConvolutionRange, OutputRange
from quantization.state_contract import IMAGE_SCALE, STATE_RANGE

_INPUT_RANGES = {
    "image_in": (-128 * IMAGE_SCALE, 127 * IMAGE_SCALE),
    "attention_in": (0.0, 255 / 256),
    "state_in": STATE_RANGE,
}
_CONVOLUTIONS = (tf_keras.layers.Conv2D, tf_keras.layers.DepthwiseConv2D)


def quantised_twin(twin: tf_keras.Model, ranges: Mapping[str, tuple[float, float]]) -> tf_keras.Model:
    """The twin as its int8 file will compute: kernels and activations rounded, the weights copied.

    Args:
        twin: from `folded_twin`. ranges: (low, high) by layer name of every activation that the file rounds, as
            `quantization.calibration.calibrate` finds them.

    Raises:
        ValueError: a range is of no layer of the twin.
    """
    ranges = {**ranges, **{name: limits for name, limits in _INPUT_RANGES.items() if name in _names(twin)}}
    if unknown := ranges.keys() - _names(twin):
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
    """The kernels and biases of a quantised twin by `layer/weight`, as `folded_weights` names them."""
    return {
        f"{layer.name.removeprefix(PREFIX)}/{'bias' if variable.name.endswith('bias:0') else 'kernel'}": variable
        for layer in twin.layers
        for variable in layer.trainable_weights
    }


def _names(twin):
    return {layer.name for layer in twin.layers}
