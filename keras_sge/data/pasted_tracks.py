"""Track paste: objects cut out of one scene move over another, so that a class tells nothing of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.errors import InputError
from keras_sge.data.cutouts import Cutout
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.windows import OBJECT_SIDES, WindowPath, clip_labels, empty_window, read_repeated

# Background windows' sides in pixels of their frames.
_SIDES = (64.0, 400.0)
# Larger objects than this many times their own size would be nothing but blur.
_LARGEST_SCALE = 4.0
_CONTRAST = (0.6, 1.3)
# Shares of the clips with a background of another class' recordings, and with a second object.
_FOREIGN, _SECOND = 0.8, 0.2
# Of a clip: displacement in sides, change of size as a power of e, turn in degrees; of pictures, which do not move.
_DRIFT, _ZOOM, _TURN = 0.6, 0.3, 8.0
_CLIP_BLUR_PX = 1.2
_TRIES = 60


@dataclass(frozen=True)
class Flight:
    """A cutout's way through a clip.

    Attributes:
        track: its identity in the clip. centers: (frames, 2), of its box. scales, turns: (frames,), degrees.
        mirrored: left and right change places. contrast: its difference to the mean of its own background, times this.
        relative: it keeps its difference to what was behind it, and not its colors.
    """

    cutout: Cutout
    track: int
    centers: np.ndarray
    scales: np.ndarray
    turns: np.ndarray
    mirrored: bool
    contrast: float
    relative: bool


@dataclass(frozen=True)
class _Clip:
    background: int
    start: int
    path: WindowPath
    flights: tuple[Flight, ...]
    blur: float


class PastedTracks(VideoDataset):
    """Clips of pasted objects. Names are `OBJECT'S RECORDING+BACKGROUND'S+pNUMBER`, so that a clip with anything of a
    recording that is held back can be told.

    An object keeps its own motion within its box and flies a line of its own over a window without objects, scaled,
    mirrored and relit; half of the objects keep their colors, the others their difference to what is behind them.

    Args:
        cutouts: the objects. Those of other classes than `classes` are pasted too, as things that are not to be found.
        backgrounds: videos and pictures for what is behind them. Videos with objects lend windows without them.
        classes: of the data set. clips: how many; classes take turns. size: side of the frames. frames: of a clip.
        seed: of all choices.

    Raises:
        InputError: a class has no cutout, or no background has an empty window.
    """

    def __init__(
        self,
        cutouts: Sequence[Cutout],
        backgrounds: VideoDataset,
        classes: Sequence[str],
        clips: int,
        size: int,
        frames: int = 24,
        seed: int = 0,
    ):
        self.classes, self.size, self.frames, self.seed = tuple(classes), size, frames, seed
        self._backgrounds = backgrounds
        self._cutouts = {kind: [one for one in cutouts if one.kind == kind] for kind in self.classes}
        self._others = [one for one in cutouts if one.kind not in self.classes]
        if missing := [kind for kind, found in self._cutouts.items() if not found]:
            raise InputError(
                f"no object of the class {missing[0]} could be cut out. Give more recordings of it; "
                "labels that name no track get some from `sge data convert --link`."
            )
        self._by_class = videos_by_scene(backgrounds, self.classes)
        self._clips, self.videos = [], []
        for number in range(clips):
            rng = np.random.default_rng([seed, number])
            first = self._pick(self.classes[number % len(self.classes)], rng)
            clip = self._clip(first, rng)
            self._clips.append(clip)
            behind = backgrounds.videos[clip.background].name
            name = f"{'+'.join(dict.fromkeys([f.cutout.source for f in clip.flights]))}+{behind}+p{number:05d}"
            self.videos.append(Video(number, name, size, size, 30.0, frames))
        # One clip's frames and labels are asked for one after the other.
        self._composed = lru_cache(maxsize=8)(self._compose)

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self._composed(index)[1]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._composed(index)[0][start:stop]

    def _pick(self, kind: str, rng: np.random.Generator) -> Cutout:
        """A cutout of a class: recordings are drawn first, so that one with many does not outweigh the others."""
        found = self._cutouts[kind]
        sources = sorted({one.source for one in found})
        source = sources[rng.integers(len(sources))]
        own = [one for one in found if one.source == source]
        return own[rng.integers(len(own))]

    def _clip(self, first: Cutout, rng: np.random.Generator) -> _Clip:
        flights = [self._flight(first, 0, rng)]
        if rng.random() < _SECOND:
            kinds = [*self.classes, None] if self._others else list(self.classes)
            kind = kinds[rng.integers(len(kinds))]
            second = self._pick(kind, rng) if kind else self._others[rng.integers(len(self._others))]
            flights.append(self._flight(second, 1, rng))
        others = [group for kind, group in self._by_class.items() if kind != first.kind and group]
        own = self._by_class.get(first.kind)
        for _ in range(_TRIES):
            foreign = rng.random() < _FOREIGN or not own
            group = others[rng.integers(len(others))] if foreign and others else own
            index = group[rng.integers(len(group))]
            if found := empty_window(self._backgrounds, index, self.frames, _SIDES, rng):
                path, start = found
                blur = float(rng.uniform(0, _CLIP_BLUR_PX) * (rng.random() < 0.5))
                return _Clip(index, start, path, tuple(flights), blur)
        raise InputError(f"no background has a window of {self.frames} frames without an object. Give more videos.")

    def _flight(self, cutout: Cutout, track: int, rng: np.random.Generator) -> Flight:
        time = np.linspace(-0.5, 0.5, self.frames)
        extent = self.size / np.exp(rng.uniform(*np.log(OBJECT_SIDES)))
        scale = min(extent / cutout.extent, _LARGEST_SCALE)
        half = scale * cutout.extent / 2
        center = rng.uniform(min(half, self.size / 2), max(self.size - half, self.size / 2), 2)
        drift = rng.uniform(-_DRIFT, _DRIFT, 2) * self.size * (rng.random() < 0.8)
        turn = rng.uniform(-_TURN, _TURN, 2)
        still = len(cutout.patches) == 1
        return Flight(
            cutout,
            track,
            center + time[:, None] * drift,
            scale * np.exp(time * rng.uniform(-_ZOOM, _ZOOM)),
            turn[0] + time * turn[1] * 2 if still else np.full(self.frames, turn[0] / 2),
            bool(rng.random() < 0.5),
            float(rng.uniform(*_CONTRAST)),
            bool(rng.random() < 0.5),
        )

    def _compose(self, index: int) -> tuple[np.ndarray, list[FrameLabels]]:
        clip = self._clips[index]
        behind = read_repeated(self._backgrounds, clip.background, clip.start, self.frames)
        frames, labels = np.empty((self.frames, self.size, self.size, 3), np.uint8), []
        for number, (target, frame) in enumerate(zip(frames, behind, strict=True)):
            picture = clip.path.cut(frame, number, self.size)
            found = [(paste(picture, flight, number), flight) for flight in clip.flights]
            target[:] = cv2.GaussianBlur(picture, (0, 0), clip.blur) if clip.blur > 0.2 else picture
            labels.append(self._labels([(box, one) for box, one in found if one.cutout.kind in self.classes]))
        return frames, labels

    def _labels(self, found: Sequence[tuple[np.ndarray, Flight]]) -> FrameLabels:
        labels = FrameLabels(
            np.array([box for box, _ in found], np.float32).reshape(-1, 4),
            np.array([self.classes.index(flight.cutout.kind) for _, flight in found], np.int32),
            np.array([flight.track for _, flight in found], np.int32),
        )
        return clip_labels(labels, self.size, self.size)


def paste(picture: np.ndarray, flight: Flight, number: int) -> np.ndarray:
    """Draws clip frame `number` of a cutout into uint8 (h, w, 3), in place; returns its box, which may end outside."""
    cutout = flight.cutout
    # A cutout shorter than the clip plays forth and back.
    last = len(cutout.patches) - 1
    place = last - abs(last - number % (2 * last)) if last else 0
    box, scale = cutout.boxes[place], flight.scales[number]
    middle = (box[:2] + box[2:]) / 2
    angle = np.deg2rad(flight.turns[number])
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turn = turn @ np.diag([-1.0, 1.0]) if flight.mirrored else turn
    matrix = np.concatenate([turn, (flight.centers[number] - turn @ middle)[:, None]], axis=1)
    size = picture.shape[1::-1]

    def laid(pixels):
        if scale < 0.7:
            # warpAffine does not average over areas.
            pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
        return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR)

    share = laid(cutout.mattes[place])[..., None]
    patch, old = (pixels.astype(np.float32) for pixels in (cutout.patches[place], cutout.backgrounds[place]))
    if flight.relative:
        result = picture + share * flight.contrast * laid(patch - old)
    else:
        own = old.mean(axis=(0, 1)) + (patch - old.mean(axis=(0, 1))) * flight.contrast
        result = picture * (1 - share) + share * laid(own)
    picture[:] = np.clip(result, 0, 255).round().astype(np.uint8)
    # A turned box is wider than its object: by a few degrees the object's own sides are nearer.
    half = (box[2:] - box[:2]) * scale / 2
    return np.concatenate([flight.centers[number] - half, flight.centers[number] + half])


def videos_by_scene(backgrounds: VideoDataset, classes: Sequence[str]) -> dict[str | None, list[int]]:
    """Videos by the class that most of their objects have; None for those without objects."""
    groups: dict[str | None, list[int]] = {kind: [] for kind in (*classes, None)}
    for index in range(len(backgrounds)):
        kinds = np.concatenate([frame.classes for frame in backgrounds.labels(index)])
        kind = backgrounds.classes[np.bincount(kinds).argmax()] if len(kinds) else None
        groups.setdefault(kind, []).append(index)
    return groups
