"""Training with Keras' own `fit`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras

from edge.errors import InputError
from keras_sge.config import Config, TrainingConfig
from keras_sge.data import open_dataset
from keras_sge.data.clip_loader import ClipLoader
from keras_sge.losses import multibox_loss
from keras_sge.models import SGENet, load_clip_model
from keras_sge.training.checkpoint import Checkpoint
from keras_sge.training.run_folder import RunFolder


def train(config: Config, run: str | Path, resume: bool = False, verbose: int = 1) -> SGENet:
    """Trains the configured network, or goes on with a run that stopped.

    Args:
        config: the experiment. run: folder for everything written. resume: go on from the folder's last checkpoint.
        verbose: Keras' progress bar: 0 none, 1 bar, 2 a line an epoch.

    Returns:
        The trained clip model; `run/model.keras` holds it too.
    """
    folder = RunFolder(run)
    training = config.training
    keras.utils.set_random_seed(training.seed)
    train_set = open_dataset(config.data, config.network, "train")
    loader = ClipLoader(train_set, config.network, training, training.steps_per_epoch)
    validation = None
    if training.validation_steps:
        validation_set = open_dataset(config.data, config.network, "val")
        validation = ClipLoader(validation_set, config.network, training, training.validation_steps, augment=False)
    if resume:
        if not folder.model.is_file():
            raise InputError(f"{folder.path} holds no checkpoint yet (model.keras). Remove it and start without --resume.")
        model = load_clip_model(folder.model, compile=True)
        loader.epoch = int(model.optimizer.iterations) // training.steps_per_epoch
    else:
        folder.create(config)
        model = SGENet(config.network, training.clip_length)
        compile_for_training(model, training)
    model.fit(
        loader,
        validation_data=validation,
        epochs=training.epochs,
        initial_epoch=loader.epoch,
        callbacks=_callbacks(folder, resume),
        verbose=verbose,
    )
    return model


def compile_for_training(model: keras.Model, training: TrainingConfig) -> None:
    """RMSprop as in the paper and the MultiBox loss."""
    rate = training.learning_rate
    if training.warmup is not None:
        steps = training.epochs * training.steps_per_epoch
        ramp = max(1, round(training.warmup * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10, max(1, steps - ramp), alpha=0.0, warmup_target=rate, warmup_steps=ramp
        )
    model.compile(
        optimizer=keras.optimizers.RMSprop(
            rate, rho=0.9, momentum=training.momentum, global_clipnorm=training.gradient_clip
        ),
        loss=multibox_loss(training.negatives_per_positive),
        # XLA makes these small convolutions slower on a CPU; JAX always compiles.
        jit_compile=keras.backend.backend() == "jax",
    )


def _callbacks(folder: RunFolder, resume: bool) -> list[keras.callbacks.Callback]:
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        Checkpoint(folder.model),
        keras.callbacks.CSVLogger(str(folder.log), append=resume),
    ]
    if importlib.util.find_spec("tensorflow"):
        callbacks.append(keras.callbacks.TensorBoard(str(folder.tensorboard)))
    return callbacks
