"""The clips that calibration draws from."""

from __future__ import annotations

from dataclasses import dataclass

from keras_sge.config import NetworkConfig
from keras_sge.data import VideoDataset, synthetic_split


@dataclass(frozen=True)
class CalibrationSource:
    """Training videos and how they are drawn from.

    Attributes:
        videos: of the training split; what a model is judged on has no business here.
        name: what the file's metadata calls them.
        clips: how many videos are run. seed: of the draw, see `calibrate`.
    """

    videos: VideoDataset
    name: str
    clips: int = 32
    seed: int = 0


def synthetic_source(network: NetworkConfig, clips: int = 32, seed: int = 0) -> CalibrationSource:
    """The built-in synthetic training videos, in the network's own frame size."""
    videos = synthetic_split("train", max(network.input_size), videos=max(clips, 1))
    return CalibrationSource(videos, "built-in synthetic set, train", clips, seed)
