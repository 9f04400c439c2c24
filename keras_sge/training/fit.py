"""Training with Keras' own `fit`."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from pathlib import Path

import keras

from edge.errors import InputError
from keras_sge.config import Config, TrainingConfig, load_config
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import data_notes, open_dataset
from keras_sge.data.loader import ClipLoader, check_classes
from keras_sge.data.views import CachedVideos
from keras_sge.losses import multibox_loss
from keras_sge.models import SGENet, copy_weights, load_model
from keras_sge.models.sge_net import dtype_policy
from keras_sge.training.callbacks import Checkpoint, DataWait, FiniteWeights, Forecast, Log
from keras_sge.training.start import set_starting_weights
from keras_sge.training.validation import Validation

_logger = logging.getLogger(__name__)


def train(
    config: Config | str | Path,
    run: str | Path,
    data: str | Path | None = None,
    *,
    resume: bool = False,
    verbose: int = 1,
) -> SGENet:
    """Trains the configured network, or goes on with a run that stopped; the losses, the mAP on validation clips and
    the best epoch are then those of an unbroken run.

    Args:
        config: the experiment: a `Config`, a YAML file, or a built-in configuration's name, such as `quickstart`.
        run: folder for everything written.
        data: a data set's directory; None for what the configuration says.
        resume: go on from the folder's last checkpoint.
        verbose: Keras' progress bar: 0 none, 1 bar, 2 one line per epoch.

    Returns:
        The clip model after the last epoch; `run/model.keras` holds it too, `run/best.keras` that with the best mAP.

    Raises:
        InputError: no such configuration; data, start or folder do not fit it, or the training ended in numbers that
            are none; the last whole epoch is kept.
    """
    config = (config if isinstance(config, Config) else load_config(config)).with_data(data)
    folder, training = RunFolder(run), config.training
    if resume:
        folder.check_resumable(config)
    else:
        folder.check_free()
    config.data.check_folders()
    keras.utils.set_random_seed(training.seed)
    videos = CachedVideos(open_dataset(config.data, config.network, "train"), int(config.data.cache_gb * 1e9))
    check_classes(videos, config.network)
    _logger.info("network input: %s", config.network.size_text)
    for note in data_notes(videos, config.network):
        _logger.warning(note)
    held_out = open_dataset(config.data, config.network, "val") if training.validation_steps else None
    try:
        with dtype_policy(training.precision):
            return _trained(config, folder, resume, videos, held_out, verbose)
    finally:
        # TensorFlow never lets go of a generator that it was fed from, nor of what hangs on it.
        videos.clear()


def _trained(config, folder, resume, videos, held_out, verbose):
    training = config.training
    if resume:
        model = _resumed(folder, training)
    else:
        model = _clip_model(config, stage_of(training, 0).clip_length)
        set_starting_weights(model, training, videos)
        compile_for_training(model, training)
    validation = None
    if held_out and training.evaluation_epochs:
        with dtype_policy("float32"):
            validation = Validation(folder, config.network, training, held_out)
    folder.write_config(config)
    epoch = int(model.optimizer.iterations) // training.steps_per_epoch
    folder.trim_log(epoch)
    forecast = Forecast((training.epochs - epoch) * training.steps_per_epoch, below_a_bar=verbose == 1)
    while epoch < training.epochs and not folder.stopped_early(training.early_stopping):
        stage = stage_of(training, epoch)
        if model.clip_length != stage.clip_length:
            model = with_clip_length(model, stage.clip_length, config)
        if training.single_frame_epochs:
            what = "single frames" if stage is not training else f"clips of {stage.clip_length} frames"
            _logger.info("epochs %d to %d of %d, on %s", epoch + 1, stage.epochs, training.epochs, what)
        loader = ClipLoader(videos, config.network, stage, first=epoch * training.steps_per_epoch)
        history = model.fit(
            loader,
            validation_data=held_out
            and ClipLoader(held_out, config.network, stage, training.validation_steps, augment=False),
            epochs=stage.epochs,
            initial_epoch=epoch,
            steps_per_epoch=training.steps_per_epoch,
            shuffle=False,
            callbacks=[forecast, *_callbacks(folder, training, loader, validation)],
            verbose=verbose,
        )
        epoch = history.epoch[-1] + 1
    # An average is given to the model in an epoch that is known to be the last, and only then.
    return load_model(folder.model, compile=True) if folder.stopped_early(training.early_stopping) else model


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


def with_clip_length(model: SGENet, clip_length: int, config: Config) -> SGENet:
    """The same network for clips of another length: weights, optimizer state and step count go along."""
    other = _clip_model(config, clip_length)
    compile_for_training(other, config.training)
    copy_weights(model, other)
    for target, source in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        target.assign(source)
    return other


def compile_for_training(model: keras.Model, training: TrainingConfig) -> None:
    """RMSprop as in the paper and the MultiBox loss."""
    model.compile(
        optimizer=keras.optimizers.RMSprop(
            _learning_rate(training),
            rho=0.9,
            momentum=training.momentum,
            global_clipnorm=training.gradient_clip,
            use_ema=training.average is not None,
            ema_momentum=training.average or 0.99,
        ),
        loss=multibox_loss(training.negatives_per_positive, training.late_weight, model.config.heads.scores),
        # XLA makes these small convolutions slower on a CPU; JAX always compiles.
        jit_compile=keras.backend.backend() == "jax",
    )
    # Variables that are made in the first step have TensorFlow trace it twice.
    model.optimizer.build(model.trainable_variables)


def _learning_rate(training: TrainingConfig) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if training.warmup is None:
        return training.learning_rate
    return warmup_cosine(training.learning_rate, training.epochs * training.steps_per_epoch, training.warmup)


def warmup_cosine(rate: float, steps: int, warmup: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """From a tenth of `rate` up to it in the share `warmup` of the steps, then down to zero along a cosine."""
    ramp = max(1, round(warmup * steps))
    return keras.optimizers.schedules.CosineDecay(
        rate / 10, max(1, steps - ramp), alpha=0.0, warmup_target=rate, warmup_steps=ramp
    )


def swap_average(model: keras.Model) -> None:
    """Of a checkpoint, which holds the average as the network and what is being trained in the optimizer: they change
    places."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()


def _clip_model(config: Config, clip_length: int) -> SGENet:
    training = config.training
    return SGENet(
        config.network,
        clip_length,
        freeze_until=training.freeze_until,
        backprop_window=training.backprop_window,
        freeze_batch_norm=training.freeze_batch_norm,
        freeze_detector=training.freeze_detector,
    )


def _resumed(folder: RunFolder, training: TrainingConfig) -> SGENet:
    model = load_model(folder.model, compile=True)
    if not model.compiled:
        raise InputError(f"{folder.path} was never trained: there is nothing to resume. Start from it with --from.")
    # With other epochs than before the schedule has another end.
    model.optimizer.learning_rate = _learning_rate(training)
    if training.average is not None:
        swap_average(model)
    return model


def _callbacks(
    folder: RunFolder, training: TrainingConfig, loader: ClipLoader, validation: Validation | None
) -> list[keras.callbacks.Callback]:
    callbacks = [keras.callbacks.TerminateOnNaN(), DataWait(loader)]
    if training.average is not None:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    # In this order: nothing is written of an epoch that went astray, and rows without a checkpoint are cut off later.
    callbacks += [FiniteWeights(folder), *([validation] if validation else []), Log(folder)]
    callbacks.append(Checkpoint(folder, training))
    if importlib.util.find_spec("tensorflow"):
        callbacks.append(keras.callbacks.TensorBoard(str(folder.tensorboard)))
    return callbacks
