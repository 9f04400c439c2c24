"""Trains as `sge train` does and is killed when an epoch's row is in the log and its checkpoint not yet written.

Arguments: CONFIG RUN EPOCH.
"""

import os
import signal
import sys

from tiny import eager

from keras_sge.config import load_config
from keras_sge.training import train
from keras_sge.training.callbacks import Checkpoint

config, run, epoch = sys.argv[1:]


class DyingCheckpoint(Checkpoint):
    def on_epoch_end(self, number, logs=None):
        if number == int(epoch):
            os.kill(os.getpid(), signal.SIGKILL)
        super().on_epoch_end(number, logs)


if __name__ == "__main__":
    sys.modules["keras_sge.training.fit"].Checkpoint = DyingCheckpoint
    with eager():
        train(load_config(config), run, resume=os.path.isfile(os.path.join(run, "model.keras")), verbose=0)
