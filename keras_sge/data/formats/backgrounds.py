"""Videos in which nothing is to be found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.preprocess import resize_frame
from edge.video.reader import VIDEO_SUFFIXES, VideoReader, is_video
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset

# A window's side as a share of the frame's shorter side.
_SIDES = (0.3, 1.0)
_NOTHING = FrameLabels(np.empty((0, 4), np.float32), np.empty(0, np.int32), np.empty(0, np.int32))


class BackgroundVideos(VideoDataset):
    """Square windows, at random, of videos without a single object of the classes: they teach what not to see.

    A detector trained on one kind of scene finds its objects everywhere in another. A folder of videos of that other
    scene needs no annotation, as long as none of the classes is in it.

    Args:
        directory: video files, searched to any depth.
        classes: of the data set that these are mixed with.
        windows: how many to cut; the videos take turns.
        size: side of a window after resizing, in pixels.
        frames: of a window, fewer where its video is shorter.
        seed: of the windows' places.

    Raises:
        InputError: no such directory, no video in it, or one that cannot be read, or not to its end.
    """

    def __init__(
        self,
        directory: str | Path,
        classes: Sequence[str],
        windows: int,
        size: int,
        frames: int = 60,
        seed: int = 0,
    ):
        directory = Path(directory)
        files = sorted(path for path in directory.rglob("*") if is_video(path))
        if not files:
            state = "holds no video" if directory.is_dir() else "is not a directory"
            raise InputError(
                f"the background videos' folder {directory} {state}. Expected files with the endings "
                f"{', '.join(VIDEO_SUFFIXES)}, and in them nothing that is to be detected."
            )
        self.classes = tuple(classes)
        rng = np.random.default_rng(seed)
        shapes = [_shape(path) for path in files]
        self.videos, self._cuts = [], []
        for number in range(windows):
            path, (length, fps, width, height) = files[number % len(files)], shapes[number % len(files)]
            side = round(min(width, height) * rng.uniform(*_SIDES))
            left, top = (int(rng.integers(room - side + 1)) for room in (width, height))
            count = min(frames, length)
            start = int(rng.integers(length - count + 1))
            self.videos.append(Video(number, f"{path.stem}_{number}", size, size, fps, count))
            self._cuts.append((path, start, left, top, side))

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return [_NOTHING] * self.videos[index].length

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, (path, first, left, top, side) = self.videos[index], self._cuts[index]
        clip = []
        with VideoReader(path, first + start, str(path)) as reader:
            for number in range(first + start, first + (video.length if stop is None else min(stop, video.length))):
                item = reader.read()
                if item is None:
                    raise InputError(f"{path} cannot be decoded at frame {number}. Copy it again.")
                clip.append(resize_frame(item[2][top : top + side, left : left + side], video.height, video.width))
        return np.stack(clip)


def _shape(path: Path) -> tuple[int, float, int, int]:
    """A video's number of frames, frames per second, width and height."""
    try:
        with VideoReader(path) as reader:
            count = reader.count()
    except InputError as error:
        raise InputError(
            f"cannot read the background video {path}. Remove it from the folder or copy it again."
        ) from error
    if not count:
        raise InputError(
            f"the background video {path} is cut short or damaged: its header announces {reader.frame_count} frames, "
            "which are not there. Copy it again, or remove it from the folder."
        )
    return count, reader.fps, reader.width, reader.height
