"""The convolutions of somebody else's .tflite: what each reads and makes, its weights in floating point.

The flatbuffer is read by the runtime's own schema reader. What a converter puts between layers, such as a
quantization or a reshape, is looked through, so that quantized and float files look alike.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError

# Operators that change the form of what they read, not its meaning.
_LOOKED_THROUGH = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "RELU6", "FAKE_QUANT")
# What the generated reader and numpy raise on broken bytes.
_DAMAGE = (struct.error, ValueError, TypeError, IndexError, AttributeError, KeyError, OverflowError, UnicodeDecodeError)
_DTYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1", "INT8": "i1"}


@dataclass(frozen=True)
class Operator:
    """One operator: the schema's name or a custom one's own, the numbers of the tensors it reads and writes, and its
    options as the schema has them, of a custom one the bytes."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True, eq=False)
class Convolution:
    """One convolution.

    Attributes:
        kind: `conv` or `depthwise`. reads, makes: numbers of the tensors, of the input what first made it.
        kernel: float32 (rows, columns, inputs, outputs) or, depthwise, (rows, columns, channels, 1).
        bias: float32 (outputs,). stride: of rows and of columns.
        same: whether its padding is `same`. relu6: whether its output is cut to 0 .. 6.
    """

    kind: str
    reads: int
    makes: int
    kernel: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    same: bool
    relu6: bool

    @property
    def size(self) -> int:
        """Side of the kernel."""
        return self.kernel.shape[0]

    @property
    def filters(self) -> int:
        """Channels that it makes."""
        return len(self.bias)


