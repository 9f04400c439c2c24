"""`inspect_file`: any .tflite read and checked, and what is known of it as one object."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import InputError
from keras_sge.models.topology import PARTS, part_of
from quantization.graph import Graph, Operator, Tensor, read_graph
from quantization.inspection.file_checks import (
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    gpu_list_check,
    integer_check,
    one_step_check,
    operator_counts,
    read_again_check,
    state_check,
)
from quantization.inspection.gpu import GpuRun, gpu_verdicts, run_on_gpu

GPU_MODES = ("required", "auto", "off")
# What only hands a constant on, to the operator that works with it.
_CARRIERS = ("DEQUANTIZE", "RESHAPE", "TRANSPOSE")


@dataclass(frozen=True)
class Inspection:
    """All about one file.

    Attributes:
        file: its path.
        bytes: its size.
        name, precision: from its metadata; empty in files of others.
        operators: rows of `name`, `count`, `versions` and `gpu`: `runs`, `unknown`, or why it is refused.
        parts: bytes by part, see `size_by_part`.
        dtypes: by dtype, how many tensors are `constants` and how many `computed`, and the constants' `bytes`.
        tensors: rows of `name`, `dtype`, `shape`, `constant`, `scale`, `zero_point`: the precision map.
        states: rows of `name`, `shape`, `dtype`, `scale`, `zero_point`, both ends of each state.
        checks: see `Check`.
        gpu: the run on a GPU; None where there was none.
    """

    file: str
    bytes: int
    name: str
    precision: str
    operators: list[dict[str, Any]]
    parts: dict[str, int]
    dtypes: dict[str, dict[str, int]]
    tensors: list[dict[str, Any]]
    states: list[dict[str, Any]]
    checks: tuple[Check, ...]
    gpu: GpuRun | None

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings and checks that were skipped do not count."""
        return all(check.verdict != FAILED for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        what = f"{self.name}, {self.precision}" if self.name else "not written by sge export"
        yield f"{self.file}: {self.bytes:,} bytes, {what}"
        yield from ("", f"{'operator':32}{'count':>6}  {'version':8}GPU, by the list")
        for row in self.operators:
            versions = ", ".join(map(str, row["versions"]))
            yield f"{row['name']:32}{row['count']:6}  {versions:8}{row['gpu']}"
        yield from ("", f"{'part':24}{'bytes':>10}")
        yield from (f"{part:24}{size:10,}" for part, size in self.parts.items())
        yield from ("", f"{'precision':14}{'constants':>10}{'bytes':>12}{'computed':>10}")
        for dtype, row in self.dtypes.items():
            yield f"{dtype:14}{row['constants']:10}{row['bytes']:12,}{row['computed']:10}"
        if self.states:
            yield from ("", f"{'state':16}{'shape':18}{'dtype':10}{'scale':>12}{'zero point':>12}")
        for row in self.states:
            shape = " x ".join(map(str, row["shape"]))
            yield f"{row['name']:16}{shape:18}{row['dtype']:10}{row['scale']:12.8g}{row['zero_point']:12}"
        yield ""
        for check in self.checks:
            yield f"{check.verdict:8} {check.name}"
            yield from (f"         {reason}" for reason in check.reasons)
        if self.gpu and self.gpu.errors:
            worst = ", ".join(f"{name} {error:.1e}" for name, error in self.gpu.errors.items())
            yield f"         on {self.gpu.device}, {self.gpu.steps} frames, largest error relative to the CPU: {worst}"


def inspect_file(path: str | Path, gpu: str = "auto") -> Inspection:
    """Reads any .tflite and checks it.

    Args:
        path: the file. Without metadata of `sge export` there is no check of the state and of integer precision.
        gpu: `auto` checks files without integer weights or values, on a device where there is one; `required` checks
            every file and fails without a device; `off` checks none, the operators' verdicts are still given.

    Raises:
        InputError: there is no such file, it is damaged, or `gpu` is none of these.
    """
    if gpu not in GPU_MODES:
        raise InputError(f"gpu must be one of {', '.join(GPU_MODES)}. Received: {gpu!r}")
    graph = read_graph(path)
    checks = [one_step_check(graph), state_check(graph), integer_check(graph), read_again_check(graph)]
    run = None
    if gpu == "required" or (gpu == "auto" and not graph.integer):
        run = run_on_gpu(graph)
        checks += [gpu_list_check(graph), _run_check(run, gpu == "required")]
    else:
        reason = "switched off" if gpu == "off" else "a file with integers, which is not meant for GPUs"
        checks.append(Check("GPU", SKIPPED, (reason,)))
    verdicts = gpu_verdicts(graph)
    return Inspection(
        file=str(path),
        bytes=graph.file_bytes,
        name=graph.metadata.name if graph.metadata else "",
        precision=graph.metadata.precision if graph.metadata else "",
        operators=[
            {"name": name, "count": count, "versions": versions, "gpu": verdicts[name]}
            for name, (count, versions) in operator_counts(graph).items()
        ],
        parts=size_by_part(graph),
        dtypes=_dtypes(graph),
        tensors=[_row(tensor) for tensors in graph.tensors for tensor in tensors],
        states=_states(graph),
        checks=tuple(checks),
        gpu=run,
    )


def size_by_part(graph: Graph) -> dict[str, int]:
    """Bytes of the whole file: weights by part, the graph's own tables, and metadata inside and behind the flatbuffer.

    A constant is of the part that its own name says, or of the operator that reads it; shared ones count once. Where
    neither says it, as in files of others, it is of `weights`.
    """
    sizes: dict[str, int] = {}
    seen = set()
    known_names = graph.metadata is not None
    for subgraph, tensors in enumerate(graph.tensors):
        for index, tensor in enumerate(tensors):
            if not tensor.constant_bytes or tensor.buffer in seen:
                continue
            seen.add(tensor.buffer)
            part = None
            if known_names:
                part = part_of(tensor.name) or _part_of_reader(graph, subgraph, index)
            part = part or "weights"
            sizes[part] = sizes.get(part, 0) + tensor.constant_bytes
    metadata = graph.note_bytes + graph.file_bytes - len(graph.flatbuffer)
    tables = graph.file_bytes - metadata - sum(sizes.values())
    known = {part: sizes[part] for part in (*PARTS, "weights") if part in sizes}
    return known | {"graph": tables, "metadata": metadata}


def _part_of_reader(graph: Graph, subgraph: int, index: int) -> str | None:
    for reader in graph.readers.get((subgraph, index), ()):
        part = _part_of_result(graph, reader)
        if part:
            return part
    return None


def _part_of_result(graph: Graph, operator: Operator) -> str | None:
    part = part_of(graph.written(operator)[0].name) if operator.outputs else None
    if part is None and operator.name in _CARRIERS:
        return _part_of_reader(graph, operator.subgraph, operator.outputs[0])
    return part


def _run_check(run: GpuRun, required: bool) -> Check:
    name = "GPU, compiled and compared"
    if run.status == "no device" and not required:
        return Check(name, SKIPPED, run.reasons)
    return Check(name, PASSED if run.status == "passed" else FAILED, run.reasons)


def _dtypes(graph: Graph) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for tensors in graph.tensors:
        for tensor in tensors:
            row = rows.setdefault(tensor.dtype, {"constants": 0, "bytes": 0, "computed": 0})
            row["constants" if tensor.constant_bytes else "computed"] += 1
            row["bytes"] += tensor.constant_bytes
    return dict(sorted(rows.items()))


def _row(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "constant": bool(tensor.constant_bytes),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _states(graph: Graph) -> list[dict[str, Any]]:
    ends = []
    for state in graph.metadata.states if graph.metadata else ():
        ends += [
            (name, where[name])
            for name, where in ((state.input, graph.inputs), (state.output, graph.outputs))
            if name in where
        ]
    return [{**_row(graph.tensors[0][index]), "name": name} for name, index in ends]
