"""The state contract of docs/state-contract.md: the scales that it fixes, and the check of a finished int8 file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from edge.errors import InputError
from edge.metadata import Metadata
from quantization.graph import CONTROL_FLOW, VARIABLES, Graph, graph_of

# One step of a state within -1 .. 1, and at least of any; 0 is raw 0, so a fresh state is all zeros.
STATE_SCALE, STATE_ZERO_POINT = 1 / 128, 0
STATE_RANGE = (-128 * STATE_SCALE, 127 * STATE_SCALE)
IMAGE_SCALE, IMAGE_ZERO_POINT = 1 / 127.5, 0
IMAGE_RANGE = (-128 * IMAGE_SCALE, 127 * IMAGE_SCALE)

_INTEGERS = ("int8", "int32")
# The only operators that may stand between a float input or output and the integers.
_CROSSINGS = ("QUANTIZE", "DEQUANTIZE")
# tflite-runtime 2.14 does not know the int8 version of LOG.
_REFUSED = ("LOG", *CONTROL_FLOW, *VARIABLES)


def int8_metadata(metadata: Metadata, scales: Mapping[str, float], float_io: bool = False) -> Metadata:
    """The metadata of a float step as that of its int8 file.

    Args:
        metadata: of the float step. scales: of the states by their inputs' names, `STATE_SCALE` where missing.
        float_io: whether the states keep float32.
    """
    states = metadata.states
    if not float_io:
        states = tuple(
            dataclasses.replace(
                state,
                dtype="int8",
                scale=scales.get(state.input, STATE_SCALE),
                zero_point=STATE_ZERO_POINT,
                reset=0,
            )
            for state in states
        )
    return dataclasses.replace(metadata, precision="int8", states=states)


def check_state_contract(flatbuffer: bytes, metadata: Metadata) -> None:
    """Refuses an int8 file whose state bytes could not go straight back in, or that is not integer throughout.

    Both ends of every state have the metadata's scale and zero point 0, `image` has 1/127.5 and 0, `attention` is int8;
    no tensor is float but inputs and outputs, and those only in a file that takes its `image` as float32.

    Args:
        flatbuffer: without metadata.
        metadata: of the file, see `int8_metadata`.

    Raises:
        InputError: the file breaks the contract; the message names the tensor and its scale.
    """
    graph = graph_of(flatbuffer, metadata)
    if len(graph.tensors) != 1:
        raise _broken(f"it has {len(graph.tensors)} subgraphs", "one")
    float_io = graph.tensors[0][graph.inputs["image"]].dtype == "float32"
    _check_operators(graph, float_io)
    # Behind a float input stands its QUANTIZE, before a float output its DEQUANTIZE: the integers beyond count.
    inner: dict[int, int] = {}
    if float_io:
        inner = {found.inputs[0]: found.outputs[0] for found in graph.operators if found.name == "QUANTIZE"}
        inner |= {found.outputs[0]: found.inputs[0] for found in graph.operators if found.name == "DEQUANTIZE"}

    def check(name: str, index: int, scale: float, zero_point: int) -> None:
        tensor = graph.tensors[0][inner.get(index, index)]
        if tensor.dtype != "int8" or not tensor.scale:
            raise _broken(f"{name} is {tensor.dtype}", "int8 with a scale")
        if not math.isclose(tensor.scale, scale, rel_tol=1e-5) or tensor.zero_point != zero_point:
            received = f"{name} has scale {tensor.scale:.6g} and zero point {tensor.zero_point}"
            raise _broken(received, f"{scale:.6g} and {zero_point}")

    check("image", graph.inputs["image"], IMAGE_SCALE, IMAGE_ZERO_POINT)
    for state in metadata.states:
        start, end = graph.inputs[state.input], graph.outputs[state.output]
        # A float state has no scale in the metadata: its two ends still have one and the same.
        scale = state.scale or graph.tensors[0][inner.get(start, start)].scale
        check(state.input, start, scale, STATE_ZERO_POINT)
        check(state.output, end, scale, STATE_ZERO_POINT)


def _check_operators(graph: Graph, float_io: bool) -> None:
    """Builtin operators on integers only, but for the crossings of a file with float inputs and outputs."""
    tensors = graph.tensors[0]
    outer = set(graph.inputs.values()) | set(graph.outputs.values())
    for operator in graph.operators:
        if operator.custom or operator.name in _REFUSED:
            raise _broken(f"it holds the operator {operator.name}", "builtin operators that every runtime knows")
        floats = [i for i in (*operator.inputs, *operator.outputs) if tensors[i].dtype not in _INTEGERS]
        if floats and not (float_io and operator.name in _CROSSINGS and outer.issuperset(floats)):
            tensor = tensors[floats[0]]
            raise _broken(f"{operator.name} works on {tensor.name} in {tensor.dtype}", "int8 from input to output")


def _broken(received: str, expected: str) -> InputError:
    return InputError(
        f"the int8 file breaks the state contract: {received}, expected {expected}; see docs/state-contract.md."
    )