class TfliteGraph:
    """One file with one graph.

    Args:
        path: of the file.

    Attributes:
        path: as given. operators: in the order of running. inputs, outputs: tensor numbers of the whole graph.

    Raises:
        InputError: no such file, no .tflite, damaged, or with control flow.
    """

    def __init__(self, path: str | Path):
        from ai_edge_litert import schema_py_generated as schema

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"no file at {path}. Give a .tflite file.")
        content = self.path.read_bytes()
        if content[4:8] != b"TFL3":
            raise InputError(
                f"{path} is not a TFLite model: expected the identifier TFL3 at byte 4, received {content[4:8]!r} in a "
                f"file of {len(content)} bytes. Give a .tflite file."
            )
        try:
            model = schema.ModelT.InitFromPackedBuf(content, 0)
            names = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}
            self._types = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
            if len(model.subgraphs) != 1:
                raise InputError(f"{path} has {len(model.subgraphs)} graphs. Expected one, without control flow.")
            graph = model.subgraphs[0]
            self._buffers, self._tensors = model.buffers, graph.tensors
            self.inputs, self.outputs = tuple(map(int, graph.inputs)), tuple(map(int, graph.outputs))
            self.operators = tuple(_operator(op, model.operatorCodes, names) for op in graph.operators)
        except _DAMAGE as error:
            raise InputError(f"{path} is damaged, its flatbuffer cannot be read: {error}. Copy it again.") from error
        self._makers = {index: op for op in self.operators for index in op.outputs}

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape; empty where it is not known."""
        shape = self._tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, tensor: int) -> str:
        """A tensor's type in lower case as the schema calls it, such as float32."""
        return self._types[self._tensors[tensor].type].lower()

    def name(self, tensor: int) -> str:
        """A tensor's name."""
        return self._tensors[tensor].name.decode()

    def maker(self, tensor: int) -> Operator | None:
        """The operator that writes a tensor; None of an input or a constant."""
        return self._makers.get(tensor)

    def source(self, tensor: int) -> int:
        """The tensor that a tensor is another form of: its own maker, or what reshapes and roundings have read."""
        maker = self.maker(tensor)
        while maker is not None and maker.name in _LOOKED_THROUGH:
            tensor = maker.inputs[0]
            maker = self.maker(tensor)
        return tensor

    def scale_and_zero(self, tensor: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Scales and zero points of a quantized tensor, one or one a channel; None of a float one."""
        quantization = self._tensors[tensor].quantization
        if quantization is None or quantization.scale is None or not len(quantization.scale):
            return None
        scale = np.asarray(quantization.scale, np.float64)
        zero = np.zeros(len(scale)) if quantization.zeroPoint is None else np.asarray(quantization.zeroPoint, float)
        return scale, zero

    def range(self, tensor: int) -> tuple[float, float] | None:
        """The lowest and the highest value that a quantized tensor can hold; None of a float one."""
        found = self.scale_and_zero(tensor)
        if found is None or self.dtype(tensor) not in ("uint8", "int8"):
            return None
        limits = np.iinfo(self.dtype(tensor))
        low, high = ((end - float(found[1][0])) * float(found[0][0]) for end in (limits.min, limits.max))
        return low, high

    def constant(self, tensor: int) -> np.ndarray:
        """The values of a constant, float32, dequantized; InputError where a tensor is computed."""
        tensor = self.source(tensor)
        item = self._tensors[tensor]
        data = self._buffers[item.buffer].data
        if data is None or not len(data) or self._types[item.type] not in _DTYPES:
            raise InputError(f"{self.path}: {self.name(tensor)} is no constant. Expected weights in the file.")
        values = np.frombuffer(bytes(data), _DTYPES[self._types[item.type]]).reshape(self.shape(tensor))
        found = self.scale_and_zero(tensor)
        if found is None:
            return values.astype(np.float32)
        axis = int(item.quantization.quantizedDimension or 0)
        form = [-1 if number == axis else 1 for number in range(values.ndim)] if len(found[0]) > 1 else [1]
        scale, zero = (part.reshape(form) for part in found)
        return ((values - zero) * scale).astype(np.float32)

    @cached_property
    def convolutions(self) -> tuple[Convolution, ...]:
        """In the order of running."""
        return tuple(self._convolution(op) for op in self.operators if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"))

    @cached_property
    def readers(self) -> dict[int, list[Convolution]]:
        """Tensor number -> the convolutions that read it."""
        result: dict[int, list[Convolution]] = defaultdict(list)
        for convolution in self.convolutions:
            result[convolution.reads].append(convolution)
        return result

    def _convolution(self, op: Operator) -> Convolution:
        depthwise = op.name == "DEPTHWISE_CONV_2D"
        # (out, h, w, in) and, depthwise, (1, h, w, channels) -> (h, w, in, out) and (h, w, channels, 1).
        kernel = self.constant(op.inputs[1]).transpose(1, 2, 3, 0)
        filters = self.shape(op.outputs[0])[-1]
        bias = self.constant(op.inputs[2]) if len(op.inputs) > 2 else np.zeros(filters, np.float32)
        stride = int(op.options.strideH), int(op.options.strideW)
        return Convolution(
            "depthwise" if depthwise else "conv",
            self.source(op.inputs[0]),
            op.outputs[0],
            kernel,
            bias,
            stride,
            op.options.padding == 0,
            self._is_relu6(op),
        )

    def _is_relu6(self, op: Operator) -> bool:
        made = op.outputs[0]
        # A converter leaves out what the range of a quantized tensor says already.
        ends = self.range(made)
        if op.options.fusedActivationFunction == 3 or (ends and ends[0] == 0 and ends[1] <= 6.05):
            return True
        return any(reader.name == "RELU6" for reader in self.operators if made in reader.inputs)


def _operator(op: Any, codes: Any, names: dict[int, str]) -> Operator:
    code = codes[op.opcodeIndex]
    # The old field holds codes below 127 only, the new one is absent in old files.
    name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
    options = op.builtinOptions
    if name == "CUSTOM":
        name, options = code.customCode.decode(), b"" if op.customOptions is None else bytes(op.customOptions)
    # -1 stands for an input that is left out.
    read = tuple(int(index) for index in op.inputs if index >= 0)
    return Operator(name, read, tuple(map(int, op.outputs)), options)
