"""Square windows cut from larger frames: around objects, at any time, zoom and drift; or where no object is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset

# A window's side in lengths of its object, as in sky_zoom.
OBJECT_SIDES = (1.8, 5.0)
# Of a window at the least, in pixels of the frame: below it there is nothing but blur.
_SMALLEST_SIDE = 40
# Change of the side over a clip, as a power of e; displacement over a clip, in sides.
_ZOOM, _DRIFT = 0.3, 0.35
# Objects of which less lies in the window are neither learned nor scored.
_LEAST_VISIBLE = 0.4
_EMPTY_TRIES = 40
# Room around an object that an empty window keeps away from, in its sides.
_CLEARANCE = 0.25


@dataclasses.dataclass(frozen=True)
class WindowPath:
    """Where a window is in each frame of a clip: `left`, `top` and `side` float64 (frames,), in the frame's pixels."""

    left: np.ndarray
    top: np.ndarray
    side: np.ndarray

    def cut(self, frame: np.ndarray, number: int, size: int) -> np.ndarray:
        """The window of clip frame `number`, out of uint8 (height, width, 3), resized to `size` x `size`."""
        left, top, side = self.left[number], self.top[number], self.side[number]
        if side > size:
            # Averaged over areas, which needs whole pixels.
            left, top, side = round(left), round(top), round(side)
            return resize_frame(frame[top : top + side, left : left + side], size, size)
        scale = size / side
        matrix = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
        return cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def labels(self, labels: FrameLabels, number: int, size: int) -> FrameLabels:
        """The labels of clip frame `number` in the window's own pixels, see `clip_labels`."""
        corner = np.array([self.left[number], self.top[number]] * 2)
        scale = size / self.side[number]
        moved = {name: ((getattr(labels, name) - corner) * scale).astype(np.float32) for name in ("boxes", "ignored")}
        return clip_labels(dataclasses.replace(labels, changes=(), **moved), size, size)


def clip_labels(labels: FrameLabels, height: int, width: int) -> FrameLabels:
    """Labels cut at the frame's edges: what lies outside goes, what is barely inside becomes a region to ignore."""
    limits = np.array([width, height, width, height], np.float32)
    boxes, regions = np.clip(labels.boxes, 0, limits), np.clip(labels.ignored, 0, limits)
    share = _areas(boxes) / np.maximum(_areas(labels.boxes), 1e-6)
    kept, part, seen = share >= _LEAST_VISIBLE, (share > 0) & (share < _LEAST_VISIBLE), _areas(regions) > 0
    return dataclasses.replace(
        labels,
        boxes=boxes[kept],
        classes=labels.classes[kept],
        tracks=labels.tracks[kept],
        ignored=np.concatenate([regions[seen], boxes[part]]),
        ignored_classes=np.concatenate([labels.ignored_classes[seen], labels.classes[part]]),
    )


class ObjectWindows(VideoDataset):
    """Clips cut around objects of larger frames: other times, zooms and drifts for each number.

    The side is 1.8 to 5 lengths of the object. Half of the windows stand still, the others drift and zoom. A video of
    one frame, a picture, is seen by a camera that moves over it. Names are `SOURCE+wNUMBER`, so that a clip of a
    recording that is held back can be told.

    Args:
        dataset: whole frames. windows: how many; classes take turns, then recordings are drawn.
        size: side of a window after resizing, in pixels. frames: of a clip, fewer where its video is shorter.
        seed: of the choice.

    Raises:
        InputError: a class has no object that a window fits around.
    """

    def __init__(self, dataset: VideoDataset, windows: int, size: int, frames: int = 24, seed: int = 0):
        self.dataset, self.size, self.classes = dataset, size, dataset.classes
        self.videos: list[Video] = []
        self._starts: list[tuple[int, int]] = []
        self._paths: list[WindowPath] = []
        found = videos_by_class(dataset)
        present = [kind for kind in range(len(self.classes)) if found[kind]]
        if not present:
            raise InputError("windows are cut around objects, but the data set has none.")
        for number in range(windows):
            rng = np.random.default_rng([seed, number])
            kind = present[number % len(present)]
            index = found[kind][rng.integers(len(found[kind]))]
            self._add(index, kind, number, frames, rng)

    def _add(self, index: int, kind: int, number: int, frames: int, rng: np.random.Generator) -> None:
        video, labels = self.dataset.videos[index], self.dataset.labels(index)
        holding = [frame for frame, one in enumerate(labels) if (one.classes == kind).any()]
        frame = int(rng.choice(holding))
        box = labels[frame].boxes[rng.choice(np.flatnonzero(labels[frame].classes == kind))]
        length = frames if video.length == 1 else min(frames, video.length)
        start = 0 if video.length == 1 else int(np.clip(frame - rng.integers(length), 0, video.length - length))
        self._paths.append(_around(box, frame - start, length, video, rng))
        self._starts.append((index, start))
        unlabelled = frozenset(place for place in range(length) if start + place in video.unlabelled)
        name = f"{video.name}+w{number:05d}"
        self.videos.append(Video(number, name, self.size, self.size, video.fps, length, unlabelled))

    def labels(self, index: int) -> Sequence[FrameLabels]:
        (source, start), path = self._starts[index], self._paths[index]
        labels = self.dataset.labels(source)
        return [
            path.labels(labels[min(start + number, len(labels) - 1)], number, self.size)
            for number in range(self.videos[index].length)
        ]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        (source, first), path = self._starts[index], self._paths[index]
        numbers = range(self.videos[index].length)[start:stop]
        frames = read_repeated(self.dataset, source, first + numbers.start, len(numbers))
        return np.stack([path.cut(frame, number, self.size) for frame, number in zip(frames, numbers, strict=True)])


