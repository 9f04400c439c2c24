"""GPU delegates: what they are known to refuse, and a file compiled for one alone, held against the CPU."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.runtimes.compiled import adapter_of, explain_refusal, found_no_gpu, refused_operators
from quantization.graph import CONTROL_FLOW, VARIABLES, Graph, Operator

# Frames of noise that a file is compared with the CPU over.
STEPS = 8
# Of an output's largest value. SwiftShader stays near 1e-6; a wrong kernel is off by the values themselves.
TOLERANCE = 1e-3
# Where `make gpu-driver` puts SwiftShader: within the environment, so that it goes when that goes.
DRIVER_FOLDER = Path(sys.prefix) / "share" / "swiftshader"
# Started as a file: with -m Python would import from the current folder first.
_WORKER = Path(__file__).with_name("gpu_worker.py")
_SECONDS = 600
_INSTALL = "install a Vulkan driver, or a software one with `make gpu-driver`"

_MOST_DIMENSIONS = 4
_FLOW = "control flow stays on the CPU"
_VARIABLE = "variables stay on the CPU; carry the state through an input and an output"
_SUPPRESSION = "suppression of boxes has no GPU kernel; do it outside the file"
_OLDER = "older phone delegates refuse it"
REFUSED = {
    **dict.fromkeys(CONTROL_FLOW, _FLOW),
    **dict.fromkeys(VARIABLES, _VARIABLE),
    "NON_MAX_SUPPRESSION_V4": _SUPPRESSION,
    "NON_MAX_SUPPRESSION_V5": _SUPPRESSION,
    "TFLite_Detection_PostProcess": _SUPPRESSION,
    "L2_NORMALIZATION": "it has no GPU kernel",
    "CUMSUM": "on a negative axis it kills the process",
    "ONE_HOT": "on indices of rank 3 it gives wrong numbers",
    "SHAPE": "its result is a shape that is not known before it runs",
    "WHERE": "the shape of its result depends on values",
    "UNIQUE": "the shape of its result depends on values",
    "ROUND": _OLDER,
    "CEIL": _OLDER,
    "ARG_MAX": _OLDER,
    "ARG_MIN": _OLDER,
    "TOPK_V2": _OLDER,
    "REVERSE_V2": _OLDER,
    "REVERSE_SEQUENCE": _OLDER,
}
# fmt: off
SUPPORTED = frozenset((
    "ABS", "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "COS", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D",
    "DEQUANTIZE", "DIV", "ELU", "EXP", "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM",
    "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG", "PAD", "PADV2", "POW", "PRELU", "QUANTIZE",
    "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SIN",
    "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TILE", "TRANSPOSE", "TRANSPOSE_CONV",
))
# fmt: on


def refusal(graph: Graph, operator: Operator) -> str | None:
    """Why a GPU delegate is known not to run an operator; None where no reason is known."""
    if operator.name in REFUSED:
        return REFUSED[operator.name]
    if operator.custom:
        return "custom operators run where their own code is, on the CPU"
    tensors = graph.read(operator) + graph.written(operator)
    for tensor in tensors:
        if tensor.variable:
            return _VARIABLE
        if tensor.dynamic:
            return f"the shape of {tensor.name} is not known before it runs"
        if len(tensor.shape) > _MOST_DIMENSIONS:
            return f"{tensor.name} has {len(tensor.shape)} dimensions; a GPU takes up to {_MOST_DIMENSIONS}"
    if operator.name == "RESHAPE" and any(not shape.constant_bytes for shape in graph.read(operator)[1:]):
        return "its new shape is computed, not constant"
    return None


def gpu_verdicts(graph: Graph) -> dict[str, str]:
    """Operator name -> `runs`, `unknown` (on neither list) or the first reason why one of that name is refused."""
    verdicts: dict[str, str] = {}
    for operator in graph.operators:
        known = "runs" if operator.name in SUPPORTED else "unknown"
        verdict = refusal(graph, operator) or known
        if verdicts.get(operator.name, known) == known:
            verdicts[operator.name] = verdict
    return verdicts


@dataclass(frozen=True)
class GpuRun:
    """What happened when a file was compiled for the GPU and compared with the CPU.

    Attributes:
        status: `passed`, `refused` (it does not compile, or not all of it runs on the GPU), `differs` (from the CPU),
            `crashed` or `no device`.
        device: the GPU's name as its driver gives it, empty where there was none.
        reasons: for people; empty where it passed.
        errors: by output name, the largest difference over all steps as a fraction of the largest value there.
        steps: how many were compared, the state carried.
    """

    status: str
    device: str = ""
    reasons: tuple[str, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)
    steps: int = 0


def run_on_gpu(graph: Graph, steps: int = STEPS, seed: int = 0) -> GpuRun:
    """Compiles for the GPU alone and compares every output with the CPU over `steps` frames of noise.

    It happens in a process of its own, as a bad file may kill it. Each side carries its own state. VK_ICD_FILENAMES or
    VK_DRIVER_FILES, where set, choose the device; else the driver of `make gpu-driver` is taken; else whatever the
    system has.

    Args:
        graph: of the file, see `quantization.graph.read_graph`.
        steps: at least 1.
        seed: of the noise.
    """
    if find_spec("ai_edge_litert") is None:
        return GpuRun("no device", reasons=("the GPU is reached through ai-edge-litert, which is not installed",))
    states = graph.metadata.states if graph.metadata else ()
    with tempfile.TemporaryDirectory() as folder:
        model, task, report = (Path(folder) / name for name in ("model.tflite", "task.json", "report.jsonl"))
        model.write_bytes(graph.flatbuffer)
        carried = {state.input: (state.output, state.reset) for state in states}
        task.write_text(json.dumps({"model": str(model), "steps": steps, "seed": seed, "states": carried}))
        command = [sys.executable, str(_WORKER), str(task), str(report)]
        try:
            done = subprocess.run(command, capture_output=True, env=_environment(), timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return GpuRun("crashed", reasons=(f"it was still running after {_SECONDS} s",))
        lines = [json.loads(line) for line in report.read_text().splitlines()] if report.is_file() else []
    return _judge(lines, done.returncode, done.stderr.decode(errors="replace"))


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    driver = DRIVER_FOLDER / "vk_swiftshader_icd.json"
    if not {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"} & set(environment) and driver.is_file():
        environment["VK_ICD_FILENAMES"] = str(driver)
        # It holds the Vulkan loader too, for machines that lack one.
        folders = [environment.get("LD_LIBRARY_PATH", ""), str(DRIVER_FOLDER)]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(folder for folder in folders if folder)
    return environment


def _judge(lines: list[dict[str, Any]], returncode: int, log: str) -> GpuRun:
    """From the stages that the process reached, how it ended, and what was logged."""
    if found_no_gpu(log):
        return GpuRun("no device", reasons=(f"no Vulkan device was found; {_INSTALL}",))
    device, stages = adapter_of(log), {line["stage"]: line for line in lines}
    if returncode != 0:
        how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
        where = lines[-1]["stage"] if lines else "starting"
        return GpuRun("crashed", device, (f"the process died ({how}) while {where}", *_last_words(log)))
    refused = refused_operators(log)
    if "failed" in stages:
        return GpuRun("refused", device, tuple(refused) or (explain_refusal(log), stages["failed"]["error"]))
    if refused or not stages["compiled"]["fully_accelerated"]:
        return GpuRun("refused", device, tuple(refused) or ("not all of it runs on the GPU",))
    compared = [line["outputs"] for line in lines if line["stage"] == "step"]
    errors = {}
    for name in compared[0]:
        largest = max(step[name]["largest_size"] for step in compared)
        errors[name] = max(step[name]["largest"] for step in compared) / (largest or 1.0)
    wrong = [f"{name} differs from the CPU by {error:.2g}" for name, error in errors.items() if not error <= TOLERANCE]
    return GpuRun("differs" if wrong else "passed", device, tuple(wrong), errors, len(compared))


def _last_words(log: str) -> list[str]:
    errors = [line for line in log.splitlines() if re.match(r"(F\d{4}|.*(Check failed|FATAL|ERROR:))", line)]
    return [" ".join(line.split())[:300] for line in errors if "vendors" not in line and "plugin" not in line][-1:]
