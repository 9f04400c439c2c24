"""The last step of every export."""

from __future__ import annotations

from pathlib import Path

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata, append_metadata
from quantization.state_contract import check_state_contract

PRECISIONS = ("float32", "float16", "dynamic", "int8")
FLOAT_IO_ENDING = "_int8_float_io.tflite"


def write_file(path: str | Path, flatbuffer: bytes, metadata: Metadata) -> None:
    """Writes a deployed file, whole or not at all; an int8 file only where it keeps the state contract.

    Raises:
        InputError: the file cannot be written there, or breaks the contract.
    """
    if metadata.precision == "int8":
        check_state_contract(flatbuffer, metadata)
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(append_metadata(flatbuffer, metadata))


def check_file_name(path: str | Path, float_io: bool) -> None:
    """Refuses a name that says the wrong thing about a file's inputs and outputs.

    Raises:
        InputError: not a .tflite, or `_int8_float_io` in the name and `float_io` do not agree.
    """
    name = Path(path).name
    if not name.endswith(".tflite"):
        raise InputError(f"a file's name must end in .tflite. Received: {path}")
    if float_io != name.endswith(FLOAT_IO_ENDING):
        wanted = f"must end in {FLOAT_IO_ENDING}" if float_io else f"must not end in {FLOAT_IO_ENDING}"
        which = "with float inputs and outputs" if float_io else "that is not int8 with float inputs and outputs"
        raise InputError(f"the name of a file {which} {wanted}, so that both can stand side by side. Received: {path}")
