"""What all rows of a table share: data, start, budget and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from keras_sge.config import AugmentationConfig, Config, DataConfig, NetworkConfig, TrainingConfig

_EPOCHS, _BATCH = 5, 4


@dataclass(frozen=True)
class Settings:
    """The equal conditions of a table's rows.

    Attributes:
        data: a data set's directory; None for the built-in synthetic set, 200 training and 20 validation videos.
        split: of the evaluation; rows are trained on `train`.
        start: the single-frame checkpoint that every row starts from.
        clips: training clips of ten frames for every row. seeds: of the trainings; figures are their means.
        frames: which frames are scored, `all` or `reference`, see `keras_sge.evaluation.Protocol`.
        freeze_until: trunk layers up to this one keep the start's weights; None trains all.

    Raises:
        InputError: a value out of its range.
    """

    data: str | None
    start: str
    clips: int = 2000
    seeds: tuple[int, ...] = (1,)
    split: str = "val"
    frames: str = "all"
    freeze_until: str | None = "conv6"

    def __post_init__(self):
        if self.clips < 1:
            raise InputError(f"a row needs at least 1 training clip. Received: {self.clips}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds must be different numbers, at least one. Received: {list(self.seeds)}")

    @property
    def data_name(self) -> str:
        """For reports: the directory's own name, or the built-in set's."""
        return Path(self.data).resolve().name if self.data else "built-in synthetic set"

    def config(self, network: NetworkConfig, seed: int) -> Config:
        """The experiment that trains `network`."""
        batch = min(_BATCH, self.clips)
        steps = -(-self.clips // batch)
        epochs = min(_EPOCHS, steps)
        return Config(
            network=network,
            data=DataConfig(path=self.data, validation_split=self.split, videos=200, validation_videos=20),
            training=TrainingConfig(
                epochs=epochs,
                steps_per_epoch=-(-steps // epochs),
                batch_size=batch,
                clip_length=10,
                learning_rate=5e-4,
                # Of some hundred steps the average must not remember the first.
                average=0.99,
                start_from=self.start,
                freeze_until=self.freeze_until,
                validation_steps=0,
                seed=seed,
                augmentation=AugmentationConfig(
                    zoom=(0.6, 1.6), shift=0.2, colour=0.4, blur=1.5, drop=0.05, degrade=0.3
                ),
            ),
        )

    def text(self) -> str:
        """The budget of a row and seed in words."""
        training = self.config(_ANY_NETWORK, self.seeds[0]).training
        clips = training.epochs * training.steps_per_epoch * training.batch_size
        frozen = f"trunk frozen up to {self.freeze_until}" if self.freeze_until else "all layers trained"
        return (
            f"every row starts from {Path(self.start).name} and is trained on {clips:,} clips of "
            f"{training.clip_length} frames ({frozen}, RMSprop {training.learning_rate:g}, batch "
            f"{training.batch_size}, weights averaged)"
        )


_ANY_NETWORK = NetworkConfig("any", ("a",))
