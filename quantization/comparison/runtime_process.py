"""A file on another runtime: the process that runs it, in this environment or in another, what records the inputs that
it gets, and what decodes the outputs that come back."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.metadata import Metadata, read_model
from edge.runtimes.runtime import StepRuntime

_WORKER = Path(__file__).with_name("runtime_worker.py")
_SECONDS = 3600


class RuntimeProcess:
    """Runs files with the interpreter of one Python.

    Args:
        python: its executable.

    Attributes:
        name: the runtime's package and version.

    Raises:
        InputError: it cannot be started, or has no TFLite runtime.
    """

    def __init__(self, python: str | Path = sys.executable):
        self.python = str(python)
        self.name = self._ask({"what": "version"})["runtime"]

    def latency(self, files: Sequence[Path], threads: int, rounds: int) -> np.ndarray:
        """Milliseconds of every invocation, (files, rounds): fewer rounds where they take long. Files take turns."""
        with tempfile.TemporaryDirectory() as folder:
            entries = [{"model": self._bare(file, folder, number)} for number, file in enumerate(files)]
            answer = self._ask({"what": "latency", "files": entries, "threads": threads, "rounds": rounds})
        return np.array(answer["milliseconds"])

    def outputs(
        self, file: Path, metadata: Metadata, frames: Sequence[dict[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Every output of every frame, the state carried in that process.

        Args:
            file: a deployed file.
            metadata: its own.
            frames: inputs without states, by name.
        """
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
            stacked: dict[str, Any] = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
            np.savez(inputs, **stacked)
            entry = {
                "model": self._bare(file, folder, 0),
                "signature": metadata.signature,
                "states": {state.input: [state.output, state.reset] for state in metadata.states},
                "inputs": str(inputs),
                "outputs": str(outputs),
            }
            self._ask({"what": "outputs", "files": [entry]})
            with np.load(outputs) as archive:
                kept = {name: archive[name] for name in archive.files}
        return [{name: values[number] for name, values in kept.items()} for number in range(len(frames))]

    @staticmethod
    def _bare(file: Path, folder: str, number: int) -> str:
        path = Path(folder) / f"{number}.tflite"
        path.write_bytes(read_model(file)[0])
        return str(path)

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            question, answer = Path(folder) / "task.json", Path(folder) / "answer.json"
            question.write_text(json.dumps({**task, "answer": str(answer)}))
            try:
                done = subprocess.run(
                    [self.python, str(_WORKER), str(question)], capture_output=True, timeout=_SECONDS, check=False
                )
            except OSError as error:
                raise InputError(
                    f"cannot start {self.python}: {error.strerror}. Give a Python's executable."
                ) from error
            if done.returncode != 0 or not answer.is_file():
                errors = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
                raise InputError(
                    f"{self.python} cannot run these files: {errors[-1]}. Expected a Python with numpy and "
                    "ai-edge-litert or tflite-runtime that reads them."
                )
            return json.loads(answer.read_text())


def available_runtimes(other: str | Path | None = None) -> list[RuntimeProcess]:
    """This environment's runtime, then that of the Python `other` where one is named: nothing else is ever started.

    Raises:
        InputError: `other` has no runtime.
    """
    return [RuntimeProcess(python) for python in (sys.executable, other) if python]


class RecordingRuntime:
    """Wraps a runtime and keeps what it is given, so that another runtime can be given the same.

    Args:
        runtime: closed with this one.
        states: names of inputs that are not kept.

    Attributes:
        frames: the inputs of every call without the states, by name.
    """

    def __init__(self, runtime: StepRuntime, states: Sequence[str]):
        self._runtime, self._states = runtime, set(states)
        self.name, self.version, self.quantization = runtime.name, runtime.version, runtime.quantization
        self.accelerator, self.note = runtime.accelerator, runtime.note
        self.frames: list[dict[str, np.ndarray]] = []

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.frames.append({name: np.array(values) for name, values in inputs.items() if name not in self._states})
        return self._runtime(inputs)

    def close(self) -> None:
        self._runtime.close()


class ReplayedRuntime:
    """Gives recorded outputs back call by call: a `Detector` on it decodes what a runtime elsewhere computed.

    Args:
        outputs: of every call, by name.
        like: the runtime whose names and scales they have.
    """

    def __init__(self, outputs: Iterable[dict[str, np.ndarray]], like: StepRuntime):
        self._outputs = iter(outputs)
        self.name, self.version, self.quantization = like.name, like.version, like.quantization
        self.accelerator, self.note = "replayed", ""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return next(self._outputs)

    def close(self) -> None:
        """Nothing is held that Python does not free."""
