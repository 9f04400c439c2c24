"""The folder of one quantization-aware run."""

from __future__ import annotations

from pathlib import Path

from keras_sge.config.run_folder import RunFolder


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
