"""The last step of every export."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata, append_metadata
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.data import synthetic_split
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from quantization.calibration import Calibration, CalibrationSource, calibrate, draw_clips, synthetic_source
from quantization.contract import check_bounded_memory, check_state_contract, int8_metadata
from quantization.convert import convert, quantize
from quantization.validation import validate

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


_CHECKED_FRAMES, _CHECKED_CLIPS = 5, 4


def export(
    clip_model: SGENet,
    path: str | Path,
    precision: str = "float32",
    entropy: str = "host",
    details: dict[str, object] | None = None,
    source: CalibrationSource | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> Metadata:
    """Writes one step of `clip_model`, batch 1, static shapes, builtin operators only, and checks it against Keras.

    Args:
        clip_model: the trained network. path: the file to write.
        precision: `float32`; `float16`, half the size; `dynamic`, int8 weights and float everything else.
        entropy: `host`, the attention is an input, or `graph`, the file computes the entropy map itself.
        details: facts for people that go into the metadata.
        source: for `float16` and `dynamic`, the clips along which the errors of rounded kernels are measured and taken
            out of the biases. None takes the built-in synthetic videos for `dynamic`, where it matters, and corrects
            nothing for `float16`, where it is a fraction of a point. progress: wraps the iteration, such as `tqdm`.

    Returns:
        The metadata inside the file.

    Raises:
        InputError: an unknown precision, a source for float32, or the written file differs from Keras by more than
            `validate` allows.
    """
    if precision not in PRECISIONS[:3]:
        raise InputError(
            f"precision must be one of {', '.join(PRECISIONS[:3])}; int8 is written by `export_int8`. "
            f"Received: {precision!r}"
        )
    if precision == "float32" and source is not None:
        raise InputError("a float32 file rounds nothing, so there is nothing to calibrate. Received: a source of clips")
    check_file_name(path, float_io=False)
    step = step_model_from(clip_model, entropy=entropy)
    metadata = network_metadata(clip_model.config, precision, entropy, _facts(clip_model.config, details))
    calibration, facts = None, {}
    if precision == "dynamic":
        source = source or synthetic_source(clip_model.config)
    if source is not None:
        calibration = calibrate(step, metadata, source.videos, source.clips, source.seed, progress)
        facts["calibration"] = _calibration_facts(source, calibration)
    flatbuffer = convert(step, precision, calibration)
    clip = synthetic_split("train", max(clip_model.config.input_size), 1).read(0, 0, _CHECKED_FRAMES)
    validation = validate(step, metadata, flatbuffer, metadata, [clip])
    facts["relative_difference_to_keras"] = validation.relative_difference
    return _write(path, flatbuffer, metadata, facts)


def export_int8(
    clip_model: SGENet,
    path: str | Path,
    source: CalibrationSource | None = None,
    float_io: bool = False,
    details: dict[str, object] | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> Metadata:
    """Writes one step of `clip_model` in int8 from end to end: calibrate, quantise, validate.

    Args:
        clip_model: the trained network. path: the file to write; with `float_io` it ends in `_int8_float_io.tflite`.
        source: the clips of the calibration; None takes the built-in synthetic videos.
        float_io: inputs and outputs in float32, rounded inside the file, for runtimes that take no integer tensors.
        details: facts for people that go into the metadata. progress: wraps the iteration over clips, such as `tqdm`.

    Returns:
        The metadata inside the file; `details` says what was calibrated on and how near the file is to Keras.

    Raises:
        InputError: the memory is an LSTM's, the file breaks the state contract, or it is far from Keras.
    """
    check_file_name(path, float_io)
    config = clip_model.config
    check_bounded_memory(config)
    source = source or synthetic_source(config)
    step = step_model_from(clip_model, update="blend")
    metadata = network_metadata(config, details=_facts(config, details))
    calibration = calibrate(step, metadata, source.videos, source.clips, source.seed, progress)
    flatbuffer = quantize(step, calibration, float_io)
    file_metadata = int8_metadata(metadata, float_io)
    clips = draw_clips(source.videos, _CHECKED_CLIPS, source.seed + 1)
    validation = validate(step, metadata, flatbuffer, file_metadata, (source.videos.read(*clip) for clip in clips))
    agreement = validation.agreement
    facts = {
        "calibration": _calibration_facts(source, calibration),
        "relative_difference_to_keras": validation.relative_difference,
        "detections_of_keras": agreement.detections,
        "detections_found": agreement.found,
        "iou_of_found": round(agreement.mean_iou, 4),
        "score_difference_of_found": round(agreement.mean_score_difference, 4),
    }
    return _write(path, flatbuffer, file_metadata, facts)


def _calibration_facts(source: CalibrationSource, calibration: Calibration) -> dict[str, object]:
    return {
        "source": source.name,
        "clips": len(calibration.clips),
        "frames": calibration.frames,
        "seed": calibration.seed,
    }


def _facts(config: NetworkConfig, details: dict[str, object] | None) -> dict[str, object]:
    return {
        "config": config_to_dict(config),
        "exported_with": {name: importlib.metadata.version(name) for name in ("keras-sge", "tensorflow", "keras")},
        **(details or {}),
    }


def _write(path: str | Path, flatbuffer: bytes, metadata: Metadata, facts: dict[str, object]) -> Metadata:
    metadata = dataclasses.replace(metadata, details={**metadata.details, **facts})
    write_file(path, flatbuffer, metadata)
    return metadata
