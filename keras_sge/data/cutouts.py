"""Objects cut out of their scene: a matte from the difference to the background around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from keras_sge.data.dataset import NO_TRACK, FrameLabels, VideoDataset
from keras_sge.progress import Progress, no_progress

# The matte is 0 at the first and 1 at the second difference to the background, in gray values of 255.
_DIFFERENCE = (7.0, 21.0)
_SOFTENED_PX = 0.8
# Room around the box, in its longest side, and at the least in pixels; the outermost pixels show the background.
_ROOM, _LEAST_ROOM, _RIM = 0.35, 5, 3
# A calm border's mean difference to its own interpolation, at the most.
_CALM = 4.0
# Shares of the box that a matte covers: less is noise, more is a scene and no object.
_COVERED = (0.06, 0.92)
# Smaller objects are nothing but blur; larger ones are stored at this size.
_SMALLEST_PX, _STORED_PX = 12, 160
# Cutouts of one track at the most, so that a long one does not outweigh the others.
_PER_TRACK = 3


@dataclass(frozen=True)
class Cutout:
    """An object in consecutive frames, cut out.

    Attributes:
        kind: class name. source: the recording's name. video, start: its index and the first frame.
        patches: for each frame uint8 (h, w, 3), BGR: the object and its surroundings.
        backgrounds: the same without the object. mattes: float32 (h, w), 0 to 1: how much of each pixel is the object.
        boxes: float32 (frames, 4), the labelled box in the patch's pixels. places: the same in the recording's.
    """

    kind: str
    source: str
    video: int
    start: int
    patches: Sequence[np.ndarray]
    backgrounds: Sequence[np.ndarray]
    mattes: Sequence[np.ndarray]
    boxes: np.ndarray
    places: np.ndarray

    @property
    def extent(self) -> float:
        """Median longest side of the boxes, in pixels."""
        return float(np.median((self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)))


def matte(patch: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """How much of each pixel is the object: the largest channel of the difference to the background, softened.

    The background is interpolated from the patch's rim: what lies behind the object is taken to be as calm.

    Args:
        patch: uint8 (h, w, 3). box: x1, y1, x2, y2 of the object in it, with room on all sides.

    Returns:
        The matte, float32 (h, w), 0 to 1, and the background, uint8 (h, w, 3); None where the surroundings are too
        restless for it or hardly anything differs from them.
    """
    background = _from_rim(patch)
    difference = cv2.GaussianBlur(np.abs(patch - background).max(axis=2), (0, 0), _SOFTENED_PX)
    inside = np.zeros(patch.shape[:2], bool)
    x1, y1 = np.floor(box[:2]).astype(int) - 1
    x2, y2 = np.ceil(box[2:]).astype(int) + 1
    inside[max(y1, 0) : y2, max(x1, 0) : x2] = True
    low, high = _DIFFERENCE
    if difference[~inside].mean() > _CALM or (difference[~inside] > high).mean() > 0.01:
        return None
    result = np.clip((difference - low) / (high - low), 0, 1) * inside
    covered = result.sum() / max(np.prod(box[2:] - box[:2]), 1)
    if not _COVERED[0] <= covered <= _COVERED[1]:
        return None
    return result.astype(np.float32), background.astype(np.uint8)


def cut_out(
    dataset: VideoDataset,
    frames: int,
    per_track: int = _PER_TRACK,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Cutout]:
    """The objects of a data set that can be cut out: alone, whole, not too small, before something calm.

    Args:
        dataset: whole frames. frames: of a cutout; pictures, videos of one frame, give one. per_track: at the most.
        seed: of the times. progress: around the videos.
    """
    found = []
    for index in progress(range(len(dataset))):
        rng = np.random.default_rng([seed, index])
        labels, video = dataset.labels(index), dataset.videos[index]
        for track, start in _stretches(labels, min(frames, video.length), per_track, rng):
            cutout = _cut_track(dataset, index, track, start, min(frames, video.length))
            found += [cutout] if cutout else []
    return found


def _stretches(
    labels: Sequence[FrameLabels], length: int, per_track: int, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Tracks and the first frames of stretches of `length` frames in which they are present throughout."""
    present: dict[int, list[int]] = {}
    for number, frame in enumerate(labels):
        # Of a single picture it does not matter who is who.
        for track in (one for one in frame.tracks.tolist() if one != NO_TRACK or len(labels) == 1):
            present.setdefault(track, []).append(number)
    for track, numbers in present.items():
        here = set(numbers)
        starts = [start for start in numbers if start + length - 1 in here]
        starts = [start for start in starts if all(start + step in here for step in range(length))]
        if starts:
            # Spread over the track, at random within each part.
            for part in np.array_split(np.array(starts), min(per_track, max(1, len(starts) // length))):
                yield track, int(rng.choice(part))


def _cut_track(dataset: VideoDataset, index: int, track: int, start: int, length: int) -> Cutout | None:
    labels, video = dataset.labels(index)[start : start + length], dataset.videos[index]
    rows = [np.flatnonzero(frame.tracks == track)[0] for frame in labels]
    boxes = np.stack([frame.boxes[row] for frame, row in zip(labels, rows, strict=True)])
    extents = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    room = np.maximum(np.round(extents * _ROOM), _LEAST_ROOM)[:, None]
    low, high = np.floor(boxes[:, :2] - room).astype(int), np.ceil(boxes[:, 2:] + room).astype(int)
    if extents.min() < _SMALLEST_PX or (low < 0).any() or (high > [video.width, video.height]).any():
        return None
    for frame, row, corner, end in zip(labels, rows, low, high, strict=True):
        others = np.concatenate([np.delete(frame.boxes, row, axis=0), frame.ignored])
        if ((others[:, :2] < end) & (others[:, 2:] > corner)).all(axis=1).any():
            return None
    scale = min(1.0, _STORED_PX / extents.max())
    inner = ((boxes - np.concatenate([low, low], axis=1)) * scale).astype(np.float32)
    patches, backgrounds, mattes = [], [], []
    for picture, (x1, y1), (x2, y2), box in zip(
        dataset.read(index, start, start + length), low, high, inner, strict=True
    ):
        patch = picture[y1:y2, x1:x2].copy()
        if scale < 1:
            patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cut = matte(patch, box)
        if cut is None:
            return None
        patches.append(patch)
        mattes.append(cut[0])
        backgrounds.append(cut[1])
    kind = dataset.classes[labels[0].classes[rows[0]]]
    return Cutout(kind, video.name, index, start, patches, backgrounds, mattes, inner, boxes)


def _from_rim(patch: np.ndarray) -> np.ndarray:
    """A patch interpolated from its rim alone (a Coons patch): float32 (h, w, 3)."""
    rows, columns = patch.shape[:2]
    pixels = patch.astype(np.float32)
    left, right = (np.median(side, axis=1) for side in (pixels[:, :_RIM], pixels[:, -_RIM:]))
    top, bottom = (np.median(side, axis=0) for side in (pixels[:_RIM], pixels[-_RIM:]))
    left, right = (cv2.GaussianBlur(side[:, None], (1, 5), 0).reshape(rows, 3) for side in (left, right))
    top, bottom = (cv2.GaussianBlur(side[None], (5, 1), 0).reshape(columns, 3) for side in (top, bottom))
    x, y = np.linspace(0, 1, columns)[None, :, None], np.linspace(0, 1, rows)[:, None, None]
    across = left[:, None] * (1 - x) + right[:, None] * x
    down = top[None] * (1 - y) + bottom[None] * y
    corners = [(left[0] + top[0]) / 2, (right[0] + top[-1]) / 2, (left[-1] + bottom[0]) / 2]
    corners.append((right[-1] + bottom[-1]) / 2)
    flat = (corners[0] * (1 - x) + corners[1] * x) * (1 - y) + (corners[2] * (1 - x) + corners[3] * x) * y
    return np.clip(across + down - flat, 0, 255).astype(np.float32)
