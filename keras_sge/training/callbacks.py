"""What a training does beside learning: checkpoints, how long it will take, and how long it waits for its data."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import TrainingConfig
from keras_sge.config.run_folder import MAP50, RunFolder
from keras_sge.data.loader import ClipLoader
from keras_sge.models.weights import check_finite

_logger = logging.getLogger(__name__)
# Steps that a forecast is made from.
_MEASURED_STEPS = 10
_ADVICE = (
    "{model} holds the epoch before, if there was one. Start again with a lower training.learning_rate or "
    "training.gradient_clip."
)


class FiniteWeights(keras.callbacks.Callback):
    """Ends a run whose loss, network or optimizer is no longer made of finite numbers; comes before what writes.

    A finite loss is no proof: batch norm's moving statistics, an average or a momentum can be lost in an epoch's last
    step, or without ever reaching the loss.

    Args:
        folder: of the run, for the message.

    Raises:
        InputError: at the epoch's end; the files are those of the epoch before.
    """

    def __init__(self, folder: RunFolder):
        super().__init__()
        self._advice = _ADVICE.format(model=folder.model)

    def on_epoch_end(self, epoch, logs=None):
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            raise InputError(f"the loss is no longer a number in epoch {epoch + 1}; {self._advice}")
        variables = [*self.model.weights, *self.model.optimizer.variables]
        check_finite({variable.path: variable for variable in variables}, f"after epoch {epoch + 1}", self._advice)


class Log(keras.callbacks.Callback):
    """Adds the epoch's figures to the run's log.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder):
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch, logs=None):
        self._folder.append_log({"epoch": epoch, **{name: float(logs[name]) for name in sorted(logs)}})


class Checkpoint(keras.callbacks.Callback):
    """Writes the model, optimizer included, after every epoch; where the log says that it is the best so far, as the
    best, too. Ends the run when `training.early_stopping` says so, and draws the log where mAP was measured.

    It comes behind `Log`: rows of an epoch without a checkpoint are cut off when the run goes on, and the epoch is
    trained and measured again.

    Args:
        folder: of the run. training: `epochs` and `early_stopping` count.
    """

    def __init__(self, folder: RunFolder, training: TrainingConfig):
        super().__init__()
        self._folder, self._training = folder, training

    def on_epoch_end(self, epoch, logs=None):
        folder = self._folder
        with atomic_path(folder.model) as temporary:
            self.model.save(temporary)
            if folder.best_epoch() == epoch:
                with atomic_path(folder.best) as best:
                    shutil.copyfile(temporary, best)
        if MAP50 in (logs or {}) or epoch + 1 == self._training.epochs:
            from keras_sge.pictures import training_curves

            training_curves(folder.log, folder.results)
        if folder.stopped_early(self._training.early_stopping):
            self.model.stop_training = True


class Forecast(keras.callbacks.Callback):
    """Logs once how long the run will take, from ten steps behind an epoch's first, in which Keras may compile.

    Args:
        steps: how many there are to train, over all epochs; epochs of fewer than eleven give no forecast.
        below_a_bar: whether Keras' progress bar stands on the line, in a terminal or a file.
        clock: gives seconds since 1970.
    """

    def __init__(self, steps: int, below_a_bar: bool = False, clock: Callable[[], float] = time.time):
        super().__init__()
        self._left, self._clock, self._in_epoch, self._said = steps, clock, 0, False
        self._new_line = below_a_bar

    def on_epoch_begin(self, epoch, logs=None):
        # What lies between two epochs is no step.
        self._in_epoch = 0

    def on_train_batch_end(self, batch, logs=None):
        self._in_epoch, self._left = self._in_epoch + 1, self._left - 1
        if self._said:
            return
        if self._in_epoch == 1:
            self._start = self._clock()
        elif self._in_epoch == 1 + _MEASURED_STEPS:
            self._said, now = True, self._clock()
            step = (now - self._start) / _MEASURED_STEPS
            left = step * self._left
            _logger.info(
                "%s%s to go, until %s: %s steps of %.2g s; validation and what is written come on top",
                "\n" * self._new_line,
                _duration(left),
                time.strftime("%H:%M" if left < 12 * 3600 else "%Y-%m-%d %H:%M", time.localtime(now + left)),
                f"{self._left:,}",
                step,
            )


def _duration(seconds: float) -> str:
    """About how long, in words."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            number = seconds / length
            return f"about {number:.{int(number < 10)}f} {unit}"
    return f"about {seconds:.0f} seconds"


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
