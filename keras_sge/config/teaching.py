"""How a memory is taught by unlabelled video."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.errors import InputError
from keras_sge.config.maps import below_one, one_of, positive, valid_seed
from keras_sge.config.training import DAMAGE_PATTERNS, AugmentationConfig

PATTERNS = ("clean", *DAMAGE_PATTERNS)
"""Which frames of a clip the student sees damaged: none, or as `keras_sge.data.degradation.Degradation` says."""


@dataclass(frozen=True)
class TeachingConfig:
    """How a memory learns to answer on damaged frames what its detector answers on the clean ones.

    Attributes:
        videos: the folders and files that it is taught by; of a run, so that its files can be calibrated on them.
        epochs, steps_per_epoch, batch_size: the budget; batch_size counts clips.
        clip_length: frames of a clip. frame_stride: largest step between them in the video. reverse: probability that a
            clip runs backwards.
        clips: how many clips are kept, each clean and damaged, as half-precision features of the map that the memory
            first stands at; every step draws from them. cache_gb: their largest size, in 1e9 bytes; fewer clips are
            kept where they would be larger.
        held_out: share of the videos that is not taught with but measured on; one at least, by name.
        patterns: which frames are damaged, of `PATTERNS`; each entry is equally likely, one that stands twice is twice
            as likely.
        camera: share of the damaged clips that have what cameras do (`keras_sge.data.camera_damage`) in place of the
            degraded protocol's kinds.
        learning_rate: of Adam. warmup: share of the steps that ramp up to it; a cosine takes it down to zero.
        average: momentum of the weights' moving average, which is what is kept; null for none.
        gradient_clip: global norm that gradients are scaled down to.
        box_weight, feature_weight: of the boxes' and of the maps' part of the loss beside the scores' part of 1.
        augmentation: random changes of a clip before it is damaged; its own damage settings do not count.
        report_frames: of held-out video that the report is measured on at the most; 0 for no report.
        seed: of clips, damage and weights.
    """

    videos: tuple[str, ...] = ()
    epochs: int = 6
    steps_per_epoch: int = 50
    batch_size: int = 6
    clip_length: int = 16
    frame_stride: int = 3
    reverse: float = 0.2
    clips: int = 300
    cache_gb: float = 4.0
    held_out: float = 0.15
    patterns: tuple[str, ...] = ("clean", *("singly",) * 3, *("bursts",) * 3, *("all",) * 3)
    camera: float = 0.3
    learning_rate: float = 1e-3
    warmup: float = 0.05
    average: float | None = 0.98
    gradient_clip: float = 10.0
    box_weight: float = 1.0
    feature_weight: float = 0.5
    augmentation: AugmentationConfig = field(
        default_factory=lambda: AugmentationConfig(zoom=(1.0, 2.2), shift=0.2, gray=0.15)
    )
    report_frames: int = 600
    seed: int = 1

    def __post_init__(self):
        for name in (
            *("epochs", "steps_per_epoch", "batch_size", "clip_length", "frame_stride", "clips", "cache_gb"),
            *("learning_rate", "gradient_clip"),
        ):
            positive(f"teaching.{name}", getattr(self, name))
        if not 0 < self.held_out < 1:
            raise InputError(f"teaching.held_out must be above 0 and below 1. Received: {self.held_out}")
        for name in ("reverse", "camera"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"teaching.{name} must be from 0 to 1. Received: {getattr(self, name)}")
        for name in ("warmup", "average"):
            below_one(f"teaching.{name}", getattr(self, name))
        for name in ("box_weight", "feature_weight", "report_frames"):
            if not getattr(self, name) >= 0:
                raise InputError(f"teaching.{name} must not be below 0. Received: {getattr(self, name)}")
        if not self.patterns:
            raise InputError(f"teaching.patterns must name one of {', '.join(PATTERNS)} at least. Received: none")
        for pattern in self.patterns:
            one_of("teaching.patterns", pattern, PATTERNS)
        valid_seed("teaching.seed", self.seed)
