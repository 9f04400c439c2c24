"""The state contract of docs/state-contract.md, read from the finished int8 file."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edge.errors import InputError
from edge.metadata import Metadata

# One step of a state that a tanh bounds; 0 is raw 0, so a fresh state is all zeros.
STATE_SCALE, STATE_ZERO_POINT = 1 / 128, 0
STATE_RANGE = (-128 * STATE_SCALE, 127 * STATE_SCALE)
IMAGE_SCALE, IMAGE_ZERO_POINT = 1 / 127.5, 0

_INTEGERS = (schema.TensorType.INT8, schema.TensorType.INT32)
_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
# The only operators that may stand between a float input or output and the integers.
_CROSSINGS = ("QUANTIZE", "DEQUANTIZE")
# tflite-runtime 2.14 does not know the int8 version of LOG.
_REFUSED = ("CUSTOM", "LOG", "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


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
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    if len(model.subgraphs) != 1:
        raise _broken(f"it has {len(model.subgraphs)} subgraphs", "one")
    graph = model.subgraphs[0]
    signature = next(s for s in model.signatureDefs if s.signatureKey.decode() == metadata.signature)
    inputs = {entry.name.decode(): entry.tensorIndex for entry in signature.inputs}
    outputs = {entry.name.decode(): entry.tensorIndex for entry in signature.outputs}
    float_io = graph.tensors[inputs["image"]].type == schema.TensorType.FLOAT32
    outer = set(inputs.values()) | set(outputs.values())
    operators = [(_operator_name(model, operator), operator) for operator in graph.operators]
    for name, operator in operators:
        if name in _REFUSED:
            raise _broken(f"it holds the operator {name}", "builtin operators that every runtime knows")
        floats = [i for i in (*operator.inputs, *operator.outputs) if i >= 0 and not _is_integer(graph.tensors[i])]
        if floats and not (float_io and name in _CROSSINGS and outer.issuperset(floats)):
            tensor = graph.tensors[floats[0]]
            raise _broken(f"{name} works on {_name(tensor)} in {_TYPES[tensor.type]}", "int8 from input to output")
    # Behind a float input stands its QUANTIZE, before a float output its DEQUANTIZE: the integers beyond count.
    inner = {operator.inputs[0]: operator.outputs[0] for name, operator in operators if name == "QUANTIZE"}
    inner |= {operator.outputs[0]: operator.inputs[0] for name, operator in operators if name == "DEQUANTIZE"}

    def tensor(index: int) -> Any:
        return graph.tensors[inner.get(index, index) if float_io else index]

    _check_scale("image", tensor(inputs["image"]), IMAGE_SCALE, IMAGE_ZERO_POINT)
    for state in metadata.states:
        _check_scale(state.input, tensor(inputs[state.input]), STATE_SCALE, STATE_ZERO_POINT)
        _check_scale(state.output, tensor(outputs[state.output]), STATE_SCALE, STATE_ZERO_POINT)


def _operator_name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Files of old converters hold the code in the deprecated field, newer ones in both.
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _is_integer(tensor: Any) -> bool:
    return tensor.type in _INTEGERS


def _name(tensor: Any) -> str:
    return tensor.name.decode()


def _check_scale(name: str, tensor: Any, scale: float, zero_point: int) -> None:
    if tensor.type != schema.TensorType.INT8 or tensor.quantization is None or tensor.quantization.scale is None:
        raise _broken(f"{name} is {_TYPES[tensor.type]}", "int8 with a scale")
    received = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    if not math.isclose(received[0], scale, rel_tol=1e-5) or received[1] != zero_point:
        raise _broken(
            f"{name} has scale {received[0]:.6g} and zero point {received[1]}", f"{scale:.6g} and {zero_point}"
        )


def _broken(received: str, expected: str) -> InputError:
    return InputError(
        f"the int8 file breaks the state contract: {received}, expected {expected}; see "
        "docs/state-contract.md."
    )
