"""The data part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from.

    Attributes:
        path: a data set's directory, see `keras_sge.data.open_videos`; null for the built-in synthetic set.
        train_split, validation_split: names of its splits.
        development_sources: how many recordings are taken out of the training split, by a hash of their names, and used
            for validation instead of `validation_split`, so that everything can be chosen on them; 0 for none.
        mix_synthetic: videos of the built-in set mixed into the training split of `path`.
        background: a folder of videos in which nothing is to be detected; null for none.
        background_windows: windows cut from them and mixed into the training split of `path`.
        videos, validation_videos, frames: size of the synthetic set: videos of each split, frames of a video.
        cache_gb: memory for decoded frames while training, in 1e9 bytes.
    """

    path: str | None = None
    train_split: str = "train"
    validation_split: str = "val"
    development_sources: int = 0
    mix_synthetic: int = 0
    background: str | None = None
    background_windows: int = 100
    videos: int = 2000
    validation_videos: int = 40
    frames: int = 30
    cache_gb: float = 4.0

    def __post_init__(self):
        for name in ("development_sources", "mix_synthetic"):
            if getattr(self, name) < 0:
                raise InputError(f"data.{name} must not be below 0. Received: {getattr(self, name)}")
        if self.background_windows < 1:
            raise InputError(f"data.background_windows must be at least 1. Received: {self.background_windows}")

    def check_folders(self) -> None:
        """InputError where a folder that is named is missing: said before anything heavy is imported or read."""
        for key in ("path", "background"):
            folder = getattr(self, key)
            if folder is not None and not Path(folder).is_dir():
                raise InputError(
                    f"no data set in {folder}, which is no folder (data.{key}). Name another with --set data.{key}=DIR."
                )
