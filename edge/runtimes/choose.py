"""Chooses what runs a deployed file on this machine."""

from __future__ import annotations

from edge.errors import InputError
from edge.metadata import Metadata
from edge.runtimes.compiled import CompiledRuntime, GpuError
from edge.runtimes.litert import Runtime

ACCELERATORS = ("auto", "cpu", "gpu")


def open_runtime(
    flatbuffer: bytes,
    metadata: Metadata,
    threads: int = 1,
    delegate: str | None = None,
    accelerator: str = "auto",
    allow_cpu: bool = False,
) -> Runtime | CompiledRuntime:
    """A runtime for a deployed file; its `name`, `version`, `accelerator` and `note` say what was chosen.

    Args:
        flatbuffer, metadata: as `edge.metadata.read_model` gives them.
        threads: of the CPU.
        delegate: path of an external delegate's library. It takes the operators that it can run, the CPU the others.
        accelerator: `cpu`; `gpu`, the whole file or an error; `auto`, the delegate where one is given, otherwise the
            CPU: at some milliseconds a frame, whether a GPU is faster has to be measured (`sge-edge benchmark`).
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
        return runtime
