"""The folder of one quantization-aware run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from keras_sge.training.run_folder import RunFolder


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

    def append_log(self, row: Mapping[str, float]) -> None:
        """Adds a row, and the header to a new log."""
        # A log that is there and empty was torn off before its header.
        new = not self.log.exists() or not self.log.stat().st_size
        with self.log.open("a", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
