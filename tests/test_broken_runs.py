"""Runs that are stopped, killed or lose their numbers, and how they go on."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from tiny import SINGLE, assert_same_weights, epochs_logged, experiment, weights_by_name

from edge.errors import InputError
from keras_sge.config import config_to_dict
from keras_sge.config.run_folder import RunFolder
from keras_sge.data.loader import ClipLoader
from keras_sge.models import load_model
from keras_sge.training import train
from keras_sge.training.callbacks import DataWait, FiniteWeights

pytestmark = pytest.mark.usefixtures("eagerly", "no_curves")


def losses(folder):
    columns = "loss", "val_loss", "val_map50"
    rows = csv.DictReader((folder / "log.csv").open())
    return [[float(row[column] or "nan") for column in columns] for row in rows]


def interrupt_in(monkeypatch, epoch):
    """Ctrl-C after the first step of an epoch."""
    step = DataWait.on_train_batch_end

    def stop(callback, batch, logs=None):
        step(callback, batch, logs)
        if int(callback.model.optimizer.iterations) == 2 * epoch + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(DataWait, "on_train_batch_end", stop)


def killed(config, run, epoch):
    """Goes on with a run in a process of its own, which is killed there."""
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run([sys.executable, script, config, run, str(epoch)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_run_that_was_stopped_twice_has_the_losses_of_an_unbroken_one(tmp_path):
    """Ctrl-C in the middle of an epoch, and killed between an epoch's row in the log and its checkpoint."""
    config = experiment(SINGLE, single_frame_epochs=1, average=0.9, evaluation_epochs=1, learning_rate=3e-3)
    broken = tmp_path / "broken"
    train(config, tmp_path / "whole", verbose=0)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config_to_dict(config)))
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        interrupt_in(patch, epoch=1)
        train(config, broken, verbose=0)
    assert epochs_logged(broken) == [0]
    killed(file, broken, epoch=1)
    assert epochs_logged(broken) == [0, 1]
    train(config, broken, resume=True, verbose=0)
    assert epochs_logged(broken) == [0, 1]
    np.testing.assert_allclose(losses(broken), losses(tmp_path / "whole"), rtol=1e-4)
    best, unbroken = (RunFolder(run) for run in (broken, tmp_path / "whole"))
    assert best.best_epoch() == unbroken.best_epoch()
    assert_same_weights(load_model(best.best), load_model(unbroken.best), rtol=1e-3, atol=1e-5)


def test_resume_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        train(experiment(), tmp_path / "none", resume=True, verbose=0)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    read = ClipLoader.__getitem__

    def poisoned(loader, index):
        inputs, targets = read(loader, index)
        if loader.augment and loader.first + index >= 1:
            inputs["image"] = inputs["image"] * np.nan
        return inputs, targets

    monkeypatch.setattr(ClipLoader, "__getitem__", poisoned)
    with pytest.raises(InputError, match="no longer a number in epoch 2"):
        train(experiment(SINGLE, steps_per_epoch=1, validation_steps=0), tmp_path / "run", verbose=0)
    assert all(np.isfinite(value).all() for value in weights_by_name(load_model(tmp_path / "run")).values())


def test_weights_that_are_no_numbers_are_not_written_although_the_loss_is_one(tmp_path, monkeypatch):
    """Here the optimizer's; `FiniteWeights` looks at the network's as well, see below."""
    end = DataWait.on_epoch_end

    def damage(callback, epoch, logs=None):
        end(callback, epoch, logs)
        if epoch == 1:
            assert np.isfinite(logs["loss"])
            lost = callback.model.optimizer.variables[-1]
            lost.assign(lost * np.nan)

    monkeypatch.setattr(DataWait, "on_epoch_end", damage)
    with pytest.raises(InputError, match=r"after epoch 2: 1 of \d+ weights.*holds the epoch before"):
        settings = {"epochs": 3, "steps_per_epoch": 1, "validation_steps": 0, "average": 0.9}
        train(experiment(SINGLE, **settings), tmp_path / "run", verbose=0)
    kept = load_model(tmp_path / "run", compile=True)
    assert int(kept.optimizer.iterations) == 1 and epochs_logged(tmp_path / "run") == [0]
    assert all(np.isfinite(keras.ops.convert_to_numpy(one)).all() for one in [*kept.weights, *kept.optimizer.variables])


def test_batch_norm_s_statistics_and_the_loss_are_looked_at_too(tmp_path):
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), norm])
    model.compile("sgd", "mse")
    check = FiniteWeights(RunFolder(tmp_path))
    check.set_model(model)
    check.on_epoch_end(1, {"loss": 1.0})
    with pytest.raises(InputError, match="the loss is no longer a number in epoch 2"):
        check.on_epoch_end(1, {"loss": np.nan})
    norm.moving_variance.assign([1.0, np.nan, 1.0])
    with pytest.raises(InputError, match=r"after epoch 2: 1 of \d+ weights.*moving_variance"):
        check.on_epoch_end(1, {"loss": 1.0})
