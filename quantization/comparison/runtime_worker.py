"""The process that times and runs files on one runtime. It stands alone: any Python with numpy and a TFLite runtime.

    PYTHON runtime_worker.py TASK.json

The task says what is done (`version`, `latency` or `outputs`), with which files, and where the answer goes. The same
script measures every runtime, so that figures differ by the runtime alone.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from time import perf_counter
from typing import Any

import numpy as np

_RUNTIMES = (("ai_edge_litert.interpreter", "ai-edge-litert"), ("tflite_runtime.interpreter", "tflite-runtime"))
_WARM_UP = 5
# A slow file on a busy machine must not hold everything up: then fewer rounds are timed, but so many at least.
_SECONDS, _LEAST_ROUNDS = 30.0, 10


def main(task_file: str) -> None:
    """Does what the task says."""
    with open(task_file) as opened:
        task = json.load(opened)
    module, name = _runtime()
    answer: dict[str, Any] = {"runtime": f"{name} {importlib.metadata.version(name)}"}
    if task["what"] == "latency":
        answer["milliseconds"] = _latency(module, task["files"], task["threads"], task["rounds"])
    if task["what"] == "outputs":
        _outputs(module, task["files"])
    with open(task["answer"], "w") as opened:
        json.dump(answer, opened)


def _runtime() -> tuple[Any, str]:
    for module, distribution in _RUNTIMES:
        try:
            return importlib.import_module(module), distribution
        except ImportError:
            continue
    raise SystemExit("this Python has neither ai-edge-litert nor tflite-runtime")


def _latency(module: Any, files: list[dict[str, Any]], threads: int, rounds: int) -> list[list[float]]:
    """Of each file the milliseconds of every round. All are loaded at once and take turns, so that whatever else the
    machine does meets all of them alike."""
    interpreters = [_load(module, file["model"], threads) for file in files]
    rng = np.random.default_rng(0)
    for interpreter in interpreters:
        for detail in interpreter.get_input_details():
            if np.issubdtype(detail["dtype"], np.integer):
                values = rng.integers(-128, 128, detail["shape"], detail["dtype"])
            else:
                values = rng.uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
            interpreter.set_tensor(detail["index"], values)
    times: list[list[float]] = [[] for _ in files]
    begin = perf_counter()
    for turn in range(_WARM_UP + rounds):
        if len(times[0]) >= _LEAST_ROUNDS and perf_counter() - begin > _SECONDS:
            break
        for offset in range(len(files)):
            # Another file begins each round: none has always the same one before it.
            number = (offset + turn) % len(files)
            start = perf_counter()
            interpreters[number].invoke()
            if turn >= _WARM_UP:
                times[number].append((perf_counter() - start) * 1e3)
    return times


def _outputs(module: Any, files: list[dict[str, Any]]) -> None:
    """Runs every file over its recorded inputs with the state carried here, and keeps all outputs."""
    for file in files:
        interpreter = _load(module, file["model"], 1)
        inputs, outputs = _ends(interpreter, file["signature"])
        with np.load(file["inputs"]) as archive:
            frames = {name: archive[name] for name in archive.files}
        state = {}
        for name, (_, reset) in file["states"].items():
            state[name] = np.full(inputs[name]["shape"], reset, inputs[name]["dtype"])
        kept: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
        for number in range(len(frames["image"])):
            for name, values in {**{name: values[number] for name, values in frames.items()}, **state}.items():
                interpreter.set_tensor(inputs[name]["index"], values)
            interpreter.invoke()
            answers = {name: interpreter.get_tensor(detail["index"]) for name, detail in outputs.items()}
            state = {name: answers[output] for name, (output, _) in file["states"].items()}
            for name, values in answers.items():
                kept[name].append(values)
        stacked: dict[str, Any] = {name: np.stack(values) for name, values in kept.items()}
        np.savez(file["outputs"], **stacked)


def _ends(interpreter: Any, signature: str) -> tuple[dict[str, Any], dict[str, Any]]:
    # Old runtimes refuse to invoke an interpreter that a signature's runner still holds.
    runner = interpreter.get_signature_runner(signature)
    return runner.get_input_details(), runner.get_output_details()


def _load(module: Any, model: str, threads: int) -> Any:
    interpreter = module.Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


if __name__ == "__main__":
    main(sys.argv[1])
