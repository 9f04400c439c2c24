"""The process that `run_on_gpu` starts: one file on the GPU and on the CPU, step by step. A bad file may kill it.

    PYTHON gpu_worker.py TASK.json REPORT.jsonl

Each stage that was reached is a line of the report, so that the last line says how far a process that died had come.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def _compare(task: dict[str, Any], say: Callable[..., None]) -> None:
    from edge.runtimes.compiled import CompiledFile, compare_on_noise

    flatbuffer = Path(task["model"]).read_bytes()
    say(stage="compiling")
    gpu = CompiledFile(flatbuffer)
    say(stage="compiled", fully_accelerated=gpu.fully_accelerated)
    cpu = CompiledFile(flatbuffer, gpu=False)
    states = {name: (output, reset) for name, (output, reset) in task["states"].items()}
    steps = compare_on_noise(cpu, gpu, cpu.inputs, states, task["seed"])
    for differences in itertools.islice(steps, task["steps"]):
        say(stage="step", outputs={name: dataclasses.asdict(found) for name, found in differences.items()})
    say(stage="done")


if __name__ == "__main__":
    # The folder of this file has no business on the path, the one of the packages has.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    main(*sys.argv[1:])
