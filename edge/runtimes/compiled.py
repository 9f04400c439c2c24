"""A deployed file on the GPU, through the WebGPU accelerator that ai-edge-litert brings: compiling a file for the GPU
alone, explaining why that failed, and comparing what it computes with the CPU."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.metadata import Metadata
from edge.quiet import native_log
from edge.runtimes.litert import Runtime

# Largest mean difference to the CPU, as a fraction of the output's mean size. Measured: 1e-6 in float32, 0.015 in int8,
# whose roundings differ; a driver that computes something else is off by 1 and more.
TOLERANCE = 0.05
# What the accelerator logs where there is no GPU at all.
_NO_GPU = (
    "No adapters found",
    "Couldn't load Vulkan",
    "Found no drivers",
    "Failed to initialize WebGPU environment",
)
_ADVICE = "Use accelerator `cpu`, or let the CPU take over: --allow-cpu on the command line, allow_cpu=True in Python."


class GpuError(InputError):
    """The GPU cannot run this file here. reason: why, one sentence; the message adds what to do."""

    def __init__(self, reason: str):
        super().__init__(f"{reason} {_ADVICE}")
        self.reason = reason


class CompiledRuntime:
    """An `edge.StepRuntime` for a deployed file on the GPU. Arrays go in and out through the host's memory.

    The file is compiled for the GPU alone: an operator that it cannot run is an error that names it, and never goes to
    the CPU in silence. One step on random inputs is compared with the CPU before the runtime is handed out.

    Args:
        flatbuffer: the .tflite's bytes, as `edge.metadata.read_model` gives them: identifier and digest are checked
            there, which the GPU's compiler does not survive otherwise.
        metadata: the file's own description; its tensors are checked against it.

    Attributes:
        name, version, accelerator, note, quantization: see `StepRuntime`.

    Raises:
        GpuError: no GPU is found, it refuses operators, or it computes something else than the CPU.
        InputError: the file's tensors differ from the metadata.
    """

    def __init__(self, flatbuffer: bytes, metadata: Metadata):
        reference = Runtime(flatbuffer, metadata)
        self.name, self.version, self.note = reference.name, reference.version, ""
        self.quantization = reference.quantization
        with native_log() as log:
            model = _compiled(flatbuffer, metadata.signature)
        text = "\n".join(log)
        if model is None:
            raise GpuError(explain_refusal(text))
        if not model.fully_accelerated:
            raise GpuError("the GPU would run only a part of this model.")
        self._model: Any = model
        adapter = adapter_of(text)
        self.accelerator = f"gpu ({adapter})" if adapter else "gpu"
        with native_log():
            differences = next(compare_on_noise(reference, model, model.inputs))
        for name, difference in differences.items():
            if not difference.relative <= TOLERANCE:
                raise GpuError(
                    f"{self.accelerator} gives another {name} than the CPU: off by {difference.relative:.2g} of its "
                    f"size, {TOLERANCE} is allowed."
                )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step. Arrays have the tensors' shapes and dtypes; the results are copies and stay valid."""
        return self._model(inputs)

    def close(self) -> None:
        """Frees the model and its buffers on the GPU."""
        with native_log():
            self._model = None


class CompiledFile:
    """Any .tflite compiled for the GPU alone, or for the CPU, as a function from named arrays to named arrays.

    Args:
        flatbuffer: the .tflite's bytes.
        signature: whose names are used; None takes the file's first.
        gpu: False compiles for the CPU.

    Attributes:
        inputs: the details of every input (`shape`, `dtype`), by name.
        fully_accelerated: whether all operators run there.

    Raises:
        ImportError: there is no ai-edge-litert 2.1 or later.
        RuntimeError: it cannot be compiled; the reason is in the process' log, see `explain_refusal`.
    """

    def __init__(self, flatbuffer: bytes, signature: str | None = None, gpu: bool = True):
        litert = importlib.import_module("ai_edge_litert.compiled_model")
        if gpu:
            # GPU|CPU would take what the GPU refuses to the CPU and call it accelerated. Half precision would add up
            # over the recurrent state.
            options = litert.Options(
                hardware_accelerators=litert.HardwareAccelerator.GPU,
                gpu_options=litert.GpuOptions(enforce_f32=True),
            )
        else:
            options = litert.Options(hardware_accelerators=litert.HardwareAccelerator.CPU)
        model = litert.CompiledModel.from_buffer(flatbuffer, options=options)
        self._model = model
        self._signature = signature or next(iter(model.get_signature_list()))
        self.fully_accelerated: bool = model.is_fully_accelerated()
        self.inputs: dict[str, Any] = model.get_input_tensor_details(self._signature)
        outputs = model.get_output_tensor_details(self._signature)
        self._shapes = {name: (tuple(detail["shape"]), np.dtype(detail["dtype"])) for name, detail in outputs.items()}
        self._inputs = {name: model.create_input_buffer_by_name(self._signature, name) for name in self.inputs}
        self._outputs = {name: model.create_output_buffer_by_name(self._signature, name) for name in outputs}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One invocation. Arrays have the tensors' shapes and dtypes; the results are copies and stay valid."""
        for name, buffer in self._inputs.items():
            buffer.write(inputs[name])
        self._model.run_by_name(self._signature, self._inputs, self._outputs)
        # Reading waits for the GPU, running does not.
        return {
            name: np.array(self._outputs[name].read(int(np.prod(shape)), dtype)).reshape(shape)
            for name, (shape, dtype) in self._shapes.items()
        }


