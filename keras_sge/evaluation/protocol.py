"""What is run and which frames are scored, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.hold import DECAY, DROP
from edge.metadata import Metadata
from keras_sge.config import Fold
from keras_sge.data import FrameLabels, VideoDataset
from keras_sge.data.degradation import BURST_FRAMES, KINDS, Damage, Degradation
from keras_sge.data.splits import fold_split, read_frame_list
from keras_sge.data.views import DegradedVideos

# Of each video, in the reference frame list of ImageNet VID.
_REFERENCE_FRAMES = 20
SCORE_THRESHOLD = 0.01
"""Of detections to be scored: low enough for the recall end of the curve, high enough to spare work."""
_RIVALS = {
    None: "",
    "hold": f"; an anchor whose objectness falls below {DROP:g} of what it held keeps the held box and {DECAY:g} of "
    "the held scores",
    "clip": "; class scores are objectness times the clip's running class distribution",
    "track": "; class scores are objectness times the running mean of a track's class distributions, tracks linked "
    "greedily at IoU 0.5 after class-agnostic suppression, forgotten after 30 frames without a box",
}
# Of version 0.1, and what the same is called now.
_EARLIER_WORDS = (
    ("IoU .5", "IoU 0.5"),
    ("detections a frame", "detections per frame"),
    ("half of the frames spoilt", "half of the frames"),
)


@dataclass(frozen=True)
class Protocol:
    """What is run and scored.

    Attributes:
        data: name of the data set and the split, for `text` only.
        fold: only the recordings that it holds back, see `keras_sge.data.splits`; None for all.
        degrade: which frames are degraded how, `PATTERN:SEED` or a seed alone for frames degraded singly, see
            `keras_sge.data.degradation`; None for the frames as they are.
        frames: which are scored: `all`, `reference` or the path of a frame list, see `FrameChoice`.
        reset_every_frame: the network's state is reset before each frame instead of each clip.
        rival: what stands behind the network instead of a memory, or beside it: `hold` (`edge.hold`), causal averaging
            of class scores over the `clip` or a `track` (`keras_sge.evaluation.rivals`), or None.

    Raises:
        InputError: a value out of its range.
    """

    data: str = ""
    fold: Fold | None = None
    degrade: str | int | None = None
    frames: str = "all"
    reset_every_frame: bool = False
    rival: str | None = None

    def __post_init__(self) -> None:
        if self.degrade is not None:
            object.__setattr__(self, "degrade", str(Damage.parse(self.degrade)))
        if self.rival not in _RIVALS:
            raise InputError(f"the rivals of a memory are hold, clip and track. Received: {self.rival}")

    def videos(self, dataset: VideoDataset) -> VideoDataset:
        """The part of `dataset` that is run, degraded if it shall be.

        Raises:
            InputError: `dataset` has too few recordings.
        """
        if self.fold is not None:
            dataset = fold_split(dataset, self.fold)[1]
        if self.degrade is None:
            return dataset
        damage = Damage.parse(self.degrade)
        return DegradedVideos(dataset, damage.seed, Degradation(pattern=damage.pattern))

    def line(self) -> str:
        """What is run, in a few words; `text` says all of it."""
        parts = [
            self._order(),
            "" if self.degrade is None else f"frames degraded, {self.degrade}",
            f"rival: {self.rival}" if self.rival else "",
        ]
        return "; ".join(part for part in parts if part)

    def text(self, metadata: Metadata) -> str:
        """What is done to get from the data set to the detections, in words."""
        parts = [
            self.data,
            f"fold {self.fold}, held back" if self.fold else "",
            "" if self.degrade is None else _degraded(self.degrade),
            f"{self._order()}{_RIVALS[self.rival]}",
            f"scores above {SCORE_THRESHOLD}, suppression at IoU {metadata.iou_threshold:g}"
            f"{' with box voting' * metadata.box_voting}, at most "
            f"{metadata.max_detections} detections per frame",
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


class FrameChoice:
    """The scored frames of each video of a data set; frames that nobody has labelled are never among them.

    Args:
        frames: `all`; `reference`: the first 20 frames with objects of each video, or all where it has fewer; or the
            path of a frame list, see `keras_sge.data.splits`.
        dataset: its videos are looked up in a frame list by name. Only a list reads it here.
        part: whether a list may name videos that the data set lacks.

    Raises:
        InputError: no such list or a wrong one, or it names a video or a frame that the data set lacks.
    """

    def __init__(self, frames: str, dataset: VideoDataset, part: bool = False):
        self._kind = frames if frames in ("all", "reference") else "list"
        self._list = read_frame_list(frames) if self._kind == "list" else {}
        self._videos = dataset.videos
        lengths = {video.name: video.length for video in dataset.videos} if self._kind == "list" else {}
        lacking = [name for name in self._list if name not in lengths]
        if lacking and (not part or len(lacking) == len(self._list)):
            raise InputError(
                f"{frames} lists the video {lacking[0]}, which the data set lacks ({len(lacking)} of {len(self._list)} "
                "listed). Give the split that the list belongs to."
            )
        for name, listed in self._list.items():
            if listed and listed[-1] >= lengths.get(name, np.inf):
                raise InputError(
                    f"{frames} lists frame {listed[-1]} of {name}, whose frames are 0 to {lengths[name] - 1}. Give the "
                    "split that the list belongs to."
                )

    def __call__(self, index: int, labels: Sequence[FrameLabels]) -> np.ndarray:
        """Ascending ids of the scored frames of video `index`; empty where it need not be run."""
        if self._kind == "reference":
            return np.flatnonzero([len(frame.boxes) > 0 for frame in labels])[:_REFERENCE_FRAMES]
        video = self._videos[index]
        listed = self._list.get(video.name, []) if self._kind == "list" else None
        chosen = range(len(labels)) if listed is None else listed
        return np.array([frame for frame in chosen if frame not in video.unlabelled], np.int64)


def current_words(protocol: str) -> str:
    """A protocol's text in the words of now: records and reports written by version 0.1 say the same in other words."""
    for earlier, now in _EARLIER_WORDS:
        protocol = protocol.replace(earlier, now)
    return protocol


def _degraded(degrade: str | int) -> str:
    damage = Damage.parse(degrade)
    which = {
        "singly": f"each with probability {Degradation().probability:g}",
        "bursts": f"half of them, in runs of geometric lengths of mean {BURST_FRAMES}, one damage a run,",
        "all": "every one",
    }[damage.pattern]
    return f"degraded frames, {damage.pattern}, seed {damage.seed}: {which} by one of {', '.join(KINDS)}"
