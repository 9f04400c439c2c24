"""The folder of a quantization-aware run: where it stands, and the file that it writes."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import synthetic_split
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from keras_sge.models.weights import check_finite
from quantization.contract import int8_metadata
from quantization.convert import quantize_as_is
from quantization.exporter import check_file_name, write_file
from quantization.qat.twin import folded_twin, quantised_twin, set_folded_weights
from quantization.validation import validate


class QatFolder(RunFolder):
    """What `sge qat` leaves behind.

    Attributes:
        config: `config.yaml`, the whole configuration with its overrides and the network that was fine-tuned.
        model: `qat.npz`, see `QatCheckpoint`, written after every epoch.
        log: `log.csv`, a row an epoch; row 0 stands before the first step.
    """

    may_change = ("qat.epochs", "data.path", "data.cache_gb")

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.model = self.path / "qat.npz"


_FACTS = "facts.json"
_ARRAYS = ("weights", "best", "optimizer")


@dataclass
class QatCheckpoint:
    """The state of a run between two epochs.

    Attributes:
        ranges: (low, high) by layer name, fixed at calibration. details: facts about calibration and losses for the
            file's metadata.
        weights: folded, by `layer/weight`, after `epoch` epochs. best: those after `best_epoch`, 0 for none yet.
        best_loss: validation loss of `best`. optimizer: its variables, in its order; empty before the first step.
    """

    ranges: dict[str, tuple[float, float]]
    details: dict[str, Any]
    weights: dict[str, np.ndarray]
    best: dict[str, np.ndarray] = field(default_factory=dict)
    optimizer: list[np.ndarray] = field(default_factory=list)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")

    def save(self, path: str | Path) -> None:
        """Writes an .npz: under another name first, then renamed.

        Raises:
            InputError: a weight or a variable of the optimiser is no finite number; the file stays as it was.
        """
        optimizer = {f"optimiser variable {index}": value for index, value in enumerate(self.optimizer)}
        advice = f"{path} holds the epoch before, if there was one. Start again with a lower qat.learning_rate."
        check_finite({**self.weights, **optimizer}, f"after epoch {self.epoch}", advice)
        names = [entry.name for entry in dataclasses.fields(self) if entry.name not in _ARRAYS]
        facts = {name: getattr(self, name) for name in names}
        with atomic_path(path) as temporary:
            np.savez(
                temporary,
                **{_FACTS: np.array(json.dumps(facts))},
                **{f"weights/{name}": value for name, value in self.weights.items()},
                **{f"best/{name}": value for name, value in self.best.items()},
                **{f"optimizer/{index:04d}": value for index, value in enumerate(self.optimizer)},
            )

    @classmethod
    def load(cls, path: str | Path) -> QatCheckpoint:
        """Reads what `save` wrote.

        Raises:
            InputError: the file is damaged or something else.
        """
        try:
            with np.load(path) as stored:
                facts = json.loads(str(stored[_FACTS]))
                parts = {
                    part: {name.split("/", 1)[1]: stored[name] for name in stored.files if name.startswith(f"{part}/")}
                    for part in _ARRAYS
                }
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is damaged, or no checkpoint of `sge qat`: {error}") from error
        optimizer = [value for _, value in sorted(parts.pop("optimizer").items())]
        facts["ranges"] = {name: tuple(limits) for name, limits in facts["ranges"].items()}
        return cls(**facts, **parts, optimizer=optimizer)


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
