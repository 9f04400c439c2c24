"""The int8 form of a step: which of its tensors are rounded, in which ranges, and the step that rounds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import tensorflow as tf

from edge.errors import InputError
from keras_sge.config import NetworkConfig
from keras_sge.models.memory import MEMORY_KINDS
from keras_sge.models.topology import state_layer
from quantization.contract import STATE_RANGE

# (low, high) by layer name.
Ranges = dict[str, tuple[float, float]]

# 256 steps from 0, as TFLite's kernels give them to a sigmoid whatever the data.
_SIGMOID_RANGE = (0.0, 255 / 256)
INPUT_RANGES = {"image": (-1.0, 1.0), "attention": _SIGMOID_RANGE}
_ACTIVATION_RANGES = {"tanh": STATE_RANGE, "sigmoid": _SIGMOID_RANGE}
# Beyond these inputs they stand at their last int8 value: a wider range in front of them is steps thrown away.
_ACTIVATION_LIMITS = {"tanh": 3.25, "sigmoid": 6.25}
# A tensor that was 0 throughout gets a scale all the same.
_LEAST_RANGE = 1e-3
# The converter folds a batch norm and a ReLU into the convolution before it, and a value that is only moved keeps its
# scale.
_TAKE_RAW = (
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.Concatenate,
    keras.layers.Cropping2D,
)


def check_bounded_memory(config: NetworkConfig) -> None:
    """Refuses a network whose memory has no int8 form, before time is spent on it.

    Raises:
        InputError: the memory is an LSTM's.
    """
    memory = config.memory
    if memory is not None and len(MEMORY_KINDS[memory.kind].states) > 1:
        raise InputError(
            "int8 is for GRU memories, whose one state a tanh bounds. Received: network.memory.kind="
            f"{memory.kind}. Export it as float32, float16 or dynamic."
        )


def input_ranges(inputs: Iterable[str], ranges: Mapping[str, tuple[float, float]]) -> Ranges:
    """(low, high) of a step's inputs by name; a state has the range of its next state, a tanh's where that has none."""
    return {name: INPUT_RANGES.get(name) or ranges.get(state_layer(name), STATE_RANGE) for name in inputs}


def state_scales(inputs: Iterable[str], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """One step of each state whose range is known, by the name of its input."""
    return {name: -ranges[state_layer(name)][0] / 128 for name in inputs if state_layer(name) in ranges}


def quantized_layers(step: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a step model whose outputs are tensors of the int8 file, in the graph's order."""
    raw = {
        id(tensor)
        for layer in step.layers
        if isinstance(layer, _TAKE_RAW)
        for tensor in keras.tree.flatten(layer.input)
    }
    inputs = {id(tensor) for tensor in step.inputs}
    return [layer for layer in step.layers if id(layer.output) not in raw | inputs]


def settled_ranges(step: keras.Model, seen: Mapping[str, tuple[float, float]]) -> Ranges:
    """The ranges that quantized layers get: fixed for a sigmoid and a tanh, limited in front of them, symmetric and at
    least that of a tanh for a next state, which most memories never leave, and else what was seen.

    Args:
        step: from `step_model_from`.
        seen: (low, high) by layer name, 0 within.
    """
    activations = [layer for layer in step.layers if isinstance(layer, keras.layers.Activation)]
    fixed = {layer.name: _ACTIVATION_RANGES.get(layer.activation.__name__) for layer in activations}
    limits = {id(layer.input): _ACTIVATION_LIMITS.get(layer.activation.__name__) for layer in activations}
    next_states = {id(tensor) for name, tensor in step.output.items() if name.startswith("next_")}
    ranges = {}
    for layer in quantized_layers(step):
        low, high = seen[layer.name]
        high = max(high, low + _LEAST_RANGE)
        limit = limits.get(id(layer.output)) or max(-low, high)
        ranges[layer.name] = fixed.get(layer.name) or (max(low, -limit), min(high, limit))
        if id(layer.output) in next_states:
            largest = max(1.0, -low, high)
            ranges[layer.name] = (largest * STATE_RANGE[0], largest * STATE_RANGE[1])
    return ranges


def quantized_step(step: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> keras.Model:
    """The step model with a `FakeQuantize` behind every input and every quantized layer; the layers are shared.

    Args:
        step: from `step_model_from`.
        ranges: (low, high) by layer name, 0 within, see `settled_ranges`.
    """
    names = {layer.name for layer in quantized_layers(step)}

    def call(layer, *args, **kwargs):
        output = layer(*args, **kwargs)
        return FakeQuantize(*ranges[layer.name], name=f"{layer.name}_int8")(output) if layer.name in names else output

    rounded = keras.models.clone_model(step, clone_function=lambda layer: layer, call_function=call)
    inputs = {tensor.name: keras.Input(batch_shape=tensor.shape, name=tensor.name) for tensor in step.inputs}
    limits = input_ranges(inputs, ranges)
    outputs = rounded(
        {name: FakeQuantize(*limits[name], name=f"{name}_int8")(tensor) for name, tensor in inputs.items()}
    )
    return keras.Model(inputs, outputs, name=step.name)


class FakeQuantize(keras.layers.Layer):
    """Rounds to the 256 values of an int8 tensor that covers `low` to `high`; the converter reads its scale from here.

    Args:
        low, high: the range, 0 within. It is moved a little so that 0 is one of the values, and what lies outside
            becomes its end.
    """

    def __init__(self, low: float, high: float, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high = float(low), float(high)

    def call(self, x):
        return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high, num_bits=8)

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
