"""How long training waits for its data."""

from __future__ import annotations

import time

import keras

from keras_sge.data.clip_loader import ClipLoader


class DataWait(keras.callbacks.Callback):
    """Adds `data_wait` to an epoch's logs: the share of its time in which the next batch was not ready, 0 .. 1.

    A batch that was finished after the step before it had ended was waited for in between. The clock starts after an
    epoch's first step, in which Keras also traces and compiles.

    Args:
        loader: what `fit` trains on.
    """

    def __init__(self, loader: ClipLoader):
        super().__init__()
        self.loader = loader

    def on_train_begin(self, logs=None):
        self._number = self.loader.first

    def on_epoch_begin(self, epoch, logs=None):
        self._start, self._waited = None, 0.0

    def on_train_batch_end(self, batch, logs=None):
        ready, now = self.loader.ready.pop(self._number), time.perf_counter()
        if self._start is None:
            self._start = now
        else:
            self._waited += max(0.0, ready - self._end)
        self._number, self._end = self._number + 1, now

    def on_epoch_end(self, epoch, logs=None):
        duration = self._end - self._start
        logs["data_wait"] = self._waited / duration if duration else 0.0
