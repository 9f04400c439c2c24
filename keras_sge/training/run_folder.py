"""The folder of one training run."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import Config, config_to_dict


class RunFolder:
    """What a run leaves behind.

    Attributes:
        config: `config.yaml`, the whole configuration with its overrides.
        model: `model.keras`, the network with its weights and the optimiser's, written after every epoch.
        log: `log.csv`, a row an epoch. tensorboard: event files.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.model = self.path / "model.keras"
        self.log = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"

    def create(self, config: Config) -> None:
        """Makes the folder; InputError if a run is in it already."""
        if self.config.exists():
            raise InputError(f"{self.path} holds a run already. Continue it with --resume, or name another with --run.")
        self.path.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(config_to_dict(config), sort_keys=False))

    def trim_log(self, epochs: int) -> None:
        """Cuts rows off the log that belong to epochs after the first `epochs`: their checkpoint was never written."""
        if not self.log.is_file():
            return
        with self.log.open(newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < epochs]
        with atomic_path(self.log) as temporary, Path(temporary).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *kept])
