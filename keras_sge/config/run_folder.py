"""The folder of one run: its configuration, its checkpoints, its log. Needs no Keras."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config.config import Config, config_to_dict, load_config
from keras_sge.config.document import flattened, format_yaml
from keras_sge.config.training import DataConfig

# The column of the log with mAP@.5 on validation clips, empty where it was not measured.
MAP50 = "val_map50"


class RunFolder:
    """What a run leaves behind.

    Attributes:
        config: `config.yaml`, the whole configuration with its overrides.
        model: `model.keras`, the network with its weights and the optimizer's, written after every epoch.
        best: `best.keras`, the same of the epoch with the best mAP on validation clips.
        teaching: `teaching.weights.h5`, what a teaching goes on from: its optimizer and averages.
        log: `log.csv`, a row an epoch. tensorboard: event files.
        results: `results.png`, the log drawn. pictures: `validation.png`, labels above what the network finds.
    """

    # Settings of a run that may be others when it is resumed.
    may_change: tuple[str, ...] = (
        *("training.epochs", "training.early_stopping", "training.validation_steps"),
        *("data.path", "data.cache_gb", "teaching.epochs", "teaching.report_frames"),
    )

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.model = self.path / "model.keras"
        self.best = self.path / "best.keras"
        self.teaching = self.path / "teaching.weights.h5"
        self.log = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"
        self.results = self.path / "results.png"
        self.pictures = self.path / "validation.png"

    def check_free(self, option: str = "--run") -> None:
        """InputError if a run is in the folder already, or a file that one would write over; `option` names the
        folder in a command."""
        if self.config.exists():
            resume = "Continue it with --resume, or name" if option == "--run" else "Name"
            raise InputError(f"{self.path} holds a run already. {resume} another with {option}.")
        for path in (self.model, self.best, self.log, self.results, self.pictures):
            if path.exists():
                raise InputError(f"{path} is there and would be written over. Name another folder with {option}.")

    def stored_config(self, overrides: tuple[str, ...] | list[str] = ()) -> Config:
        """The run's configuration, `overrides` applied as by `load_config`; InputError where there is no run."""
        if not self.config.is_file():
            raise InputError(f"{self.path} holds no run to resume: {self.config.name} is missing.")
        return load_config(self.config, overrides)

    def check_resumable(self, config: Config) -> None:
        """InputError if `config` would not go on with the folder's run but make another of it."""
        if not self.model.is_file():
            raise InputError(
                f"{self.path} holds no checkpoint yet ({self.model.name}). Remove it, start without --resume."
            )
        changed = differing_settings(self.stored_config(), config)
        fixed = [key for key in changed if key not in self.may_change]
        if fixed:
            raise InputError(
                f"a run goes on with the settings that it was started with; {', '.join(fixed)} would change. Only "
                f"{', '.join(self.may_change)} may. For another experiment start a run of its own, in another folder."
            )

    def write_config(self, config: Config) -> None:
        """Makes the folder, if need be, and writes the whole configuration."""
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.config) as temporary:
            Path(temporary).write_text(format_yaml(config_to_dict(config)))

    def append_log(self, row: Mapping[str, Any]) -> None:
        """Adds an epoch's row, `epoch` first; columns that are new are empty in the rows before."""
        self._write_log([*self.log_rows(), {name: str(value) for name, value in row.items()}])

    def trim_log(self, epochs: int) -> None:
        """Cuts rows off the log that belong to epochs after the first `epochs`: their checkpoint was never written."""
        if self.log.is_file():
            self._write_log([row for row in self.log_rows() if int(row["epoch"]) < epochs])

    def log_rows(self) -> list[dict[str, str]]:
        """The log's rows, a cell by its column's name."""
        if not self.log.is_file():
            return []
        with self.log.open(newline="") as file:
            return [row for row in csv.DictReader(file) if None not in row and None not in row.values()]

    def measured(self) -> dict[int, float]:
        """mAP@.5 on validation clips by epoch from 0, of the epochs after which it was measured."""
        return {int(row["epoch"]): float(row[MAP50]) for row in self.log_rows() if row.get(MAP50)}

    def best_epoch(self) -> int | None:
        """The epoch from 0 with the highest mAP on validation clips, the first of equals; None before any."""
        measured = self.measured()
        return max(measured, key=measured.__getitem__, default=None)

    def stopped_early(self, patience: int | None) -> bool:
        """Whether the last `patience` measurements did not better the one before; of None never."""
        best = self.best_epoch()
        return None not in (patience, best) and sum(epoch > best for epoch in self.measured()) >= patience

    def _write_log(self, rows: list[dict[str, str]]) -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["epoch"]
        with atomic_path(self.log) as temporary, Path(temporary).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def differing_settings(one: Config, other: Config) -> list[str]:
    """The dotted keys whose values differ between two configurations, sorted."""
    one, other = (flattened(config_to_dict(config)) for config in (one, other))
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def run_data(model: str | Path) -> DataConfig | None:
    """The data of the run that a model belongs to; None where there is no such run.

    Args:
        model: a run folder of `sge train` or `sge qat`, or a file in one.
    """
    path = Path(model)
    folder = path if path.is_dir() else path.parent
    # Some other program's config.yaml beside a model is no run.
    is_run = path.exists() and any((folder / name).is_file() for name in ("model.keras", "qat.npz"))
    return load_config(folder / "config.yaml").data if is_run and (folder / "config.yaml").is_file() else None
