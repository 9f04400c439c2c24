"""What a training does: its data, its changes of clips, its steps; quantization-aware or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import InputError
from keras_sge.config.maps import below_one, one_of, positive, valid_seed

# Blocks of neighbouring recordings in a class, see `keras_sge.data.splits.video_blocks`.
BLOCKS = 8
# Which frames of a clip are degraded, see `keras_sge.data.degradation.Degradation`.
DAMAGE_PATTERNS = ("singly", "bursts", "all")


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes, drawn once a clip and applied to all of its frames alike, unless they say otherwise.

    Attributes:
        flip: probability of a mirror image.
        zoom: smallest and largest scale; below 1 the frame shrinks into a border of repeated pixels.
        shift: largest displacement, as a fraction of the frame's side.
        color: strength of brightness, contrast, saturation and gamma changes; 0 for none.
        gray: probability that a clip loses its colors.
        blur: largest standard deviation of a Gaussian blur, in pixels of the network's input; 0 for none.
        drop: probability that a frame of the clip is lost; the clip then goes on with the next one.
        degrade: probability, drawn for every frame of its own, that a frame is degraded by motion blur, defocus, noise,
            black blocks or low resolution (`keras_sge.data.degradation`), in clips whose frames are degraded singly.
        damage: which frames of a clip: `singly` as `degrade` says, half of them in `bursts` of one damage, or `all`.
            Each entry is equally likely, one that stands twice is twice as likely.
    """

    flip: float = 0.5
    zoom: tuple[float, float] = (0.8, 1.3)
    shift: float = 0.15
    color: float = 0.3
    gray: float = 0.0
    blur: float = 0.0
    drop: float = 0.0
    degrade: float = 0.0
    damage: tuple[str, ...] = ("singly",)

    def __post_init__(self):
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InputError(f"training.augmentation.zoom must be two ascending numbers above 0. Received: {self.zoom}")
        limits = {"flip": 1, "shift": 1, "color": 1, "gray": 1, "blur": 8, "drop": 0.5, "degrade": 1}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise InputError(
                    f"training.augmentation.{name} must be from 0 to {limit}. Received: {getattr(self, name)}"
                )
        if not self.damage:
            raise InputError("training.augmentation.damage must name a pattern at least. Received: none")
        for pattern in self.damage:
            one_of("training.augmentation.damage", pattern, DAMAGE_PATTERNS)


