"""The state contract of docs/state-contract.md, read from the finished int8 file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import keras
import tensorflow as tf

from edge.errors import InputError
from edge.metadata import Metadata
from keras_sge.config import NetworkConfig
from keras_sge.models.step_model import state_tensors
from quantization.graph import graph_of

# One step of a state that a tanh bounds; 0 is raw 0, so a fresh state is all zeros.
STATE_SCALE, STATE_ZERO_POINT = 1 / 128, 0
STATE_RANGE = (-128 * STATE_SCALE, 127 * STATE_SCALE)
IMAGE_SCALE, IMAGE_ZERO_POINT = 1 / 127.5, 0

_INTEGERS = ("int8", "int32")
# The only operators that may stand between a float input or output and the integers.
_CROSSINGS = ("QUANTIZE", "DEQUANTIZE")
# tflite-runtime 2.14 does not know the int8 version of LOG.
_REFUSED = ("LOG", "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


def int8_metadata(metadata: Metadata, float_io: bool = False) -> Metadata:
    """The metadata of a float step as that of its int8 file; with `float_io` the states keep float32."""
    states = metadata.states
    if not float_io:
        states = tuple(
            dataclasses.replace(state, dtype="int8", scale=STATE_SCALE, zero_point=STATE_ZERO_POINT, reset=0)
            for state in states
        )
    return dataclasses.replace(metadata, precision="int8", states=states)


def check_state_contract(flatbuffer: bytes, metadata: Metadata) -> None:
    """Refuses an int8 file whose state bytes could not go straight back in, or that is not integer throughout.

    Both ends of every state have scale 1/128 and zero point 0, `image` has 1/127.5 and 0, `attention` is int8; no
    tensor is float but inputs and outputs, and those only in a file that takes its `image` as float32.

    Args:
        flatbuffer: without metadata. metadata: of the file, see `int8_metadata`.

    Raises:
        InputError: the file breaks the contract; the message names the tensor and its scale.
    """
    graph = graph_of(flatbuffer, metadata)
    if len(graph.tensors) != 1:
        raise _broken(f"it has {len(graph.tensors)} subgraphs", "one")
    tensors = graph.tensors[0]
    float_io = tensors[graph.inputs["image"]].dtype == "float32"
    outer = set(graph.inputs.values()) | set(graph.outputs.values())
    for operator in graph.operators:
        if operator.custom or operator.name in _REFUSED:
            raise _broken(f"it holds the operator {operator.name}", "builtin operators that every runtime knows")
        floats = [i for i in (*operator.inputs, *operator.outputs) if tensors[i].dtype not in _INTEGERS]
        if floats and not (float_io and operator.name in _CROSSINGS and outer.issuperset(floats)):
            tensor = tensors[floats[0]]
            raise _broken(f"{operator.name} works on {tensor.name} in {tensor.dtype}", "int8 from input to output")
    # Behind a float input stands its QUANTIZE, before a float output its DEQUANTIZE: the integers beyond count.
    inner = {one.inputs[0]: one.outputs[0] for one in graph.operators if one.name == "QUANTIZE"}
    inner |= {one.outputs[0]: one.inputs[0] for one in graph.operators if one.name == "DEQUANTIZE"}

    def check(name: str, index: int, scale: float, zero_point: int) -> None:
        tensor = tensors[inner.get(index, index) if float_io else index]
        if tensor.dtype != "int8" or not tensor.scale:
            raise _broken(f"{name} is {tensor.dtype}", "int8 with a scale")
        if not math.isclose(tensor.scale, scale, rel_tol=1e-5) or tensor.zero_point != zero_point:
            received = f"{name} has scale {tensor.scale:.6g} and zero point {tensor.zero_point}"
            raise _broken(received, f"{scale:.6g} and {zero_point}")

    check("image", graph.inputs["image"], IMAGE_SCALE, IMAGE_ZERO_POINT)
    for state in metadata.states:
        check(state.input, graph.inputs[state.input], STATE_SCALE, STATE_ZERO_POINT)
        check(state.output, graph.outputs[state.output], STATE_SCALE, STATE_ZERO_POINT)


def _broken(received: str, expected: str) -> InputError:
    return InputError(
        f"the int8 file breaks the state contract: {received}, expected {expected}; see docs/state-contract.md."
    )


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


Ranges = dict[str, tuple[float, float]]

# TFLite's kernels give a tanh and a sigmoid these ranges whatever the data.
_ACTIVATION_RANGES = {"tanh": (-1.0, 127 / 128), "sigmoid": (0.0, 255 / 256)}
# Beyond these inputs they stand at their last int8 value: a wider range in front of them is steps thrown away.
_ACTIVATION_LIMITS = {"tanh": 3.25, "sigmoid": 6.25}
_INPUT_RANGES = {"image": (-1.0, 1.0), "attention": (0.0, 255 / 256), "state": STATE_RANGE}
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
    if any(state.input != "state" for state in state_tensors(config)):
        raise InputError(
            "int8 is for GRU memories, whose one state a tanh bounds. Received: network.memory.kind="
            f"{config.memory.kind}. Export it as float32, float16 or dynamic."
        )


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
    """The ranges that quantized layers get: fixed for a sigmoid, a tanh and the next state, limited in front of a
    sigmoid and a tanh, and else what was seen.

    Args:
        step: from `step_model_from`. seen: (low, high) by layer name.
    """
    activations = [layer for layer in step.layers if isinstance(layer, keras.layers.Activation)]
    fixed = {layer.name: _ACTIVATION_RANGES.get(layer.activation.__name__) for layer in activations}
    limits = {id(layer.input): _ACTIVATION_LIMITS.get(layer.activation.__name__) for layer in activations}
    next_state = step.output.get("next_state")
    ranges = {}
    for layer in quantized_layers(step):
        low, high = seen[layer.name]
        high = max(high, low + _LEAST_RANGE)
        limit = limits.get(id(layer.output)) or max(-low, high)
        ranges[layer.name] = fixed.get(layer.name) or (max(low, -limit), min(high, limit))
        if layer.output is next_state:
            ranges[layer.name] = STATE_RANGE
    return ranges


def quantized_step(step: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> keras.Model:
    """The step model with a `FakeQuantize` behind every input and every quantized layer; the layers are shared.

    Args:
        step: from `step_model_from`. ranges: (low, high) by layer name, 0 within, see `settled_ranges`.
    """
    names = {layer.name for layer in quantized_layers(step)}

    def call(layer, *args, **kwargs):
        output = layer(*args, **kwargs)
        return FakeQuantize(*ranges[layer.name], name=f"{layer.name}_int8")(output) if layer.name in names else output

    rounded = keras.models.clone_model(step, clone_function=lambda layer: layer, call_function=call)
    inputs = {tensor.name: keras.Input(batch_shape=tensor.shape, name=tensor.name) for tensor in step.inputs}
    outputs = rounded(
        {name: FakeQuantize(*_INPUT_RANGES[name], name=f"{name}_int8")(tensor) for name, tensor in inputs.items()}
    )
    return keras.Model(inputs, outputs, name=step.name)
