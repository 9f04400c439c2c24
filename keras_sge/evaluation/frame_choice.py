"""Which frames of a video are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.errors import InputError
from keras_sge.data import FrameLabels, VideoDataset
from keras_sge.data.frame_list import read_frame_list

# Of each video, in the reference frame list of ImageNet VID.
_REFERENCE_FRAMES = 20


class FrameChoice:
    """The scored frames of each video of a data set; frames that nobody has labelled are never among them.

    Args:
        frames: `all`; `reference`: the first 20 frames with objects of each video, or all where it has fewer; or the
            path of a frame list, see `keras_sge.data.frame_list`.
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
