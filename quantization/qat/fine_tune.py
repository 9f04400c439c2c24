"""Quantization-aware fine-tuning: a float network in, weights and ranges of an int8 file out, and their exporter."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tqdm import tqdm

from edge.errors import InputError
from keras_sge.config import Config, NetworkConfig, TrainingConfig
from keras_sge.data import open_dataset
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.loader import ClipLoader, check_classes
from keras_sge.data.views import CachedVideos
from keras_sge.losses import multibox_loss
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata, state_tensors
from keras_sge.models.topology import layer_of, state_layer, topology
from keras_sge.progress import progress_bar
from quantization.bias_correction import correct_biases
from quantization.calibration import CalibrationSource, calibrate
from quantization.exporter import Exporter, versions
from quantization.int8 import check_bounded_memory
from quantization.qat.clip_graph import ClipGraph
from quantization.qat.run_folder import QatCheckpoint, QatFolder
from quantization.qat.twin import folded_twin, folded_weights, quantized_twin, set_folded_weights, twin_variables

Batch = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
# Batches made ahead of the step that needs them.
_AHEAD = 3

_log = logging.getLogger(__name__)


def fine_tune(config: Config, start: SGENet | None, run: str | Path, quiet: bool = False) -> QatCheckpoint:
    """Calibrates, fine-tunes with rounded kernels and activations over unrolled clips, and keeps the best epoch.

    Args:
        config: the experiment; its `network` is the one that is tuned.
        start: the trained network; None goes on with the folder's run.
        run: folder for everything written.
        quiet: no progress bars.

    Returns:
        Where the run stands after the last epoch; `tuned_exporter` makes the file of its best one.

    Raises:
        InputError: the memory is an LSTM's, the folder or the data do not fit, or the loss is no longer a number; the
            last whole epoch is kept.
    """
    folder, qat = QatFolder(run), config.qat
    check_bounded_memory(config.network)
    if start is None:
        folder.check_resumable(config)
        checkpoint = QatCheckpoint.load(folder.model)
    else:
        folder.check_free()
    tf_keras.utils.set_random_seed(qat.seed)
    videos = CachedVideos(open_dataset(config.data, config.network, "train"), int(config.data.cache_gb * 1e9))
    check_classes(videos, config.network)
    clips = _validation_clips(config)
    if start is not None:
        checkpoint = _calibrated(config, start, videos, quiet)
    folder.write_config(config)
    twin = quantized_twin(folded_twin(config.network, checkpoint.weights), checkpoint.ranges)
    trainer = TwinTrainer(twin, config, checkpoint.weights)
    if checkpoint.optimizer:
        trainer.restore_optimizer(checkpoint.optimizer)
    if start is not None:
        losses = trainer.validate(clips)
        unrounded = _unrounded_losses(config, start, clips)
        checkpoint.details["validation_loss"] = {"float": sum(unrounded.values()), "before": sum(losses.values())}
        checkpoint.save(folder.model)
        folder.append_log(_row(0, np.nan, np.nan, losses))
    folder.trim_log(checkpoint.epoch + 1)
    loader = ClipLoader(videos, config.network, _as_training(config))
    while checkpoint.epoch < qat.epochs:
        epoch, first = checkpoint.epoch + 1, checkpoint.epoch * qat.steps_per_epoch
        numbers, title = range(first, first + qat.steps_per_epoch), f"epoch {epoch}/{qat.epochs}"
        loss = _run_epoch(trainer, loader, numbers, title, quiet)
        losses = trainer.validate(clips)
        total = sum(losses.values())
        _check_loss(total, f"the validation of {title}")
        _keep(checkpoint, trainer, epoch, total)
        folder.append_log(_row(epoch, float(trainer.schedule(numbers[-1])), loss, losses))
        checkpoint.save(folder.model)
        _log.info("%s: loss %.4f, validation loss %.4f", title, loss, total)
    return checkpoint


def tuned_exporter(network: NetworkConfig, run: QatCheckpoint, recipe: str = "int8") -> Exporter:
    """The best epoch of a run, to be written as `sge export` writes a network, with the run's ranges.

    The metadata's `details` hold the calibration, the settings and the losses of the run and how near the file is to
    the twin that was trained.

    Args:
        network: what was tuned.
        run: from `fine_tune`.
        recipe: `int8` or `int8_float_io`.
    """
    model = SGENet(network)
    set_folded_weights(model, network, run.best)
    twin = quantized_twin(folded_twin(network, run.best), run.ranges)
    details = {
        "exported_with": versions("tf-keras", "tensorflow-model-optimization"),
        "quantization_aware": run.details,
    }
    return Exporter(model, recipe, details=details, ranges=run.ranges, reference=twin)


def _calibrated(config: Config, start: SGENet, videos: VideoDataset, quiet: bool) -> QatCheckpoint:
    """The checkpoint before the first epoch."""
    qat = config.qat
    step = step_model_from(start, update="blend")
    found = calibrate(
        step,
        network_metadata(config.network),
        CalibrationSource(videos, "train", qat.calibration_clips, qat.seed),
        progress_bar("clip", "calibrate", quiet),
    )
    # Training starts where `sge export --precision int8` ends.
    correct_biases(step, found.input_means)
    ranges = dict(found.ranges)
    for state in state_tensors(config.network):
        # What is left of the state goes round again and again: steps of its own would move what does not change.
        ranges[state_layer(state.input, "kept")] = ranges[state_layer(state.input)]
    details = {
        "calibration": {"clips": len(found.clips), "frames": found.frames, "seed": qat.seed},
        "steps": qat.epochs * qat.steps_per_epoch,
        "settings": dataclasses.asdict(qat),
    }
    return QatCheckpoint(ranges, details, folded_weights(step, config.network))


def _unrounded_losses(config: Config, start: SGENet, clips: ClipLoader) -> dict[str, float]:
    """The validation losses of the float network, by output name."""
    weights = folded_weights(start, config.network)
    return TwinTrainer(folded_twin(config.network, weights), config, weights).validate(clips)


def _keep(checkpoint: QatCheckpoint, trainer: TwinTrainer, epoch: int, total: float) -> None:
    """Takes over what stands after an epoch of that validation loss, as the best where it is."""
    checkpoint.epoch = epoch
    checkpoint.weights = {name: trainer.variables[name].numpy() for name in checkpoint.weights}
    checkpoint.optimizer = trainer.optimizer_state()
    if total < checkpoint.best_loss:
        checkpoint.best, checkpoint.best_epoch, checkpoint.best_loss = checkpoint.weights, epoch, total
        checkpoint.details["validation_loss"] |= {"best": total, "best_epoch": epoch}


def _as_training(config: Config) -> TrainingConfig:
    """The loader's settings: those of the training with QAT's own clips."""
    qat = config.qat
    return dataclasses.replace(
        config.training, batch_size=qat.batch_size, clip_length=qat.clip_length, seed=qat.seed, start_from=None
    )


def _validation_clips(config: Config) -> ClipLoader:
    """The same batches each time they are gone through."""
    videos = CachedVideos(open_dataset(config.data, config.network, "val"), int(config.data.cache_gb * 1e9))
    return ClipLoader(videos, config.network, _as_training(config), config.qat.validation_steps, augment=False)


def _run_epoch(trainer: TwinTrainer, loader: ClipLoader, numbers: range, title: str, quiet: bool) -> float:
    """Takes the steps with these numbers; the mean loss."""
    losses = []
    with tqdm(_ahead(loader, numbers), total=len(numbers), unit="step", desc=title, disable=quiet) as bar:
        for batch in bar:
            loss = sum(trainer.step(batch).values())
            _check_loss(loss, title)
            losses.append(loss)
            bar.set_postfix(loss=f"{np.mean(losses):.3f}")
    return float(np.mean(losses))


def _check_loss(loss: float, where: str) -> None:
    if not np.isfinite(loss):
        raise InputError(
            f"the loss is no longer a number in {where}. The epochs before are kept: go on with --resume, or start "
            "again with a lower qat.learning_rate or training.gradient_clip."
        )


def _ahead(loader: ClipLoader, numbers: range) -> Iterator[Batch]:
    """The loader's batches in order, made in a thread of their own while the step before is taken."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(loader.__getitem__, number) for number in numbers[:_AHEAD]]
        for number in range(numbers.start + _AHEAD, numbers.stop + _AHEAD):
            batch = waiting.pop(0).result()
            if number < numbers.stop:
                waiting.append(pool.submit(loader.__getitem__, number))
            yield batch


