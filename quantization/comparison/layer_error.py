"""How far every layer of one file is from the same layer of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.metadata import read_model
from edge.preprocess import dequantize, quantize
from keras_sge.models.topology import layer_of_tensor, part_of
from quantization.graph import graph_of


@dataclass(frozen=True)
class LayerError:
    """One layer's error over some frames.

    Attributes:
        layer: its name.
        part: of the network, see `keras_sge.models.topology.part_of`.
        operator: what computes it in the compared file.
        dtype: of its values there.
        sqnr: signal to quantization noise, dB.
        relative: mean absolute difference as a fraction of the mean absolute value.
    """

    layer: str
    part: str
    operator: str
    dtype: str
    sqnr: float
    relative: float


def layer_errors(first: Path, second: Path, frames: Sequence[dict[str, np.ndarray]]) -> list[LayerError]:
    """Runs both with every tensor kept and compares what both call by the same layer name, in the order of running.

    The state of `first` goes into both at each frame, so that an error is the layers' own and not the memory's past.
    Layers that a converter fused into others in one of the files are left out.

    Args:
        first, second: deployed files of one network.
        frames: float inputs `image` and `attention`, without states.
    """
    sides = [_Side(path) for path in (first, second)]
    chosen = _pairs(*sides)
    sums = np.zeros((len(chosen), 4))
    states = sides[0].metadata.states
    carried = {state.input: np.zeros(state.shape, np.float32) for state in states}
    for frame in frames:
        for side in sides:
            side.run({**frame, **carried})
        for row, pair in enumerate(chosen):
            a, b = (side.real(index) for side, index in zip(sides, pair, strict=True))
            sums[row] += np.square(a).sum(), np.square(a - b).sum(), np.abs(a).sum(), np.abs(a - b).sum()
        carried = {state.input: sides[0].output(state.output) for state in states}
    rows = []
    for (_, index), (signal, noise, size, error) in zip(chosen, sums, strict=True):
        name, operator = sides[1].names[index], sides[1].makers[index]
        dtype = np.dtype(sides[1].details[index]["dtype"]).name
        sqnr = float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-30) / noise))
        rows.append(LayerError(name, part_of(name) or "-", operator, dtype, sqnr, float(error / max(size, 1e-30))))
    return rows


class _Side:
    """One file with every tensor kept."""

    def __init__(self, path: Path):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        flatbuffer, self.metadata = read_model(path)
        # XNNPACK keeps no tensors between its operators.
        self._interpreter = Interpreter(
            model_content=flatbuffer,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        signature = self._interpreter.get_signature_runner(self.metadata.signature)
        self._inputs, self._outputs = signature.get_input_details(), signature.get_output_details()
        self.details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self.makers = _makers(flatbuffer)
        self.names = {index: layer_of_tensor(self.details[index]["name"]) for index in self.makers}
        self.names |= {
            detail["index"]: name for name, detail in self._outputs.items() if detail["index"] in self.makers
        }

    def run(self, inputs: dict[str, np.ndarray]) -> None:
        for name, detail in self._inputs.items():
            self._interpreter.set_tensor(detail["index"], _as(inputs[name], detail))
        self._interpreter.invoke()

    def output(self, name: str) -> np.ndarray:
        return self.real(self._outputs[name]["index"]).astype(np.float32)

    def real(self, index: int) -> np.ndarray:
        """A tensor as float64, dequantized where it has one scale."""
        return dequantize(self._interpreter.get_tensor(index), *self.details[index]["quantization"]).astype(np.float64)


def _makers(flatbuffer: bytes) -> dict[int, str]:
    """Tensor -> the operator that computes it, in the order of running; what unpacks constants is left out."""
    graph = graph_of(flatbuffer, None)
    makers: dict[int, str] = {}
    constant = {index for index, tensor in enumerate(graph.tensors[0]) if tensor.constant_bytes}
    for operator in graph.operators:
        if constant.issuperset(operator.inputs):
            constant.update(operator.outputs)
        else:
            makers |= dict.fromkeys(operator.outputs, operator.name)
    return makers


def _pairs(first: _Side, second: _Side) -> list[tuple[int, int]]:
    """Tensors of the same layer and shape, the last one of each layer and shape in either file."""
    # A layer that a converter split answers with its last tensor.
    here, there = (
        {(side.names[index], tuple(side.details[index]["shape"])): index for index in side.makers}
        for side in (first, second)
    )
    return [(here[key], index) for key, index in there.items() if key in here]


def _as(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(detail["dtype"])
    if np.issubdtype(dtype, np.integer):
        scale, zero_point = detail["quantization"]
        return quantize(values, scale, zero_point, dtype)
    return values.astype(dtype)


def float_frames(frames: Sequence[dict[str, np.ndarray]], scales: dict[str, tuple[float, int]]) -> list[dict[str, Any]]:
    """Recorded inputs as floats, whichever file they were recorded with."""
    return [
        {name: dequantize(values, *scales.get(name, (0.0, 0))) for name, values in frame.items()} for frame in frames
    ]
