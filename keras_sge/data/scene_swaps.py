"""Scene swap: the same object before its own scene and before those of other classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.errors import InputError
from keras_sge.data.cutouts import Cutout
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.pasted_tracks import Flight, paste, videos_by_scene
from keras_sge.data.windows import WindowPath, empty_window

# A window's side in lengths of its object.
_OBJECT_SIDES = 3.0
_TRIES = 60


class SceneSwaps(VideoDataset):
    """Each cutout first as it was recorded, then the same pixels at the same place before scenes of every class, as far
    as there is one with an empty window of its size.

    Args:
        dataset: whole frames, from which `cutouts` were cut. cutouts: of classes of the data set.
        size: side of the clips' frames. seed: of the backgrounds.

    Attributes:
        cutouts: number of each clip's cutout. scenes: class of the recording behind it, None for its own recording.

    Raises:
        InputError: no cutout, or no scene for any.
    """

    def __init__(self, dataset: VideoDataset, cutouts: Sequence[Cutout], size: int, seed: int = 0):
        if not cutouts:
            raise InputError(
                "no object could be cut out: they must be whole, alone, before something calm, and their labels must "
                "name tracks (`sge data convert --link` makes some)."
            )
        self.dataset, self.classes, self.size = dataset, dataset.classes, size
        self.cutouts: list[int] = []
        self.scenes: list[str | None] = []
        self.videos: list[Video] = []
        self._clips: list[tuple[Cutout, WindowPath, int, int]] = []
        groups = videos_by_scene(dataset, dataset.classes)
        for number, cutout in enumerate(cutouts):
            own = _around(cutout, dataset.videos[cutout.video])
            self._add(number, None, cutout, own, cutout.video, cutout.start)
            for kind in self.classes:
                rng = np.random.default_rng([seed, number, self.classes.index(kind)])
                others = [
                    video
                    for video in groups[kind]
                    if dataset.videos[video].name != cutout.source and dataset.videos[video].length > 1
                ]
                if found := self._scene(others, len(cutout.patches), float(own.side[0]), rng):
                    self._add(number, kind, cutout, *found)
        if not any(self.scenes):
            raise InputError("no recording has a window without objects that is as large as an object's own one.")

    def labels(self, index: int) -> Sequence[FrameLabels]:
        cutout = self._clips[index][0]
        flight = self._flight(cutout)
        half = (cutout.boxes[:, 2:] - cutout.boxes[:, :2]) * flight.scales[:, None] / 2
        boxes = np.concatenate([flight.centers - half, flight.centers + half], axis=1).astype(np.float32)
        kind = np.array([self.classes.index(cutout.kind)], np.int32)
        return [FrameLabels(box[None], kind, np.zeros(1, np.int32)) for box in np.clip(boxes, 0, self.size)]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        cutout, path, video, first = self._clips[index]
        numbers = range(self.videos[index].length)[start:stop]
        frames = self.dataset.read(video, first + numbers.start, first + numbers.stop)
        pictures = [path.cut(frame, number, self.size) for frame, number in zip(frames, numbers, strict=True)]
        if self.scenes[index] is not None:
            flight = self._flight(cutout)
            for picture, number in zip(pictures, numbers, strict=True):
                paste(picture, flight, number)
        return np.stack(pictures)

    def _add(self, number: int, scene: str | None, cutout: Cutout, path: WindowPath, video: int, start: int) -> None:
        source = self.dataset.videos[video]
        name = f"{cutout.source}+{source.name}+s{len(self.videos):05d}"
        self.cutouts.append(number)
        self.scenes.append(scene)
        self.videos.append(Video(len(self.videos), name, self.size, self.size, source.fps, len(cutout.patches)))
        self._clips.append((cutout, path, video, start))

    def _scene(
        self, videos: Sequence[int], length: int, side: float, rng: np.random.Generator
    ) -> tuple[WindowPath, int, int] | None:
        """An empty window with this side, and where it is: video and first frame; None where none is found."""
        for _ in range(_TRIES if videos else 0):
            index = videos[rng.integers(len(videos))]
            if found := empty_window(self.dataset, index, length, (side, side), rng):
                path, start = found
                return path, index, start
        return None

    def _flight(self, cutout: Cutout) -> Flight:
        """Where the object was in its own window: pasted there, it is in the same place of another."""
        own = _around(cutout, self.dataset.videos[cutout.video])
        scale = self.size / own.side
        middles = (cutout.places[:, :2] + cutout.places[:, 2:]) / 2
        stored = (cutout.places[:, 2] - cutout.places[:, 0]) / (cutout.boxes[:, 2] - cutout.boxes[:, 0])
        centers = (middles - np.stack([own.left, own.top], axis=1)) * scale[:, None]
        return Flight(cutout, 0, centers, scale * stored, np.zeros(len(scale)), False, 1.0, False)


def _around(cutout: Cutout, video: Video) -> WindowPath:
    """A window that stands still and holds the object in all frames."""
    low, high = cutout.places[:, :2].min(axis=0), cutout.places[:, 2:].max(axis=0)
    extent = (cutout.places[:, 2:] - cutout.places[:, :2]).max()
    side = min(max(extent * _OBJECT_SIDES, float((high - low).max())), video.width, video.height)
    left, top = np.clip((low + high) / 2 - side / 2, 0, [video.width - side, video.height - side])
    return WindowPath(*(np.full(len(cutout.places), value) for value in (left, top, side)))
