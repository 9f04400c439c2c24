"""Flying objects before a moving camera, drawn on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from edge.errors import InputError
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.synthetic.casting import CLASSES, cast
from keras_sge.data.synthetic.painter import paint
from keras_sge.data.synthetic.scene import Camera, Scene
from keras_sge.data.synthetic.track import bounds_inside, visible_share

_LEAST_VISIBLE = 0.25


class SyntheticSky(VideoDataset):
    """Videos of airplanes, birds, drones and helicopters, made from numbers alone: nothing to download.

    Far away the four look alike in one frame, a dark blob with a bar; a wing beat, a rotor's flicker, hovering and
    speed tell them apart over five to ten frames. Some frames are degraded (defocus, a knock, a wrong exposure, a pole,
    a cloud) while their neighbours are good. So a detector with memory can do better here than one without.

    Labels are exact: a box is the tight bounds of the drawn outline, rotor discs included, as far as it lies in the
    frame, at the middle of the exposure; blur of any kind does not widen it, and a pole, tree or nearer object before
    it does not cut it. An object is not labelled in frames where less than a quarter of its area is both in the frame
    and not behind trees, poles or nearer objects. Clouds and degraded frames change no label. The arrays are read-only.

    Video `index` depends on `seed`, `index`, `frames` and `size` only, never on what was read before.

    Args:
        videos: how many.
        frames: the length of each.
        size: side of the square frames in pixels, 64 to 640.
        seed: another seed, 0 or more, gives other videos: use one for training and one for validation.
    """

    classes = CLASSES

    def __init__(self, videos: int = 100, frames: int = 30, size: int = 128, seed: int = 0):
        limits = {"videos": (videos, 1, 10**6), "frames": (frames, 1, 10**5), "size": (size, 64, 640)}
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise InputError(f"SyntheticSky: `{name}` must be from {low} to {high}. Received: {name}={value}")
        if seed < 0:
            raise InputError(f"SyntheticSky: `seed` must be 0 or more. Received: seed={seed}")
        self.size = size
        self.frames = frames
        self.seed = seed
        self.videos = [
            Video(index + 1, f"synthetic_{seed}_{index:05d}", size, size, 30.0, frames) for index in range(videos)
        ]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        index = range(len(self))[index]
        film = _film(self.seed, index, self.frames, self.size)
        numbers = range(self.frames)[start:stop]
        pictures = np.empty((len(numbers), self.size, self.size, 3), np.uint8)
        for picture, frame in zip(pictures, numbers, strict=True):
            picture[:] = film.render(frame)
        return pictures

    def labels(self, index: int) -> Sequence[FrameLabels]:
        index = range(len(self))[index]
        return _labels(self.seed, index, self.frames, self.size)


class _Film:
    """One video: camera, scene and tracks; read-only once made, so threads may share it."""

    def __init__(self, seed: int, index: int, frames: int, size: int):
        rng = np.random.default_rng([seed, index])
        self.size = size
        self.frames = frames
        self.camera = Camera(rng, size, frames)
        self.scene = Scene(rng, size, frames)
        still = cast(rng, frames, size, self.camera.shutter, self.scene.tone)
        self.tracks = [track.seen_from(self.camera.places) for track in still]

    def render(self, frame: int) -> np.ndarray:
        """uint8 (size, size, 3), BGR."""
        place = self.camera.places[frame]
        picture, veil = self.scene.behind(frame, place)
        for track in self.tracks:
            paint(picture, track, frame, veil)
        return self.camera.develop(self.scene.add_front(picture, place), frame)

    def labels(self) -> tuple[FrameLabels, ...]:
        bounds = np.array([track.bounds for track in self.tracks]).reshape(-1, self.frames, 4)
        return tuple(self._frame_labels(frame, bounds[:, frame]) for frame in range(self.frames))

    def _frame_labels(self, frame: int, bounds: np.ndarray) -> FrameLabels:
        place = self.camera.places[frame]
        touching = (bounds[:, :2] < self.size).all(1) & (bounds[:, 2:] > 0).all(1)
        whole = (bounds[:, :2] >= 0).all(1) & (bounds[:, 2:] <= self.size).all(1)
        found: list[tuple[np.ndarray, int, int]] = []
        for number in np.flatnonzero(touching):
            track, box = self.tracks[number], bounds[number]
            nearer = [other for other in np.flatnonzero(touching) if other > number and _overlap(box, bounds[other])]
            # Outlines are worked out only where something might cut or hide them.
            if not whole[number] or nearer or self.scene.may_hide(box, place):
                hulls = track.hulls(frame)
                before = [hull for other in nearer for hull in self.tracks[other].hulls(frame)]
                share = visible_share(hulls, box, self.size, lambda points: self.scene.hidden(points, place), before)
                box = bounds_inside(hulls, self.size)
                if box is None or share < _LEAST_VISIBLE:
                    continue
            found.append((box, track.class_index, number))
        columns = (
            np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
            np.array([class_index for _, class_index, _ in found], np.int32),
            np.array([number for _, _, number in found], np.int32),
        )
        # They are kept and handed out again, so nobody may write to them.
        for column in columns:
            column.flags.writeable = False
        return FrameLabels(*columns)


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())


@lru_cache(maxsize=16)
def _film(seed: int, index: int, frames: int, size: int) -> _Film:
    return _Film(seed, index, frames, size)


@lru_cache(maxsize=4096)
def _labels(seed: int, index: int, frames: int, size: int) -> tuple[FrameLabels, ...]:
    return _film(seed, index, frames, size).labels()
