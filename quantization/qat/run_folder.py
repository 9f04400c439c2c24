"""The folder of a quantization-aware run and its checkpoint. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config.run_folder import RunFolder

# In a checkpoint: the entry that holds all but the arrays, and the groups of arrays.
_FACTS = "facts.json"
_ARRAYS = ("weights", "best", "optimizer")


class QatFolder(RunFolder):
    """What `sge qat` leaves behind.

    Attributes:
        config: `config.yaml`, the whole configuration with its overrides and the network that was fine-tuned.
        model: `qat.npz`, see `QatCheckpoint`, written after every epoch.
        log: `log.csv`, one row per epoch; row 0 stands before the first step.
    """

    may_change: tuple[str, ...] = ("qat.epochs", "data.path", "data.cache_gb")

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.model = self.path / "qat.npz"


@dataclass
class QatCheckpoint:
    """The state of a run between two epochs.

    Attributes:
        ranges: (low, high) by layer name, fixed at calibration.
        details: facts about calibration and losses for the file's metadata.
        weights: folded, by `layer/weight`, after `epoch` epochs.
        best: those after `best_epoch`; empty before there is one.
        optimizer: its variables, in its order; empty before the first step.
        epoch: how many epochs are done.
        best_epoch: the epoch with the least validation loss; 0 for none yet.
        best_loss: that loss; infinite for none yet.
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
            InputError: a weight or a variable of the optimizer is no finite number; the file stays as it was.
        """
        # Here, as `sge --help` reads this module and Keras takes seconds.
        from keras_sge.models.weights import check_finite

        optimizer = {f"optimizer variable {index}": value for index, value in enumerate(self.optimizer)}
        advice = f"{path} holds the epoch before, if there was one. Start again with a lower qat.learning_rate."
        check_finite({**self.weights, **optimizer}, f"after epoch {self.epoch}", advice)
        names = [entry.name for entry in dataclasses.fields(self) if entry.name not in _ARRAYS]
        facts = {name: getattr(self, name) for name in names}
        entries: dict[str, Any] = {_FACTS: np.array(json.dumps(facts))}
        entries |= {f"weights/{name}": value for name, value in self.weights.items()}
        entries |= {f"best/{name}": value for name, value in self.best.items()}
        entries |= {f"optimizer/{index:04d}": value for index, value in enumerate(self.optimizer)}
        with atomic_path(path) as temporary:
            np.savez(temporary, **entries)

    @classmethod
    def load(cls, path: str | Path) -> QatCheckpoint:
        """Reads what `save` wrote.

        Raises:
            InputError: the file is damaged or something else.
        """
        try:
            with np.load(path) as stored:
                facts = json.loads(str(stored[_FACTS]))
                parts: dict[str, Any] = {
                    part: {name.split("/", 1)[1]: stored[name] for name in stored.files if name.startswith(f"{part}/")}
                    for part in _ARRAYS
                }
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is damaged, or no checkpoint of `sge qat`: {error}") from error
        optimizer = [value for _, value in sorted(parts.pop("optimizer").items())]
        facts["ranges"] = {name: tuple(limits) for name, limits in facts["ranges"].items()}
        return cls(**facts, **parts, optimizer=optimizer)
