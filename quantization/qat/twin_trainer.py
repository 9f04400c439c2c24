"""One step and one validation of quantization-aware fine-tuning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from keras_sge.config import Config
from keras_sge.losses import multibox_loss
from keras_sge.models.mobilenet_v1 import is_frozen
from quantization.qat.clip_graph import ClipGraph
from quantization.qat.quantised_twin import twin_variables

Batch = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


class TwinTrainer:
    """A quantised twin with the project's loss and Adam.

    Args:
        twin: from `quantised_twin`. config: the experiment. trained: names of the weights that may be trained; those of
            the frozen trunk are left out here.
    """

    def __init__(self, twin: tf_keras.Model, config: Config, trained: Iterable[str]):
        self.variables = twin_variables(twin)
        self._trained = [self.variables[name] for name in trained if not is_frozen(name, config.qat.freeze_until)]
        self._graph = ClipGraph(twin, config.training.backprop_window)
        self._losses = multibox_loss(config.training.negatives_per_positive)
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
        return {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}

    def optimizer_state(self) -> list[np.ndarray]:
        """The optimiser's variables, step count included."""
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
