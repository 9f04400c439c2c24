"""Trains as `sge train` does and is killed on the way. Arguments: CONFIG RUN EPOCH WHEN.

WHEN is `step`, after that epoch's first step, or `checkpoint`, when its row is in the log and its checkpoint not yet
written.
"""

import os
import signal
import sys

from keras_sge.config import load_config
from keras_sge.training import train
from keras_sge.training.callbacks import Checkpoint, DataWait

config, run, epoch, when = sys.argv[1:]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class DyingWait(DataWait):
    def on_epoch_begin(self, number, logs=None):
        self.dying = when == "step" and number == int(epoch)
        super().on_epoch_begin(number, logs)

    def on_train_batch_end(self, batch, logs=None):
        if self.dying:
            die()
        super().on_train_batch_end(batch, logs)


class DyingCheckpoint(Checkpoint):
    def on_epoch_end(self, number, logs=None):
        if when == "checkpoint" and number == int(epoch):
            die()
        super().on_epoch_end(number, logs)


if __name__ == "__main__":
    training = sys.modules["keras_sge.training.fit"]
    training.DataWait, training.Checkpoint = DyingWait, DyingCheckpoint
    train(load_config(config), run, resume=os.path.isfile(os.path.join(run, "model.keras")), verbose=0)
