"""A .tflite looked into: what is in it, whether it keeps its promises, and whether a GPU runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.errors import InputError
from quantization.graph import Graph, read_graph
from quantization.inspection.check import FAILED, PASSED, SKIPPED, Check
from quantization.inspection.file_checks import (
    gpu_list_check,
    integer_check,
    one_step_check,
    operator_counts,
    read_again_check,
    state_check,
)
from quantization.inspection.gpu_rules import gpu_verdicts
from quantization.inspection.gpu_run import GpuRun, run_on_gpu
from quantization.inspection.inspection import Inspection
from quantization.inspection.parts import size_by_part

GPU_MODES = ("required", "auto", "off")


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


def _row(tensor: Any) -> dict[str, Any]:
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
