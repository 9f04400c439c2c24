"""The int8 file of a quantization-aware run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from pathlib import Path

from edge.metadata import Metadata
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.data import synthetic_split
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.network_metadata import network_metadata
from quantization.convert import quantize_as_is
from quantization.qat.folded_twin import folded_twin, set_folded_weights
from quantization.qat.qat_checkpoint import QatCheckpoint
from quantization.qat.quantised_twin import quantised_twin
from quantization.state_contract import int8_metadata
from quantization.validation import validate
from quantization.write_file import check_file_name, write_file

_CHECKED_FRAMES = 10


def write_tuned(network: NetworkConfig, run: QatCheckpoint, path: str | Path, float_io: bool = False) -> Metadata:
    """Writes the best epoch of a run as `sge export --precision int8` writes a network, with the run's ranges.

    Args:
        network: what was tuned. run: from `fine_tune`. path: the file; with `float_io` it ends in
            `_int8_float_io.tflite`.

    Returns:
        The metadata inside the file; `details` holds the calibration, the settings and the losses of the run and how
        near the file is to the twin that was trained.

    Raises:
        InputError: the file breaks the state contract, or does not compute what was trained.
    """
    check_file_name(path, float_io)
    model = SGENet(network)
    set_folded_weights(model, run.best)
    details = {
        "config": config_to_dict(network),
        "exported_with": {
            name: importlib.metadata.version(name)
            for name in ("keras-sge", "tensorflow", "keras", "tf-keras", "tensorflow-model-optimization")
        },
        "quantization_aware": run.details,
    }
    metadata = network_metadata(network, details=details)
    flatbuffer = quantize_as_is(step_model_from(model, update="blend"), run.ranges, float_io)
    file_metadata = int8_metadata(metadata, float_io)
    twin = quantised_twin(folded_twin(network, run.best), run.ranges)
    clip = synthetic_split("train", max(network.input_size), 1).read(0, 0, _CHECKED_FRAMES)
    validation = validate(twin, metadata, flatbuffer, file_metadata, [clip])
    details["relative_difference_to_twin"] = validation.relative_difference
    file_metadata = dataclasses.replace(file_metadata, details=details)
    write_file(path, flatbuffer, file_metadata)
    return file_metadata
