"""Checkpoints that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import keras

from edge.atomic import atomic_path


class Checkpoint(keras.callbacks.Callback):
    """Writes the model, optimiser included, after every epoch: under another name first, then renamed.

    Args:
        path: a `.keras` file.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        with atomic_path(self.path) as temporary:
            self.model.save(temporary)
