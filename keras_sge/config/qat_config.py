"""The quantization-aware part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError
from keras_sge.config.checks import positive


@dataclass(frozen=True)
class QatConfig:
    """How a trained network learns to live with int8. What is not here is as in `training`: loss, augmentation,
    frame_stride, backprop_window, gradient_clip.

    Attributes:
        epochs, steps_per_epoch, batch_size: the budget; batch_size counts clips.
        clip_length: frames of a clip; each starts from a zero state.
        learning_rate: of Adam. warmup: share of the steps that ramp up to it; a cosine takes it down to zero.
        freeze_until: trunk layers up to this one, such as `conv6`, keep their weights; null trains all.
        calibration_clips: clips that the float network is rolled along to find the ranges of its activations.
        validation_steps: batches of the validation split looked at before the first and after each epoch; the epoch
            with the smallest loss on them becomes the file.
        seed: of clips, augmentation and calibration.
    """

    epochs: int = 4
    steps_per_epoch: int = 75
    batch_size: int = 4
    clip_length: int = 6
    learning_rate: float = 5e-5
    warmup: float = 0.05
    freeze_until: str | None = "conv6"
    calibration_clips: int = 32
    validation_steps: int = 50
    seed: int = 1

    def __post_init__(self):
        for name in (
            *("epochs", "steps_per_epoch", "batch_size", "clip_length", "learning_rate"),
            *("calibration_clips", "validation_steps"),
        ):
            positive(f"qat.{name}", getattr(self, name))
        if not 0 <= self.warmup < 1:
            raise InputError(f"qat.warmup must be from 0 to below 1. Received: {self.warmup}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"qat.seed must be from 0 to 4294967295. Received: {self.seed}")
        if self.freeze_until is not None and self.freeze_until not in [f"conv{number}" for number in range(1, 14)]:
            raise InputError(f"qat.freeze_until must be conv1 to conv13 or null. Received: {self.freeze_until!r}")
