"""The folder of one training run."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import Config, config_to_dict, load_config


class RunFolder:
    """What a run leaves behind.

    Attributes:
        config: `config.yaml`, the whole configuration with its overrides.
        model: `model.keras`, the network with its weights and the optimiser's, written after every epoch.
        log: `log.csv`, a row an epoch. tensorboard: event files.
    """

    # Settings of a run that may be others when it is resumed.
    may_change = ("training.epochs", "training.validation_steps", "data.path", "data.cache_gb")

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.model = self.path / "model.keras"
        self.log = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"

    def check_free(self) -> None:
        """InputError if a run is in the folder already."""
        if self.config.exists():
            raise InputError(f"{self.path} holds a run already. Continue it with --resume, or name another with --run.")

    def check_resumable(self, config: Config) -> None:
        """InputError if `config` would not go on with the folder's run but make another of it."""
        if not self.model.is_file():
            raise InputError(
                f"{self.path} holds no checkpoint yet ({self.model.name}). Remove it, start without --resume."
            )
        before, now = (_flat(config_to_dict(one)) for one in (load_config(self.config), config))
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
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
            Path(temporary).write_text(yaml.safe_dump(config_to_dict(config), sort_keys=False))

    def trim_log(self, epochs: int) -> None:
        """Cuts rows off the log that belong to epochs after the first `epochs`: their checkpoint was never written."""
        if not self.log.is_file() or not self.log.stat().st_size:
            return
        with self.log.open(newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < epochs]
        with atomic_path(self.log) as temporary, Path(temporary).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *kept])


def _flat(document: dict, prefix: str = "") -> dict:
    """A nested mapping with dotted keys."""
    result = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        result |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return result
