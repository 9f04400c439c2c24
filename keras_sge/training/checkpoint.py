"""Checkpoints that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from edge.atomic import atomic_path


class Checkpoint(keras.callbacks.Callback):
    """Writes the model, optimiser included, after every epoch: under another name first, then renamed.

    An epoch whose loss is not finite leaves the file as it was.

    Args:
        path: a `.keras` file.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            return
        with atomic_path(self.path) as temporary:
            self.model.save(temporary)
