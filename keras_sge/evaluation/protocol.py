"""How a model is run over a data set: applied and named in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from edge.metadata import Metadata
from keras_sge.data import VideoDataset
from keras_sge.data.degradation import KINDS, Degradation
from keras_sge.data.degraded_videos import DegradedVideos
from keras_sge.data.development_split import development_split

# Low enough for the recall end of the curve, high enough to spare work.
SCORE_THRESHOLD = 0.01
_AVERAGES = {
    None: "",
    "clip": "; class scores are objectness times the clip's running class distribution",
    "track": "; class scores are objectness times the running mean of a track's class distributions, tracks linked "
    "greedily at IoU .5 after class-agnostic suppression, forgotten after 30 frames without a box",
}


@dataclass(frozen=True)
class Protocol:
    """What is run and scored.

    Attributes:
        data: name of the data set and the split, for `text` only.
        development: only this many source videos, those that `development_split` takes out; None for all.
        degrade: seed of `DegradedVideos`, None for the frames as they are.
        frames: which are scored: `all`, `reference` or the path of a frame list, see `FrameChoice`.
        reset_every_frame: the network's state is reset before each frame instead of each clip.
        average_scores: causal averaging of class scores, `clip` (`ClipAverager`), `track` (`TrackAverager`) or None.

    Raises:
        InputError: a value out of its range.
    """

    data: str = ""
    development: int | None = None
    degrade: int | None = None
    frames: str = "all"
    reset_every_frame: bool = False
    average_scores: str | None = None

    def __post_init__(self) -> None:
        if self.development is not None and self.development < 1:
            raise InputError(f"a development split needs at least 1 source video. Received: {self.development}")
        if self.degrade is not None and self.degrade < 0:
            raise InputError(f"the seed of degraded frames must be 0 or above. Received: {self.degrade}")
        if self.average_scores not in _AVERAGES:
            raise InputError(f"scores are averaged over a clip or a track. Received: {self.average_scores}")

    def videos(self, dataset: VideoDataset) -> VideoDataset:
        """The part of `dataset` that is run, degraded if it shall be.

        Raises:
            InputError: `dataset` has not enough source videos.
        """
        if self.development is not None:
            dataset = development_split(dataset, self.development)[1]
        return dataset if self.degrade is None else DegradedVideos(dataset, self.degrade)

    def line(self) -> str:
        """What is run, in a few words; `text` says all of it."""
        parts = [
            self._order(),
            "" if self.degrade is None else f"frames degraded, seed {self.degrade}",
            f"scores averaged by {self.average_scores}" if self.average_scores else "",
        ]
        return "; ".join(part for part in parts if part)

    def text(self, metadata: Metadata) -> str:
        """What is done to get from the data set to the detections, in words."""
        parts = [
            self.data,
            f"development split: {self.development} source videos" if self.development else "",
            "" if self.degrade is None else _degraded(self.degrade),
            f"{self._order()}{_AVERAGES[self.average_scores]}",
            f"scores above {SCORE_THRESHOLD}, suppression at IoU {metadata.iou_threshold:g}"
            f"{' with box voting' * metadata.box_voting}, at most "
            f"{metadata.max_detections} detections a frame",
        ]
        return "; ".join(part for part in parts if part)

    def _order(self) -> str:
        which = {
            "all": "every frame of every clip in order",
            "reference": "of each clip the first <= 20 frames with objects scored, frames run in order from its start",
        }.get(
            self.frames,
            f"the frames listed in {Path(self.frames).name} scored, frames run in order from each clip's start",
        )
        state = (
            "state reset before each frame" if self.reset_every_frame else "state zero at the clip's start and carried"
        )
        return f"{which}, {state}"


def _degraded(seed: int) -> str:
    probability = Degradation().probability
    return f"degraded frames, seed {seed}: each with probability {probability:g} by one of {', '.join(KINDS)}"