@dataclass(frozen=True)
class Fold:
    """One part of a split in cross-validation: of every class the blocks from `index` * 8 // `folds` to before
    (`index` + 1) * 8 // `folds` are held back, the others are trained on. As text `index/folds`, such as `0/4`.

    Attributes:
        index: from 0. folds: 2 to 8.

    Raises:
        InputError: a number out of range.
    """

    index: int
    folds: int = 4

    def __post_init__(self):
        if not 2 <= self.folds <= BLOCKS or not 0 <= self.index < self.folds:
            raise InputError(f"a fold is K/N with N from 2 to {BLOCKS} and K from 0 to N - 1. Received: {self}")

    def __str__(self) -> str:
        return f"{self.index}/{self.folds}"

    @property
    def blocks(self) -> range:
        """The blocks held back, of 0 to 7."""
        return range(self.index * BLOCKS // self.folds, (self.index + 1) * BLOCKS // self.folds)

    @classmethod
    def parse(cls, text: str | None) -> Fold | None:
        """`0/4` as a fold, None as None; InputError for other text."""
        if text is None:
            return None
        index, _, folds = text.partition("/")
        if not (index.isdecimal() and folds.isdecimal()):
            raise InputError(f"a fold is K/N, such as 0/4. Received: {text}")
        return cls(int(index), int(folds))


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from.

    Attributes:
        path: a data set's directory, see `keras_sge.data.open`; null for the built-in synthetic set.
        train_split, validation_split: names of its splits.
        fold: which part of the training split, 0 to `folds` - 1, is held back and validated on instead of
            `validation_split`, so that everything can be chosen there: whole blocks of neighbouring recordings, see
            `keras_sge.data.splits`; null trains on all of the split. folds: into how many parts it is cut, 2 to 8.
        mix_synthetic: videos of the built-in set mixed into the training split of `path`.
        mix: more data sets, their split `train` mixed into the training split of `path`, such as `sge data paste` and
            `sge data windows` write them; clips of a recording that the fold holds back, or of one numbered between
            two of those, are left out.
        background: a folder of videos in which nothing is to be detected; null for none.
        background_windows: windows cut from them and mixed into the training split of `path`.
        videos, validation_videos, frames: size of the synthetic set: videos of each split, frames of a video.
        cache_gb: memory for decoded frames while training, in 1e9 bytes.
    """

    path: str | None = None
    train_split: str = "train"
    validation_split: str = "val"
    fold: int | None = None
    folds: int = 4
    mix_synthetic: int = 0
    mix: tuple[str, ...] = ()
    background: str | None = None
    background_windows: int = 100
    videos: int = 2000
    validation_videos: int = 40
    frames: int = 30
    cache_gb: float = 4.0

    def __post_init__(self):
        if not 2 <= self.folds <= BLOCKS:
            raise InputError(f"data.folds must be from 2 to {BLOCKS}. Received: {self.folds}")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise InputError(f"data.fold must be from 0 to {self.folds - 1} (data.folds - 1). Received: {self.fold}")
        if self.mix_synthetic < 0:
            raise InputError(f"data.mix_synthetic must not be below 0. Received: {self.mix_synthetic}")
        if self.background_windows < 1:
            raise InputError(f"data.background_windows must be at least 1. Received: {self.background_windows}")

    @property
    def held_back(self) -> Fold | None:
        """The part of the training split that is validated on; None where that is `validation_split`."""
        return None if self.fold is None else Fold(self.fold, self.folds)

    def check_folders(self) -> None:
        """InputError where a folder that is named is missing: said before anything heavy is imported or read."""
        folders = [("path", self.path), ("background", self.background), *(("mix", folder) for folder in self.mix)]
        for key, folder in folders:
            if folder is not None and not Path(folder).is_dir():
                raise InputError(
                    f"no data set in {folder}, which is no folder (data.{key}). Name another with --set data.{key}=DIR."
                )


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
        ignore_iou: anchors without a match whose best overlap with an object is from here to below 0.5 count neither as
            objects nor as background (RetinaNet: 0.4); null counts them as background, as SSD does.
        start_from: weights to start from, see `keras_sge.models.checkpoints.read_weights`; a relative path is looked
            for beside the configuration, then where the command runs, then among the weights that come with the
            package's configurations (`quickstart_start.npz`). What fits by name and shape is taken; null starts from
            random numbers.
        start_layers: only layers whose names begin so are taken over, `conv` for the trunk; empty for all.
        freeze_until: trunk layers up to this one, such as `conv6`, keep their weights; null trains all.
        freeze_batch_norm: the trunk's batch norms keep statistics, scale and offset of the start throughout; on a CPU a
            step of the large network then takes about 2/3 of the time. Asks for a lower rate: docs/training.md.
        freeze_detector: only the memory is trained: all other layers keep weights and statistics of the start.
        late_weight: how much more a clip's last frame weighs in the loss than its first; in between the weight rises
            linearly, with mean 1. null for the same weight in all frames.
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
    ignore_iou: float | None = None
    start_from: str | None = None
    start_layers: str = ""
    freeze_until: str | None = None
    freeze_batch_norm: bool = False
    freeze_detector: bool = False
    late_weight: float | None = None
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
        if self.ignore_iou is not None and not 0 < self.ignore_iou < 0.5:
            raise InputError(f"training.ignore_iou must be above 0 and below 0.5, or null. Received: {self.ignore_iou}")
        if self.backprop_window is not None:
            positive("training.backprop_window", self.backprop_window)
        if self.late_weight is not None:
            positive("training.late_weight", self.late_weight)
        for name in ("momentum", "warmup", "average"):
            below_one(f"training.{name}", getattr(self, name))
        valid_seed("training.seed", self.seed)
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
        if self.freeze_until is not None and self.freeze_until not in [f"conv{number}" for number in range(1, 15)]:
            raise InputError(f"training.freeze_until must be conv1 to conv14 or null. Received: {self.freeze_until!r}")


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
        below_one("qat.warmup", self.warmup)
        valid_seed("qat.seed", self.seed)
        if self.freeze_until is not None and self.freeze_until not in [f"conv{number}" for number in range(1, 15)]:
            raise InputError(f"qat.freeze_until must be conv1 to conv14 or null. Received: {self.freeze_until!r}")
