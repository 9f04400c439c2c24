"""A trained network as a .tflite of one time step with explicit state (see docs/state-contract.md)."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata, append_metadata
from keras_sge.config import config_to_dict
from keras_sge.data import synthetic_split
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from keras_sge.progress import Progress, no_progress
from quantization.calibration import Calibration, CalibrationSource, calibrate, draw_clips, synthetic_source
from quantization.contract import Ranges, check_bounded_memory, check_state_contract, int8_metadata
from quantization.convert import convert, quantize, quantize_as_is
from quantization.recipes import check_file_name, recipe_named
from quantization.validation import Validation, validate

_CHECKED_CLIPS = 4


@dataclass(frozen=True)
class ExportResult:
    """A file that was written.

    Attributes:
        path: where it is. bytes: its size. metadata: what it says of itself; `details` has the facts for people.
        calibration: None where nothing was calibrated. validation: how near the file is to Keras.
    """

    path: Path
    bytes: int
    metadata: Metadata
    calibration: Calibration | None
    validation: Validation


class Exporter:
    """One network on its way to one file: `calibrate`, `quantize`, `validate`, `write`.

    Each call does what is missing before it, so `write` alone is enough.

    Args:
        model: the trained network; it is left as it is.
        recipe: `float32`; `float16`, half the size; `dynamic`, int8 weights and float everything else; `int8` from end
            to end; `int8_float_io`, its inputs and outputs in float32 for runtimes that take no integer tensors.
        entropy: `host`, the attention is an input, or `graph`, the file computes the entropy map itself (float only).
        details: facts for people that go into the metadata.

    Attributes:
        recipe: see `quantization.recipes`. calibration, flatbuffer, validation: None before their call.

    Raises:
        InputError: an unknown recipe, `graph` for int8, or an LSTM's memory for int8.

    Example:
        exporter = Exporter(keras_sge.load_model("runs/first"), "int8")
        exporter.calibrate(CalibrationSource(videos, "my clips"))
        print(exporter.write("first_int8.tflite").validation.relative_difference)
    """

    def __init__(
        self, model: SGENet, recipe: str = "float32", entropy: str = "host", details: Mapping[str, Any] | None = None
    ):
        self.recipe = recipe_named(recipe)
        if self.recipe.precision == "int8":
            if entropy != "host":
                raise InputError("the entropy map in the graph has float operators, int8 files have none: use `host`.")
            check_bounded_memory(model.config)
        self._config = model.config
        self._step = step_model_from(model, entropy=entropy, update=self.recipe.update)
        precision = "float32" if self.recipe.precision == "int8" else self.recipe.precision
        self._metadata = network_metadata(model.config, precision, entropy)
        self._facts = {"config": config_to_dict(model.config), "exported_with": _versions(), **(details or {})}
        self._source: CalibrationSource | None = None
        self._ranges: Ranges | None = None
        self._reference: keras.Model | None = None
        self.calibration: Calibration | None = None
        self.flatbuffer: bytes | None = None
        self.validation: Validation | None = None

    def tuned(self, ranges: Ranges, reference: Any, details: Mapping[str, Any]) -> Exporter:
        """Takes ranges that training has settled instead of calibrating; biases stay as they are.

        Args:
            ranges: (low, high) by layer name. reference: the model that was trained, which the file is held against.
            details: facts for people, in front of the others.
        """
        self._ranges, self._reference = ranges, reference
        self._facts |= details
        return self

    def calibrate(
        self,
        source: CalibrationSource | None = None,
        progress: Progress = no_progress,
    ) -> Calibration:
        """Rolls the network along clips as a device would.

        Int8 takes its ranges from them; every recipe that rounds kernels takes their errors out of its biases.

        Args:
            source: clips of the training split; None takes the built-in synthetic videos.
            progress: around the clips.

        Raises:
            InputError: a float32 file, which rounds nothing.
        """
        if self.recipe.calibration == "never":
            raise InputError("a float32 file rounds nothing: there is nothing to calibrate. Use another recipe.")
        self._source = source or synthetic_source(self._config)
        videos, clips, seed = self._source.videos, self._source.clips, self._source.seed
        self.calibration = calibrate(self._step, self._metadata, videos, clips, seed, progress)
        self._facts["calibration"] = {
            "source": self._source.name,
            "clips": len(self.calibration.clips),
            "frames": self.calibration.frames,
            "seed": seed,
        }
        return self.calibration

    def quantize(self) -> bytes:
        """Converts; the flatbuffer, without metadata."""
        recipe = self.recipe
        if self._ranges is not None:
            self.flatbuffer = quantize_as_is(self._step, self._ranges, recipe.float_io)
            return self.flatbuffer
        if recipe.calibration == "always" and self.calibration is None:
            self.calibrate()
        if recipe.precision == "int8":
            self.flatbuffer = quantize(self._step, self.calibration, recipe.float_io)
        else:
            self.flatbuffer = convert(self._step, recipe.precision, self.calibration)
        return self.flatbuffer

    def validate(self) -> Validation:
        """Holds the file against Keras on clips, int8 on other draws of those that it was calibrated on.

        Raises:
            InputError: the file differs from Keras by more than `quantization.validation.TOLERANCE`.
        """
        flatbuffer = self.flatbuffer or self.quantize()
        reference, clips = self._reference or self._step, self._clips()
        self.validation = validate(reference, self._metadata, flatbuffer, self._file_metadata(), clips)
        against = "keras" if self._reference is None else "twin"
        self._facts[f"relative_difference_to_{against}"] = self.validation.relative_difference
        if self.recipe.precision == "int8" and self._reference is None:
            agreement = self.validation.agreement
            self._facts |= {
                "detections_of_keras": agreement.detections,
                "detections_found": agreement.found,
                "iou_of_found": round(agreement.mean_iou, 4),
                "score_difference_of_found": round(agreement.mean_score_difference, 4),
            }
        return self.validation

    def write(self, path: str | Path) -> ExportResult:
        """Writes the file with its metadata, whole or not at all.

        Args:
            path: ends in `.tflite`, that of `int8_float_io` in `_int8_float_io.tflite`.

        Raises:
            InputError: another name, it cannot be written there, the file is far from Keras, or an int8 file breaks the
                state contract.
        """
        check_file_name(path, self.recipe)
        validation = self.validation or self.validate()
        metadata = self._file_metadata()
        write_file(path, self.flatbuffer, metadata)
        return ExportResult(Path(path), Path(path).stat().st_size, metadata, self.calibration, validation)

    def _file_metadata(self) -> Metadata:
        metadata = dataclasses.replace(self._metadata, details=dict(self._facts))
        return int8_metadata(metadata, self.recipe.float_io) if self.recipe.precision == "int8" else metadata

    def _clips(self) -> Iterable[np.ndarray]:
        if self._source is not None and self.recipe.precision == "int8":
            drawn = draw_clips(self._source.videos, _CHECKED_CLIPS, self._source.seed + 1)
            return (self._source.videos.read(*clip) for clip in drawn)
        frames = 5 if self._reference is None else 10
        return [synthetic_split("train", max(self._config.input_size), 1).read(0, 0, frames)]


def write_file(path: str | Path, flatbuffer: bytes, metadata: Metadata) -> None:
    """Writes a deployed file, whole or not at all; an int8 file only where it keeps the state contract.

    Raises:
        InputError: the file cannot be written there, or breaks the contract.
    """
    if metadata.precision == "int8":
        check_state_contract(flatbuffer, metadata)
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(append_metadata(flatbuffer, metadata))


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("keras-sge", "tensorflow", "keras")}
