"""What is in a .tflite, as plain values; the flatbuffer itself is read by the runtime's own schema reader."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edge.errors import InputError
from edge.metadata import Metadata, read_model

# Operators of a file that decides or remembers something itself: no deployed file has them, and no GPU runs them.
CONTROL_FLOW = ("WHILE", "IF", "CALL", "CALL_ONCE")
VARIABLES = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")

# What the generated reader and numpy raise on broken bytes.
_DAMAGE = (struct.error, ValueError, TypeError, IndexError, AttributeError, KeyError, OverflowError, UnicodeDecodeError)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        name: as the converter wrote it.
        shape: empty for a scalar.
        dynamic: whether a dimension is unknown until it runs.
        dtype: in lower case as the schema calls it, such as float32.
        scale, zero_point: of a tensor with one pair for all of it; 0 and 0 else.
        channels: how many such pairs it has, 0 if none.
        constant_bytes: of its values in the file, 0 where it is computed.
        buffer: the number of its values' buffer; tensors may share one.
        variable: whether it keeps its values from one invocation to the next.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: str
    scale: float
    zero_point: int
    channels: int
    constant_bytes: int
    buffer: int
    variable: bool


@dataclass(frozen=True)
class Operator:
    """One operator: the schema's name or a custom one's own, and the tensors of `subgraph` it reads and writes."""

    name: str
    version: int
    custom: bool
    subgraph: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """A whole file.

    Attributes:
        operators: of all subgraphs in the order of running.
        tensors: of each subgraph.
        inputs, outputs: of the first subgraph, tensor numbers by the signature's names, or by the tensors' own.
        metadata: of `sge export`; None in files of others.
        file_bytes: the file's size.
        flatbuffer: its bytes without the archive of metadata that `sge export` appends.
        note_bytes: of metadata within the flatbuffer.
    """

    operators: tuple[Operator, ...]
    tensors: tuple[tuple[Tensor, ...], ...]
    inputs: dict[str, int]
    outputs: dict[str, int]
    metadata: Metadata | None
    file_bytes: int
    flatbuffer: bytes
    note_bytes: int

    @cached_property
    def readers(self) -> dict[tuple[int, int], list[Operator]]:
        """(subgraph, tensor) -> the operators that read it."""
        result: dict[tuple[int, int], list[Operator]] = {}
        for operator in self.operators:
            for index in operator.inputs:
                result.setdefault((operator.subgraph, index), []).append(operator)
        return result

    def written(self, operator: Operator) -> list[Tensor]:
        """The tensors that an operator writes."""
        return [self.tensors[operator.subgraph][index] for index in operator.outputs]

    def read(self, operator: Operator) -> list[Tensor]:
        """The tensors that an operator reads, constants among them."""
        return [self.tensors[operator.subgraph][index] for index in operator.inputs]

    @property
    def integer(self) -> bool:
        """Whether any value is kept or computed in 8 or 16 bits, as in dynamic and int8 files."""
        small = ("int8", "uint8", "int16", "uint16", "int4")
        return any(tensor.dtype in small for tensors in self.tensors for tensor in tensors)


def read_graph(path: str | Path) -> Graph:
    """Reads any .tflite.

    Raises:
        InputError: there is no such file, it is no .tflite, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no model file at {path}. Give a .tflite file.")
    content = path.read_bytes()
    flatbuffer, metadata = read_model(path) if _is_ours(path) else (content, None)
    if flatbuffer[4:8] != b"TFL3":
        raise InputError(
            f"{path} is not a TFLite model: expected the identifier TFL3 at byte 4, received {flatbuffer[4:8]!r} in a "
            f"file of {len(content)} bytes. Give a .tflite file."
        )
    try:
        return graph_of(flatbuffer, metadata, len(content))
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged, its flatbuffer cannot be read: {error}. Copy it again.") from error


def graph_of(flatbuffer: bytes, metadata: Metadata | None, file_bytes: int = 0) -> Graph:
    """The graph of a sound flatbuffer; `file_bytes` is the size of the file that it was read from."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    operator_names = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}
    dtypes = {number: name.lower() for name, number in vars(schema.TensorType).items() if name.isupper()}
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in model.buffers]
    tensors = tuple(
        tuple(_tensor(tensor, dtypes, sizes) for tensor in subgraph.tensors) for subgraph in model.subgraphs
    )
    operators = []
    for number, subgraph in enumerate(model.subgraphs):
        for operator in subgraph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            # The old field holds codes below 127 only, the new one is absent in old files.
            name = operator_names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            custom = _text(code.customCode) if name == "CUSTOM" else ""
            # -1 stands for an input that is left out.
            read = tuple(int(index) for index in operator.inputs if index >= 0)
            written = tuple(map(int, operator.outputs))
            operators.append(Operator(custom or name, code.version, name == "CUSTOM", number, read, written))
    inputs, outputs = (_ends(model, tensors[0], which) for which in ("inputs", "outputs"))
    notes = sum(sizes[note.buffer] for note in model.metadata or ())
    return Graph(tuple(operators), tensors, inputs, outputs, metadata, file_bytes, flatbuffer, notes)


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "sge.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _tensor(tensor: Any, dtypes: dict[int, str], sizes: list[int]) -> Tensor:
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    signature = () if tensor.shapeSignature is None else tuple(map(int, tensor.shapeSignature))
    quantization = tensor.quantization
    scales = [] if quantization is None or quantization.scale is None else list(map(float, quantization.scale))
    has_scale = len(scales) == 1
    return Tensor(
        _text(tensor.name),
        shape,
        any(side < 0 for side in (*shape, *signature)),
        dtypes[tensor.type],
        scales[0] if has_scale else 0.0,
        int(quantization.zeroPoint[0]) if has_scale and quantization.zeroPoint is not None else 0,
        len(scales),
        sizes[tensor.buffer],
        tensor.buffer,
        bool(tensor.isVariable),
    )


def _ends(model: Any, tensors: tuple[Tensor, ...], which: str) -> dict[str, int]:
    if model.signatureDefs:
        return {_text(end.name): int(end.tensorIndex) for end in getattr(model.signatureDefs[0], which)}
    return {tensors[index].name: int(index) for index in getattr(model.subgraphs[0], which)}


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