def _row(epoch: int, rate: float, loss: float, losses: dict[str, float]) -> dict[str, float]:
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "loss": loss,
        **{f"val_{name}_loss": value for name, value in losses.items()},
        "val_loss": sum(losses.values()),
    }


class TwinTrainer:
    """A quantized twin with the project's loss and Adam.

    Args:
        twin: from `quantized_twin` or, without rounding, from `folded_twin`.
        config: the experiment.
        trained: names of the weights that may be trained; those of the frozen trunk are left out here.
    """

    def __init__(self, twin: tf_keras.Model, config: Config, trained: Iterable[str]):
        self.variables = twin_variables(twin)
        frozen = topology(config.network).frozen(config.qat.freeze_until)
        self._trained = [self.variables[name] for name in trained if layer_of(name) not in frozen]
        self._graph = ClipGraph(twin, config.training.backprop_window)
        self._losses = multibox_loss(
            config.training.negatives_per_positive, config.training.late_weight, config.network.heads.scores
        )
        steps = config.qat.epochs * config.qat.steps_per_epoch
        ramp = max(1, round(config.qat.warmup * steps))
        self.schedule = tf_keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - ramp), warmup_target=config.qat.learning_rate, warmup_steps=ramp
        )
        self.optimizer = tf_keras.optimizers.Adam(self.schedule, global_clipnorm=config.training.gradient_clip)
        self.optimizer.build(self._trained)

    def step(self, batch: Batch) -> dict[str, float]:
        """Takes one step of Adam; the losses by output name, before it."""
        return {name: float(value) for name, value in self._step(*batch).items()}

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The mean losses over batches."""
        losses = [self._evaluate(*batch) for batch in batches]
        return {name: float(np.mean([batch[name] for batch in losses])) for name in losses[0]}

    def optimizer_state(self) -> list[np.ndarray]:
        """The optimizer's variables, step count included."""
        return [variable.numpy() for variable in self.optimizer.variables]

    def restore_optimizer(self, state: list[np.ndarray]) -> None:
        """Sets what `optimizer_state` gave."""
        for variable, value in zip(self.optimizer.variables, state, strict=True):
            variable.assign(value)

    @tf.function(reduce_retracing=True)
    def _step(self, inputs: Any, targets: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._trained)
            losses = self._losses_of(inputs, targets)
            total = tf.add_n(list(losses.values()))
        self.optimizer.apply_gradients(zip(tape.gradient(total, self._trained), self._trained, strict=True))
        return losses

    @tf.function(reduce_retracing=True)
    def _evaluate(self, inputs: Any, targets: Any) -> dict[str, tf.Tensor]:
        return self._losses_of(inputs, targets)

    def _losses_of(self, inputs, targets):
        values = self._graph.values(inputs)
        return {name: loss(targets[name], values[name]) for name, loss in self._losses.items()}
