"""A trained network as a .tflite of one time step with explicit state (see docs/state-contract.md)."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata, append_metadata
from keras_sge.config import config_to_dict
from keras_sge.data import synthetic_split
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from keras_sge.progress import Progress, no_progress
from quantization.bias_correction import corrected
from quantization.calibration import Calibration, CalibrationSource, calibrate
from quantization.contract import check_state_contract, int8_metadata
from quantization.convert import convert, convert_int8
from quantization.int8 import Ranges, check_bounded_memory, state_scales
from quantization.recipes import check_file_name, recipe_named
from quantization.validation import Validation, validate

# How many other clips an int8 file is checked on, and how many frames of a synthetic video every other file.
_CHECKED_CLIPS, _CHECKED_FRAMES = 4, 5
_LIBRARIES = ("keras-sge", "tensorflow", "keras")


@dataclass(frozen=True)
class ExportResult:
    """A file that was written. `str` gives a line about it.

    Attributes:
        path: where it is.
        bytes: its size.
        metadata: what it says of itself; `details` holds the facts for people.
        calibration: None where nothing was calibrated.
        validation: how near the file is to the network.
    """

    path: Path
    bytes: int
    metadata: Metadata
    calibration: Calibration | None
    validation: Validation

    def __str__(self) -> str:
        return f"{self.path}: {self.bytes / 1e6:.2f} MB, {self.metadata.precision}, {self.validation}"


class Exporter:
    """One network on its way to one file: `calibrate`, `quantize`, `validate`, `write`.

    Each call does what is missing before it, so `write` alone is enough; a call that is repeated drops what came after
    it.

    Args:
        model: the trained network; it is left as it is.
        recipe: `float32`; `float16`, half the size; `dynamic`, int8 weights and float everything else; `int8` from end
            to end; `int8_float_io`, its inputs and outputs in float32 for runtimes that take no integer tensors.
        entropy: `host`, the attention is an input, or `graph`, the file computes the entropy map itself (float only).
        details: facts for people that go into the metadata.
        ranges: (low, high) of every quantized layer by its name, where training has settled them (int8 only). Nothing
            is calibrated then, and biases stay as they are.
        reference: the one-step model that the file is compared with. None takes `model`; a quantization-aware run
            gives the twin that it trained.

    Attributes:
        recipe: see `quantization.recipes.Recipe`.
        calibration: from `calibrate`; None before.
        flatbuffer: from `quantize`, without metadata; None before.
        validation: from `validate`; None before.

    Raises:
        InputError: an unknown recipe, `graph` for int8, an LSTM's memory for int8, or ranges for another recipe.

    Example:
        exporter = Exporter(keras_sge.load_model("runs/first"), "int8")
        exporter.calibrate(CalibrationSource(videos, "my clips"))
        print(exporter.write("first_int8.tflite"))
    """

    def __init__(
        self,
        model: SGENet,
        recipe: str = "float32",
        entropy: str = "host",
        details: Mapping[str, Any] | None = None,
        *,
        ranges: Ranges | None = None,
        reference: Any = None,
    ):
        self.recipe = recipe_named(recipe)
        if self.recipe.is_int8:
            if entropy != "host":
                raise InputError("the entropy map in the graph has float operators, int8 files have none: use `host`.")
            check_bounded_memory(model.config)
        elif ranges is not None:
            raise InputError(f"ranges go with int8 recipes, float tensors have none. Received: recipe={recipe!r}")
        self.calibration: Calibration | None = None
        self.flatbuffer: bytes | None = None
        self.validation: Validation | None = None
        self._config = model.config
        self._step = step_model_from(model, entropy=entropy, update=self.recipe.update)
        # Of the step; the file's own is `metadata`.
        precision = "float32" if self.recipe.is_int8 else self.recipe.precision
        self._step_metadata = network_metadata(model.config, precision, entropy)
        self._ranges = ranges
        self._reference = reference
        self._facts = {"config": config_to_dict(model.config), "exported_with": versions(), **(details or {})}

    @property
    def metadata(self) -> Metadata:
        """What the file says of itself, with the facts that are known so far."""
        facts = dict(self._facts)
        if self.calibration is not None:
            facts["calibration"] = self.calibration.facts()
        if self.validation is not None:
            facts |= self.validation.facts()
        metadata = dataclasses.replace(self._step_metadata, details=facts)
        if not self.recipe.is_int8:
            return metadata
        ranges = self._ranges if self.calibration is None else self.calibration.ranges
        scales = state_scales([state.input for state in metadata.states], ranges or {})
        return int8_metadata(metadata, scales, self.recipe.float_io)

    def calibrate(self, source: CalibrationSource | None = None, progress: Progress = no_progress) -> Calibration:
        """Rolls the network along clips as a device would.

        Int8 takes its ranges from them; every recipe that rounds kernels takes their errors out of its biases.

        Args:
            source: clips of the training split; None takes the built-in synthetic videos.
            progress: around the clips, see `keras_sge.progress`.

        Raises:
            InputError: a float32 file, which rounds nothing, or ranges that training has settled.
        """
        if self.recipe.calibration == "never":
            raise InputError("a float32 file rounds nothing: there is nothing to calibrate. Use another recipe.")
        if self._ranges is not None:
            raise InputError("the ranges of a quantization-aware run are settled: there is nothing to calibrate.")
        source = source or CalibrationSource.synthetic(self._config)
        self.flatbuffer = self.validation = None
        self.calibration = calibrate(self._step, self._step_metadata, source, progress)
        return self.calibration

    def quantize(self) -> bytes:
        """Corrects biases where there is a calibration, and converts.

        Returns:
            The flatbuffer, without metadata.
        """
        if self.recipe.calibration == "always" and self.calibration is None and self._ranges is None:
            self.calibrate()
        self.validation = None
        step, ranges = self._step, self._ranges or {}
        if self.calibration is not None:
            step = corrected(step, self.calibration.input_means, self.recipe.precision)
            ranges = self.calibration.ranges
        if self.recipe.is_int8:
            self.flatbuffer = convert_int8(step, ranges, self.recipe.float_io)
        else:
            self.flatbuffer = convert(step, self.recipe.precision)
        return self.flatbuffer

    def validate(self) -> Validation:
        """Compares the file with the network on clips, int8 on other draws of those that it was calibrated on.

        Raises:
            InputError: the file differs by more than `quantization.validation.TOLERANCE`, or too few of the network's
                detections are found again.
        """
        flatbuffer = self.flatbuffer or self.quantize()
        self.validation = validate(
            self._reference or self._step,
            self._step_metadata,
            flatbuffer,
            self.metadata,
            self._clips(),
            "Keras" if self._reference is None else "twin",
        )
        return self.validation

    def write(self, path: str | Path) -> ExportResult:
        """Writes the file with its metadata, whole or not at all.

        Args:
            path: ends in `.tflite`, that of `int8_float_io` in `_int8_float_io.tflite`.

        Raises:
            InputError: another name, it cannot be written there, the file is far from the network, or an int8 file
                breaks the state contract.
        """
        check_file_name(path, self.recipe)
        flatbuffer = self.flatbuffer or self.quantize()
        validation = self.validation or self.validate()
        metadata = self.metadata
        write_file(path, flatbuffer, metadata)
        return ExportResult(Path(path), Path(path).stat().st_size, metadata, self.calibration, validation)

    def _clips(self) -> Iterable[np.ndarray]:
        """Those that the file is checked on: uint8 (t, height, width, 3), BGR."""
        if self.calibration is not None and self.recipe.is_int8:
            source = self.calibration.source
            drawn = dataclasses.replace(source, clips=_CHECKED_CLIPS, seed=source.seed + 1).draw()
            return (source.videos.read(*clip) for clip in drawn)
        frames = _CHECKED_FRAMES if self._reference is None else 2 * _CHECKED_FRAMES
        return [synthetic_split("train", max(self._config.input_size), 1).read(0, 0, frames)]


def write_file(path: str | Path, flatbuffer: bytes, metadata: Metadata) -> None:
    """Writes a deployed file, whole or not at all; an int8 file only where it keeps the state contract.

    Args:
        path: of the file.
        flatbuffer: without metadata.
        metadata: of the file, appended to it.

    Raises:
        InputError: the file cannot be written there, or breaks the contract.
    """
    if metadata.precision == "int8":
        check_state_contract(flatbuffer, metadata)
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(append_metadata(flatbuffer, metadata))


def versions(*more: str) -> dict[str, str]:
    """The versions of the libraries that made a file, by distribution.

    Args:
        more: distributions beside keras-sge, tensorflow and keras.
    """
    return {name: importlib.metadata.version(name) for name in (*_LIBRARIES, *more)}
