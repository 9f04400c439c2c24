"""The process that `run_on_gpu` starts: one file on the GPU and on the CPU, step by step. A bad file may kill it.

    PYTHON gpu_worker.py TASK.json REPORT.jsonl

Each stage that was reached is a line of the report, so that the last line says how far a process that died had come.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(task_file: str, report_file: str) -> None:
    """Compiles for the GPU alone, then compares every output with the CPU's over some steps."""
    task = json.loads(Path(task_file).read_text())
    with open(report_file, "w") as report:

        def say(**fields: Any) -> None:
            report.write(json.dumps(fields) + "\n")
            report.flush()

        try:
            _compare(task, say)
        except (RuntimeError, ValueError) as error:
            say(stage="failed", error=" ".join(str(error).split()))


def _compare(task: dict[str, Any], say: Any) -> None:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.gpu_options import GpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    say(stage="compiling")
    # GPU|CPU would take what the GPU refuses to the CPU and call it accelerated.
    options = Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=True))
    gpu = _Compiled(CompiledModel.from_file(task["model"], options=options))
    say(stage="compiled", fully_accelerated=gpu.model.is_fully_accelerated())
    cpu = _Compiled(CompiledModel.from_file(task["model"], hardware_accel=HardwareAccelerator.CPU))
    rng = np.random.default_rng(task["seed"])
    carried: list[dict[str, np.ndarray]] = [{}, {}]
    for step in range(task["steps"]):
        inputs = {name: _random(detail, rng) for name, detail in cpu.inputs.items() if name not in task["states"]}
        answers = []
        for number, model in enumerate((cpu, gpu)):
            for name, state in task["states"].items():
                fresh = np.full(cpu.inputs[name]["shape"], state["reset"], cpu.inputs[name]["dtype"])
                carried[number].setdefault(name, fresh)
            outputs = model({**inputs, **carried[number]})
            # Each side carries its own state, so that an error that grows over time shows.
            carried[number] = {name: outputs[state["output"]] for name, state in task["states"].items()}
            answers.append(outputs)
        say(
            stage="step", step=step, outputs={name: _difference(*(one[name] for one in answers)) for name in answers[0]}
        )
    say(stage="done")


class _Compiled:
    """A compiled model as a function of named arrays."""

    def __init__(self, model: Any):
        self.model = model
        self.key = next(iter(model.get_signature_list()))
        self.inputs = model.get_input_tensor_details(self.key)
        self.outputs = model.get_output_tensor_details(self.key)
        self._in = {name: model.create_input_buffer_by_name(self.key, name) for name in self.inputs}
        self._out = {name: model.create_output_buffer_by_name(self.key, name) for name in self.outputs}

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, buffer in self._in.items():
            buffer.write(inputs[name])
        self.model.run_by_name(self.key, self._in, self._out)
        results = {}
        for name, detail in self.outputs.items():
            shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
            results[name] = np.array(self._out[name].read(int(np.prod(shape)), dtype)).reshape(shape)
        return results


def _random(detail: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    dtype = np.dtype(detail["dtype"])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(max(limits.min, -128), min(limits.max, 255), detail["shape"], dtype, endpoint=True)
    return rng.uniform(-1, 1, detail["shape"]).astype(dtype)


def _difference(cpu: np.ndarray, gpu: np.ndarray) -> dict[str, float]:
    """Largest absolute difference and the largest value, both of this step; infinity where the GPU's is not finite."""
    difference = np.abs(cpu.astype(np.float64) - gpu.astype(np.float64))
    worst = float(difference.max(initial=0)) if np.isfinite(gpu).all() else float("inf")
    return {"difference": worst, "largest": float(np.abs(cpu.astype(np.float64)).max(initial=0))}


if __name__ == "__main__":
    main(*sys.argv[1:])
