"""Training with Keras' own `fit`."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import keras
import numpy as np

from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config import Config, TrainingConfig
from keras_sge.data import open_dataset
from keras_sge.data.cached_videos import CachedVideos
from keras_sge.data.clip_loader import ClipLoader, check_classes, normalise
from keras_sge.data.video_dataset import VideoDataset
from keras_sge.losses import multibox_loss
from keras_sge.models import SGENet, copy_weights, load_clip_model
from keras_sge.models.weights_file import assign_weights, measure_batch_norm, read_weights
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
    room = int(config.data.cache_gb * 1e9)
    videos = CachedVideos(open_dataset(config.data, config.network, "train"), room)
    check_classes(videos, config.network)
    held_out = open_dataset(config.data, config.network, "val") if training.validation_steps else None
    if resume:
        if not folder.model.is_file():
            raise InputError(f"{folder.path} holds no checkpoint yet (model.keras). Remove it, start without --resume.")
        model = load_clip_model(folder.model, compile=True)
    else:
        folder.create(config)
        model = SGENet(config.network, stage_of(training, 0).clip_length, training.freeze_until)
        if training.start_from:
            start_from(model, training.start_from, training.start_layers, videos)
        compile_for_training(model, training)
    epoch = int(model.optimizer.iterations) // training.steps_per_epoch
    while epoch < training.epochs:
        stage = stage_of(training, epoch)
        if model.clip_length != stage.clip_length:
            model = with_clip_length(model, stage.clip_length, training)
        model.fit(
            ClipLoader(videos, config.network, stage, training.steps_per_epoch, epoch=epoch),
            validation_data=held_out
            and ClipLoader(held_out, config.network, stage, training.validation_steps, augment=False),
            epochs=stage.epochs,
            initial_epoch=epoch,
            callbacks=_callbacks(folder, append=epoch > 0),
            verbose=verbose,
        )
        epoch = stage.epochs
    return model


def start_from(model: SGENet, path: str, layers: str, videos: VideoDataset) -> None:
    """Takes over the weights of `path` that fit and whose layers' names begin with `layers`; says how many did."""
    weights = {name: value for name, value in read_weights(path).items() if name.startswith(layers)}
    loaded, _ = assign_weights(model, weights)
    print(f"start from {path}: {len(loaded)} of {len(model.weights)} weights taken over")
    if not loaded:
        raise InputError(f"{path} has no weight that fits this network: is network.alpha the same?")
    if Path(path).suffix == ".tflite":
        picks = np.linspace(0, len(videos) - 1, min(64, len(videos))).astype(int)
        images = [resize_frame(videos.read(int(index), 0, 1)[0], *model.config.input_size) for index in picks]
        measure_batch_norm(model, normalise(np.stack(images)))


def stage_of(training: TrainingConfig, epoch: int) -> TrainingConfig:
    """The settings in force at `epoch`; their `epochs` is where the stage ends."""
    if epoch >= training.single_frame_epochs:
        return training
    return dataclasses.replace(
        training,
        epochs=min(training.single_frame_epochs, training.epochs),
        clip_length=1,
        batch_size=training.batch_size * training.clip_length,
    )


def with_clip_length(model: SGENet, clip_length: int, training: TrainingConfig) -> SGENet:
    """The same network for clips of another length: weights, optimiser state and step count go along."""
    other = SGENet(model.config, clip_length, model.freeze_until)
    compile_for_training(other, training)
    copy_weights(model, other)
    other.optimizer.build(other.trainable_variables)
    for target, source in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        target.assign(source)
    return other


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


def _callbacks(folder: RunFolder, append: bool) -> list[keras.callbacks.Callback]:
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        Checkpoint(folder.model),
        keras.callbacks.CSVLogger(str(folder.log), append=append),
    ]
    if importlib.util.find_spec("tensorflow"):
        callbacks.append(keras.callbacks.TensorBoard(str(folder.tensorboard)))
    return callbacks