def videos_by_class(dataset: VideoDataset) -> list[list[int]]:
    """For each class the indices of the videos that have an object of it."""
    found: list[list[int]] = [[] for _ in dataset.classes]
    for index in range(len(dataset)):
        for kind in np.unique(np.concatenate([frame.classes for frame in dataset.labels(index)])).tolist():
            found[kind].append(index)
    return found


def read_repeated(dataset: VideoDataset, index: int, start: int, count: int) -> Sequence[np.ndarray]:
    """`count` frames of a video; a video of one frame, a picture, is repeated."""
    if dataset.videos[index].length == 1:
        return [dataset.read(index, 0, 1)[0]] * count
    return dataset.read(index, start, start + count)


def empty_window(
    dataset: VideoDataset, index: int, length: int, sides: tuple[float, float], rng: np.random.Generator
) -> tuple[WindowPath, int] | None:
    """A drifting window of `length` frames without an object, and its first frame in video `index`; None where none is
    found. Frames that nobody has labelled are not taken for empty; a picture is repeated.

    Args:
        sides: smallest and largest side, in pixels.
    """
    video, labels = dataset.videos[index], dataset.labels(index)
    span = 1 if video.length == 1 else length
    if video.length < span:
        return None
    start = int(rng.integers(video.length - span + 1))
    if not video.unlabelled.isdisjoint(range(start, start + span)):
        return None
    path = _empty_path(labels[start : start + span], length, video, sides, rng)
    return path and (path, start)


def _empty_path(
    labels: Sequence[FrameLabels], length: int, video: Video, sides: tuple[float, float], rng: np.random.Generator
) -> WindowPath | None:
    boxes = np.concatenate([np.concatenate([frame.boxes, frame.ignored]) for frame in labels])
    room = (boxes[:, 2:] - boxes[:, :2]) * _CLEARANCE
    low, high = boxes[:, :2] - room, boxes[:, 2:] + room
    largest = min(sides[1], video.width, video.height)
    for _ in range(_EMPTY_TRIES):
        side = float(np.exp(rng.uniform(np.log(min(sides[0], largest)), np.log(largest))))
        center = rng.uniform(side / 2, np.array([video.width, video.height]) - side / 2)
        path = _drifting(center, side, 0, length, video, rng)
        left, top = path.left.min(), path.top.min()
        right, bottom = (path.left + path.side).max(), (path.top + path.side).max()
        meets = (low < [right, bottom]).all(axis=1) & (high > [left, top]).all(axis=1)
        if not meets.any():
            return path
    return None


def _around(box: np.ndarray, number: int, length: int, video: Video, rng: np.random.Generator) -> WindowPath:
    """A window that holds `box` in frame `number`, somewhere."""
    extent = float((box[2:] - box[:2]).max())
    side = extent * np.exp(rng.uniform(*np.log(OBJECT_SIDES)))
    side = min(max(side, _SMALLEST_SIDE), video.width, video.height)
    slack = max(side - extent, 0) / 2
    center = (box[:2] + box[2:]) / 2 + rng.uniform(-slack, slack, 2)
    return _drifting(center, side, number, length, video, rng)


def _drifting(
    center: np.ndarray, side: float, number: int, length: int, video: Video, rng: np.random.Generator
) -> WindowPath:
    """A window at `center` with `side` in frame `number`, inside the frame throughout."""
    moves = rng.random() < 0.5 or video.length == 1
    time = (np.arange(length) - number) / max(length - 1, 1)
    zoom = np.exp(moves * rng.uniform(-_ZOOM, _ZOOM) * time)
    drift = moves * rng.uniform(-_DRIFT, _DRIFT, 2) * side
    sides = np.minimum(side * zoom, min(video.width, video.height))
    left, top = (
        np.clip(center[axis] + drift[axis] * time - sides / 2, 0, room - sides)
        for axis, room in enumerate((video.width, video.height))
    )
    return WindowPath(left, top, sides)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
