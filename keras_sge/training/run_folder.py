"""The folder of one training run."""

from __future__ import annotations

from pathlib import Path

import yaml

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
