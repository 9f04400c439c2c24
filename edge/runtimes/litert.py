"""The TFLite interpreter on the CPU or with a delegate, whichever package brings it."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from edge.boxes import anchor_boxes
from edge.errors import InputError
from edge.metadata import Metadata, StateTensor
from edge.missing_packages import install_command

# Import name and distribution name, best first. The last one takes seconds and 500 MB: only where nothing else is.
RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
    ("tensorflow", "tensorflow"),
)


class Runtime:
    """An `edge.StepRuntime` for a deployed file.

    Args:
        flatbuffer: the .tflite's bytes, as `edge.metadata.read_model` gives them.
        metadata: the file's own description; its tensors are checked against it.
        threads: threads of one invocation, at least 1.
        delegate: path of an external delegate's shared library (GPU or NPU), or None for the CPU.

    Attributes:
        name, version, accelerator, note, quantization: see `StepRuntime`.

    Raises:
        InputError: no runtime is installed, it cannot run the file, the delegate cannot be loaded, `threads` is below
            1, or the file's tensors differ from the metadata.
    """

    def __init__(self, flatbuffer: bytes, metadata: Metadata, threads: int = 1, delegate: str | None = None):
        if threads < 1:
            raise InputError(f"threads must be at least 1. Received: {threads}")
        module, self.name = _find_runtime()
        self.version = importlib.metadata.version(self.name)
        self.accelerator = f"delegate {delegate}" if delegate else "cpu"
        self.note = ""
        delegates = [_load_delegate(module, delegate)] if delegate else None
        try:
            self._interpreter: Any = module.Interpreter(
                model_content=flatbuffer, num_threads=threads, experimental_delegates=delegates
            )
            self._interpreter.allocate_tensors()
            signature = self._interpreter.get_signature_runner(metadata.signature)
        except (ValueError, RuntimeError) as error:
            where = f"{self.name} {self.version}" + (f" with the delegate {delegate}" if delegate else "")
            raise InputError(f"{where} cannot run this model: {_one_line(error)}") from error
        inputs, outputs = signature.get_input_details(), signature.get_output_details()
        _check_tensors(inputs, outputs, metadata)
        self._inputs = {name: detail["index"] for name, detail in inputs.items()}
        self._outputs = {name: detail["index"] for name, detail in outputs.items()}
        self.quantization: dict[str, tuple[float, int]] = {
            name: detail["quantization"]
            for name, detail in {**inputs, **outputs}.items()
            if np.issubdtype(detail["dtype"], np.integer)
        }

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step. Arrays have the tensors' shapes and dtypes; the results are copies and stay valid."""
        # By index: the signature runner would resize and allocate all over again at each call.
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def close(self) -> None:
        """Frees the interpreter with its tensors and threads."""
        self._interpreter = None


def load_interpreter(flatbuffer: bytes, threads: int = 1) -> Any:
    """The installed runtime's interpreter on any .tflite file, tensors allocated; for looking into files of others."""
    module, _ = _find_runtime()
    interpreter = module.Interpreter(model_content=flatbuffer, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def _find_runtime() -> tuple[ModuleType, str]:
    for name, distribution in RUNTIMES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        # TensorFlow keeps its interpreter in `lite`, the small packages are nothing else.
        return getattr(module, "lite", module), distribution
    raise InputError(
        f"no TFLite runtime is installed. Run: {install_command('ai_edge_litert')}   (or install tflite-runtime)"
    )


def _load_delegate(module: ModuleType, path: str) -> Any:
    try:
        library = ctypes.CDLL(path)
        # Checked first: the runtime's own failure on another library prints a second traceback later.
        for symbol in ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"):
            getattr(library, symbol)
        return getattr(module, "experimental", module).load_delegate(path)
    except (OSError, AttributeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"cannot load the delegate {path}: {_one_line(error)}. Expected the shared library of a TFLite external "
            "delegate built for this machine; leave it out to run on the CPU."
        ) from error


def _check_tensors(inputs: dict[str, Any], outputs: dict[str, Any], metadata: Metadata) -> None:
    wanted: dict[str, tuple[int, ...]] = {"image": (1, metadata.height, metadata.width, 3)}
    if metadata.entropy is not None:
        stride = metadata.entropy.stride
        wanted["attention"] = (1, -(-metadata.height // stride), -(-metadata.width // stride), 1)
    wanted |= {state.input: state.shape for state in metadata.states}
    _check_names("inputs", inputs, wanted)
    for name, shape in wanted.items():
        if tuple(inputs[name]["shape"]) != shape:
            raise _mismatch(f"input {name} has shape {tuple(inputs[name]['shape'])}", f"{shape}")
    for name in ("image", "attention"):
        if name in inputs and inputs[name]["dtype"] not in (np.float32, np.int8):
            raise _mismatch(f"input {name} is {np.dtype(inputs[name]['dtype'])}", "float32 or int8")

    sizes = {"boxes": 4, "scores": metadata.score_columns}
    _check_names("outputs", outputs, [*sizes, *(state.output for state in metadata.states)])
    anchors = len(anchor_boxes(metadata.anchors))
    for name, columns in sizes.items():
        shape = tuple(outputs[name]["shape"])
        if shape[-1:] != (columns,) or math.prod(shape) != anchors * columns:
            raise _mismatch(f"output {name} has shape {shape}", f"({anchors}, {columns})")
    for state in metadata.states:
        _check_state(state, inputs[state.input])
        _check_state(state, outputs[state.output])


def _check_names(kind: str, received: Any, expected: Any) -> None:
    if set(received) != set(expected):
        raise _mismatch(f"{kind} are {', '.join(sorted(received))}", ", ".join(sorted(expected)))


def _check_state(state: StateTensor, detail: dict[str, Any]) -> None:
    received = tuple(detail["shape"]), np.dtype(detail["dtype"]).name, detail["quantization"][1]
    if received != (state.shape, state.dtype, state.zero_point) or not math.isclose(
        detail["quantization"][0], state.scale, rel_tol=1e-5
    ):
        raise _mismatch(
            f"state {state.input} has shape, dtype, zero point and scale {(*received, detail['quantization'][0])}",
            f"{(state.shape, state.dtype, state.zero_point, state.scale)}",
        )


def _mismatch(received: str, expected: str) -> InputError:
    return InputError(f"the model contradicts its own metadata: {received}, expected {expected}. Export it again.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