def _compiled(flatbuffer: bytes, signature: str) -> CompiledFile | None:
    """The file on the GPU, None where that failed. The error says nothing, and holds what chatters when it is freed."""
    try:
        return CompiledFile(flatbuffer, signature)
    except ImportError as error:
        raise GpuError("the GPU needs ai-edge-litert 2.1 or later, which is not installed here.") from error
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Difference:
    """How far one output is from what was expected. Infinite where a value is no finite number.

    Attributes:
        mean, largest: of the absolute differences.
        mean_size, largest_size: of the absolute values expected.
    """

    mean: float
    largest: float
    mean_size: float
    largest_size: float

    @property
    def relative(self) -> float:
        """The mean difference as a fraction of the mean size."""
        return self.mean / max(self.mean_size, 1e-6)


Step = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def compare_on_noise(
    expected: Step,
    received: Step,
    inputs: Mapping[str, Any],
    states: Mapping[str, tuple[str, float]] | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Difference]]:
    """Runs two ways of computing one file on the same noise, without an end, and compares every output.

    Args:
        expected, received: functions from named arrays to named arrays.
        inputs: `shape` and `dtype` of every input, by name. Floats are drawn from -1 to 1, integers from all of int8.
        states: of every input that is not drawn but carried from call to call, the output that it is taken from and its
            value at the start. Each side carries its own, so that an error that grows over time shows.
        seed: of the noise.

    Yields:
        The differences by output name, one dict per call.
    """
    states, rng = states or {}, np.random.default_rng(seed)
    fresh = {name: np.full(inputs[name]["shape"], reset, inputs[name]["dtype"]) for name, (_, reset) in states.items()}
    carried = [fresh, fresh]
    while True:
        drawn = {name: _noise(detail, rng) for name, detail in inputs.items() if name not in states}
        first, second = (step({**drawn, **state}) for step, state in zip((expected, received), carried, strict=True))
        carried = [{name: side[output] for name, (output, _) in states.items()} for side in (first, second)]
        yield {name: _difference(first[name], second[name]) for name in first}


def _noise(detail: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    dtype = np.dtype(detail["dtype"])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(max(limits.min, -128), min(limits.max, 255), detail["shape"], dtype, endpoint=True)
    return rng.uniform(-1, 1, detail["shape"]).astype(dtype)


def _difference(expected: np.ndarray, received: np.ndarray) -> Difference:
    sizes = np.abs(expected.astype(np.float64))
    mean_size, largest_size = float(sizes.mean()), float(sizes.max(initial=0))
    if not np.isfinite(received).all():
        return Difference(np.inf, np.inf, mean_size, largest_size)
    errors = np.abs(received.astype(np.float64) - expected.astype(np.float64))
    return Difference(float(errors.mean()), float(errors.max(initial=0)), mean_size, largest_size)


def found_no_gpu(log: str) -> bool:
    """Whether the accelerator wrote that there is no GPU."""
    return any(sign in log for sign in _NO_GPU)


def adapter_of(log: str) -> str:
    """The name of the GPU that the accelerator wrote that it uses; empty where it wrote none."""
    found = re.search(r"Selected adapter: (.*?)(?:, arch=.*)?$", log, re.MULTILINE)
    return found[1] if found else ""


def explain_refusal(log: str) -> str:
    """What the GPU's compiler wrote, as one sentence: the operators it refused, or that there is no GPU."""
    if found_no_gpu(log):
        return (
            "no GPU was found: WebGPU sees no adapter on this machine. It needs a graphics driver with Vulkan "
            "(`vulkaninfo` lists them)."
        )
    if refused := refused_operators(log):
        others = re.search(r"(\d+) operations will run on the GPU", log)
        return (
            f"the GPU cannot run the whole model. Refused: {'; '.join(refused)}. It would run "
            f"{others[1] if others else 'no'} others."
        )
    errors = [line.split("] ", 1)[-1] for line in log.splitlines() if line.startswith(("ERROR", "E0"))]
    return f"the GPU's compiler failed: {' '.join(' '.join(errors).split()) or 'it gave no reason'}."


def refused_operators(log: str) -> list[str]:
    """The operators that the GPU's compiler leaves to the CPU, each with its reason, as it wrote them."""
    found = re.search(r"not supported by GPU delegate:\n(.*?)\n\d+ operations will run", log, re.DOTALL)
    return [line.strip().rstrip(":. ") for line in found[1].splitlines() if line.strip()] if found else []
