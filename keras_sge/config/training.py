"""The data and training parts of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from.

    Attributes:
        path: a COCO-VID directory; null for the built-in synthetic set.
        train_split, validation_split: names of the annotation files, `annotations/NAME.json`.
        videos, validation_videos, frames: size of the synthetic set: videos of each split, frames of a video.
        cache_gb: memory for decoded frames while training, in 1e9 bytes.
    """

    path: str | None = None
    train_split: str = "train"
    validation_split: str = "val"
    videos: int = 2000
    validation_videos: int = 40
    frames: int = 30
    cache_gb: float = 4.0


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes, drawn once a clip and applied to all of its frames alike.

    Attributes:
        flip: probability of a mirror image.
        zoom: smallest and largest scale; below 1 the frame shrinks into a border of repeated pixels.
        shift: largest displacement, as a fraction of the frame's side.
        colour: strength of brightness, contrast, saturation and gamma changes; 0 for none.
    """

    flip: float = 0.5
    zoom: tuple[float, float] = (0.8, 1.3)
    shift: float = 0.15
    colour: float = 0.3

    def __post_init__(self):
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InputError(f"training.augmentation.zoom must be two ascending numbers above 0. Received: {self.zoom}")
        for name, limit in (("flip", 1), ("shift", 1), ("colour", 1)):
            if not 0 <= getattr(self, name) <= limit:
                raise InputError(
                    f"training.augmentation.{name} must be from 0 to {limit}. Received: {getattr(self, name)}"
                )


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained.

    Attributes:
        epochs, steps_per_epoch, batch_size: the budget; batch_size counts clips.
        single_frame_epochs: how many of the epochs, at the start, see batch_size x clip_length single frames a step
            instead of clips: the detector learns first, its memory afterwards.
        clip_length: frames of a clip, T. frame_stride: largest step between a clip's frames in the video.
        learning_rate, momentum: of RMSprop (the paper: 3e-4 and .9). warmup: share of the steps that ramp up, the rest
            follows a cosine to zero; null for a constant rate.
        gradient_clip: global norm that gradients are scaled down to.
        negatives_per_positive: hard negatives kept for each positive anchor (SSD: 3).
        start_from: weights to start from, see `keras_sge.models.weights_file.read_weights`; a relative path is looked
            for beside the configuration first. What fits by name and shape is taken; null starts from random numbers.
        start_layers: only layers whose names begin so are taken over, `conv` for the trunk; empty for all.
        freeze_until: trunk layers up to this one, such as `conv6`, keep their weights; null trains all.
        validation_steps: batches of the validation split looked at after each epoch, 0 for none.
        seed: of weights, clips and augmentation.
    """

    epochs: int = 10
    steps_per_epoch: int = 1000
    batch_size: int = 4
    single_frame_epochs: int = 0
    clip_length: int = 10
    frame_stride: int = 1
    learning_rate: float = 3e-4
    momentum: float = 0.9
    warmup: float | None = 0.05
    gradient_clip: float = 10.0
    negatives_per_positive: float = 3.0
    start_from: str | None = None
    start_layers: str = ""
    freeze_until: str | None = None
    validation_steps: int = 20
    seed: int = 1
    augmentation: AugmentationConfig = AugmentationConfig()

    def __post_init__(self):
        for name in (
            *("epochs", "steps_per_epoch", "batch_size", "clip_length", "frame_stride"),
            *("learning_rate", "gradient_clip", "negatives_per_positive"),
        ):
            # Written so that NaN fails too.
            if not getattr(self, name) > 0:
                raise InputError(f"training.{name} must be above 0. Received: {getattr(self, name)}")
        for name in ("momentum", "warmup"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise InputError(f"training.{name} must be from 0 to below 1. Received: {getattr(self, name)}")
        if self.single_frame_epochs < 0 or self.validation_steps < 0:
            raise InputError("training.single_frame_epochs and training.validation_steps must not be below 0.")
        if self.freeze_until is not None and self.freeze_until not in [f"conv{number}" for number in range(1, 14)]:
            raise InputError(f"training.freeze_until must be conv1 to conv13 or null. Received: {self.freeze_until!r}")
