"""The training part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.errors import InputError
from keras_sge.config.augmentation_config import AugmentationConfig
from keras_sge.config.checks import one_of, positive


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained.

    Attributes:
        epochs, steps_per_epoch, batch_size: the budget; batch_size counts clips.
        single_frame_epochs: how many of the epochs, at the start, see batch_size x clip_length single frames a step
            instead of clips: the detector learns first, its memory afterwards.
        clip_length: frames of a clip, T. frame_stride: largest step between a clip's frames in the video.
        backprop_window: frames that a gradient goes back in time, for long clips: the state is carried from window to
            window; null for the whole clip.
        learning_rate, momentum: of RMSprop (the paper: 3e-4 and .9). warmup: share of the steps that ramp up, the rest
            follows a cosine to zero; null for a constant rate.
        average: momentum of the weights' moving average, such as .998, which then is evaluated and kept; null for none.
        precision: `float32`, or `mixed_bfloat16` where the processor is quick at it (a GPU; a CPU is slower).
        gradient_clip: global norm that gradients are scaled down to.
        negatives_per_positive: hard negatives kept for each positive anchor (SSD: 3).
        start_from: weights to start from, see `keras_sge.models.read_weights.read_weights`; a relative path is looked
            for beside the configuration first. What fits by name and shape is taken; null starts from random numbers.
        start_layers: only layers whose names begin so are taken over, `conv` for the trunk; empty for all.
        freeze_until: trunk layers up to this one, such as `conv6`, keep their weights; null trains all.
        freeze_batch_norm: the trunk's batch norms keep statistics, scale and offset of the start throughout; on a CPU a
            step of the large network then takes about 2/3 of the time. Asks for a lower rate: docs/training.md.
        validation_steps: batches of the validation split looked at after each epoch, 0 for none, then no mAP either.
        evaluation_epochs: mAP on validation clips is measured every so many epochs and after the last; 0 for never.
        evaluation_frames: how many validation frames it is measured on at the most.
        early_stopping: measurements in a row without a better mAP after which the run ends; null for none.
        seed: of weights, clips and augmentation.
    """

    epochs: int = 10
    steps_per_epoch: int = 1000
    batch_size: int = 4
    single_frame_epochs: int = 0
    clip_length: int = 10
    backprop_window: int | None = None
    frame_stride: int = 1
    learning_rate: float = 3e-4
    momentum: float = 0.9
    warmup: float | None = 0.05
    average: float | None = None
    precision: str = "float32"
    gradient_clip: float = 10.0
    negatives_per_positive: float = 3.0
    start_from: str | None = None
    start_layers: str = ""
    freeze_until: str | None = None
    freeze_batch_norm: bool = False
    validation_steps: int = 20
    evaluation_epochs: int = 2
    evaluation_frames: int = 192
    early_stopping: int | None = None
    seed: int = 1
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self):
        for name in (
            *("epochs", "steps_per_epoch", "batch_size", "clip_length", "frame_stride"),
            *("learning_rate", "gradient_clip", "negatives_per_positive", "evaluation_frames"),
        ):
            positive(f"training.{name}", getattr(self, name))
        one_of("training.precision", self.precision, ("float32", "mixed_bfloat16"))
        if self.backprop_window is not None:
            positive("training.backprop_window", self.backprop_window)
        for name in ("momentum", "warmup", "average"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise InputError(f"training.{name} must be from 0 to below 1. Received: {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"training.seed must be from 0 to 4294967295. Received: {self.seed}")
        for name in ("single_frame_epochs", "validation_steps", "evaluation_epochs"):
            if getattr(self, name) < 0:
                raise InputError(f"training.{name} must not be below 0. Received: {getattr(self, name)}")
        if self.early_stopping is not None:
            positive("training.early_stopping", self.early_stopping)
            if not (self.validation_steps and self.evaluation_epochs):
                raise InputError(
                    "training.early_stopping goes by the mAP on validation clips: training.validation_steps and "
                    "training.evaluation_epochs must be above 0 with it."
                )
        if self.freeze_until is not None and self.freeze_until not in [f"conv{number}" for number in range(1, 14)]:
            raise InputError(f"training.freeze_until must be conv1 to conv13 or null. Received: {self.freeze_until!r}")
