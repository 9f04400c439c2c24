"""The state contract of docs/state-contract.md, read from the finished int8 file."""

from __future__ import annotations

import dataclasses
import math

from edge.errors import InputError
from edge.metadata import Metadata
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
