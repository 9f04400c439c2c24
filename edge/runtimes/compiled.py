"""A deployed file on the GPU, through the WebGPU accelerator that ai-edge-litert brings."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.metadata import Metadata
from edge.quiet import native_log
from edge.runtimes.litert import Runtime

# Largest mean difference to the CPU, as a fraction of the output's mean size. Measured: 1e-6 in float32, 0.015 in int8,
# whose roundings differ; a driver that computes something else is off by 1 and more.
TOLERANCE = 0.05
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
        try:
            litert = importlib.import_module("ai_edge_litert.compiled_model")
        except ImportError as error:
            raise GpuError("the GPU needs ai-edge-litert 2.1 or later, which is not installed here.") from error
        options = litert.Options(
            hardware_accelerators=litert.HardwareAccelerator.GPU,
            # Half precision would add up over the recurrent state.
            gpu_options=litert.GpuOptions(enforce_f32=True),
        )
        with native_log() as log:
            model = _compile(litert, flatbuffer, options)
        text = "\n".join(log)
        if model is None:
            raise GpuError(explain_refusal(text))
        if not model.is_fully_accelerated():
            raise GpuError("the GPU would run only a part of this model.")
        adapter = re.search(r"Selected adapter: (.*?), arch=", text)
        self.accelerator = f"gpu ({adapter[1]})" if adapter else "gpu"
        self._signature = metadata.signature
        inputs = model.get_input_tensor_details(self._signature)
        outputs = model.get_output_tensor_details(self._signature)
        self._shapes = {name: (tuple(detail["shape"]), np.dtype(detail["dtype"])) for name, detail in outputs.items()}
        self._model = model
        self._inputs = {name: model.create_input_buffer_by_name(self._signature, name) for name in inputs}
        self._outputs = {name: model.create_output_buffer_by_name(self._signature, name) for name in outputs}
        with native_log():
            self._compare(reference, inputs)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step. Arrays have the tensors' shapes and dtypes; the results are copies and stay valid."""
        for name, buffer in self._inputs.items():
            buffer.write(inputs[name])
        self._model.run_by_name(self._signature, self._inputs, self._outputs)
        # Reading waits for the GPU, running does not.
        return {
            name: self._outputs[name].read(int(np.prod(shape)), dtype).reshape(shape)
            for name, (shape, dtype) in self._shapes.items()
        }

    def close(self) -> None:
        """Frees the model and its buffers on the GPU."""
        with native_log():
            self._inputs, self._outputs, self._shapes, self._model = {}, {}, {}, None

    def _compare(self, reference: Runtime, inputs: dict[str, Any]) -> None:
        generator = np.random.default_rng(0)
        arrays = {}
        for name, detail in inputs.items():
            values = generator.uniform(-1, 1, tuple(detail["shape"]))
            is_integer = np.issubdtype(np.dtype(detail["dtype"]), np.integer)
            arrays[name] = (values * 127 if is_integer else values).astype(detail["dtype"])
        received, expected = self(arrays), reference(arrays)
        for name, values in expected.items():
            real = values.astype(np.float32)
            difference = np.abs(received[name].astype(np.float32) - real).mean() / max(np.abs(real).mean(), 1e-6)
            if not difference <= TOLERANCE:
                raise GpuError(
                    f"{self.accelerator} gives another {name} than the CPU: off by {difference:.2g} of its size, "
                    f"{TOLERANCE} is allowed."
                )


def _compile(litert: ModuleType, flatbuffer: bytes, options: Any) -> Any:
    """The compiled model, None where that failed. The error says nothing, and holds what chatters when it is freed."""
    try:
        return litert.CompiledModel.from_buffer(flatbuffer, options=options)
    except RuntimeError:
        return None


def explain_refusal(log: str) -> str:
    """What the GPU's compiler wrote, as one sentence: the operators it refused, or that there is no GPU."""
    if "No adapters found" in log:
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
