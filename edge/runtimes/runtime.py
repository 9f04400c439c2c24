"""What runs one step of a network: the type that every runtime has, and which one runs a deployed file here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from edge.errors import InputError
from edge.metadata import Metadata
from edge.runtimes.compiled import CompiledRuntime, GpuError
from edge.runtimes.litert import Runtime

ACCELERATORS = ("auto", "cpu", "gpu")
# (scale, zero point) of each input and output that is an integer tensor, by name.
Quantization = dict[str, tuple[float, int]]

_log = logging.getLogger(__name__)


class StepRuntime(Protocol):
    """Runs one step: named arrays in, named arrays out. It keeps no state between calls; one thread at a time calls it.

    Any object with these members is one: `Runtime` (the CPU, or a delegate) and `CompiledRuntime` (the GPU) here,
    `KerasRuntime` in `keras_sge`. `edge.Detector.from_runtime` takes them all.

    Attributes:
        name, version: of the package that computes.
        accelerator: what computes, for people: `cpu`, `gpu (ADAPTER)`, `delegate PATH`.
        note: what was tried before it and failed, for people; "" where nothing was.
        quantization: (scale, zero point) of each input and output that is an integer tensor, by name; {} for a float
            network.
    """

    name: str
    version: str
    accelerator: str
    note: str
    quantization: Quantization

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step.

        Args:
            inputs: `image`, `attention` where the network has it, and every state, in the tensors' shapes and dtypes.

        Returns:
            `boxes`, `scores` and every next state: copies that stay valid.
        """
        ...

    def close(self) -> None:
        """Gives memory and device back. It is not called after that; closing again does nothing."""
        ...


def open_runtime(
    flatbuffer: bytes,
    metadata: Metadata,
    threads: int = 1,
    delegate: str | None = None,
    accelerator: str = "auto",
    allow_cpu: bool = False,
) -> StepRuntime:
    """A runtime for a deployed file; its `name`, `version`, `accelerator` and `note` say what was chosen.

    Args:
        flatbuffer, metadata: as `edge.metadata.read_model` gives them.
        threads: of the CPU, at least 1.
        delegate: path of an external delegate's library. It takes the operators that it can run, the CPU the others.
        accelerator: `cpu`; `gpu`, the whole file or an error; `auto`, the delegate where one is given, otherwise the
            CPU: at some milliseconds per frame, whether a GPU is faster has to be measured (`sge-edge benchmark`).
        allow_cpu: take the CPU where the GPU cannot run the file; the reason is in the runtime's `note`.

    Raises:
        InputError: an argument out of range, or the chosen runtime cannot run the file.
    """
    if accelerator not in ACCELERATORS:
        raise InputError(f"accelerator must be one of {', '.join(ACCELERATORS)}. Received: {accelerator!r}")
    if delegate and accelerator != "auto":
        raise InputError(f"a delegate is an accelerator of its own. Leave out either {delegate} or {accelerator!r}.")
    if accelerator != "gpu":
        return Runtime(flatbuffer, metadata, threads, delegate)
    try:
        return CompiledRuntime(flatbuffer, metadata)
    except GpuError as error:
        if not allow_cpu:
            raise
        runtime = Runtime(flatbuffer, metadata, threads)
        runtime.note = f"the CPU took over: {error.reason}"
        _log.warning(runtime.note)
        return runtime
