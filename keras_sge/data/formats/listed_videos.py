"""Videos that an annotation file lists whole: what all forms of annotations but ImageNet VID's are read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import InputError
from keras_sge.data.dataset import NO_TRACK, FrameLabels, Video, VideoDataset
from keras_sge.data.formats.annotation_values import (
    CLIPPED,
    NO_AREA,
    Annotation,
    build_frame_labels,
    labels_note,
    track_numbers,
)
from keras_sge.data.formats.frames import read_images, read_video, upright_video
from keras_sge.data.formats.media import measure

# Annotators' boxes end a little past the frame now and then; a share like this of them has another reason.
_MUCH_CLIPPED = 0.25


@dataclass
class ListedVideo:
    """One video as its annotations describe it.

    Attributes:
        name: for people, and of the files that are written. width, height: of the frames that were labelled, in pixels.
        length: how many frames it has. fps: frames per second.
        frames: a video file; or a picture for each frame; None where the annotations came without either.
        entries: frame, from 0 -> what is in it; tracks as the file names them.
        left_out: frame -> for each entry that the reader did not take the reason, see `build_frame_labels`.
        unlabelled: frames that nobody has labelled.
        id: None for the place in the list.
    """

    name: str
    width: int
    height: int
    length: int
    fps: float
    frames: Path | Sequence[Path] | None
    entries: dict[int, list[Annotation]] = field(default_factory=dict)
    left_out: dict[int, list[str]] = field(default_factory=dict)
    unlabelled: frozenset[int] = frozenset()
    id: int | None = None


class ListedVideos(VideoDataset):
    """Annotated videos from a list: one reading rule for every form.

    Boxes are clipped to the frame; those without area inside it are left out; an entry that repeats another one wholly
    is taken once; all of it is counted in `FrameLabels.changes`. Tracks get numbers that an int32 holds, `NO_TRACK`
    where the file names none. Labels that were made for the frames as they are stored are turned upright along with
    them.

    Args:
        classes: names, in the order of `Annotation.kind`. listed: the videos. notes: what the reader has to say.
    """

    def __init__(self, classes: Sequence[str], listed: Sequence[ListedVideo], notes: Sequence[str] = ()):
        self.classes = tuple(classes)
        self.videos: list[Video] = []
        self._frames = [one.frames for one in listed]
        self._labels: list[Sequence[FrameLabels]] = []
        for place, one in enumerate(listed):
            video = Video(
                place if one.id is None else one.id,
                one.name,
                one.width,
                one.height,
                one.fps,
                one.length,
                unlabelled=one.unlabelled,
            )
            video, labels = _upright(video, _frame_labels(one), one.frames)
            self.videos.append(video)
            self._labels.append(labels)
        self.notes = (*notes, *labels_note(self.videos), *self._clipped_note())

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self._labels[index]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, frames = self.videos[index], self._frames[index]
        numbers = range(video.length)[start:stop]
        if not numbers:
            raise InputError(f"{video.name} has frames 0 to {video.length - 1}. Received: {start} to {stop}")
        if frames is None:
            raise InputError(
                f"there are no frames of {video.name} beside its annotations. Name the video file, or the folder that "
                "holds it or its pictures, with --media PATH."
            )
        if isinstance(frames, Path):
            return read_video(frames, video, numbers[0], numbers[-1] + 1)
        return read_images(frames[numbers[0] : numbers[-1] + 1], video)

    def _clipped_note(self) -> tuple[str, ...]:
        labels = [frame for video in self._labels for frame in video]
        changed = sum(change in (CLIPPED, NO_AREA) for frame in labels for change in frame.changes)
        boxes = sum(len(frame.boxes) + frame.changes.count(NO_AREA) for frame in labels)
        if changed <= _MUCH_CLIPPED * boxes:
            return ()
        return (
            f"{changed:,} of {boxes:,} boxes reach beyond their frames or have no area. Are they in another unit, of "
            "frames of another size, or corners in place of widths and heights? `sge data look` shows them.",
        )


def pictures_note(pictures: int, listed: Sequence[ListedVideo]) -> str:
    """A sentence about pictures that were put together to videos by their names."""
    single = sum(one.length == 1 for one in listed)
    return f"{pictures:,} pictures are read as {len(listed) - single:,} videos and {single:,} single pictures."


def video_of_frames(name: str, file: Path, numbers: Sequence[int], last: str | Path) -> tuple[ListedVideo, list[int]]:
    """A video file of which some frames are named by number, and the place of each of these in it.

    Args:
        name: of the video. numbers: ascending, from 0, or from 1 where the first is 1. last: names the last frame.

    Raises:
        InputError: the file cannot be decoded, or has fewer frames.
    """
    first, size = int(numbers[0] == 1), measure(file)
    places = [number - first for number in numbers]
    length = size.length or places[-1] + 1
    if places[-1] >= length:
        raise InputError(f"{file} has {length} frames, but {last} is number {numbers[-1]}. Is it of another video?")
    return ListedVideo(name, size.width, size.height, length, size.fps, file), places


def _frame_labels(listed: ListedVideo) -> list[FrameLabels]:
    """The labels of every frame."""
    named = [
        [entry for entry in listed.entries[frame] if entry.track is not None and not entry.ignored]
        for frame in sorted(listed.entries)
    ]
    numbers = track_numbers(entry.track for own in named for entry in own)
    if len(numbers) == 2 and any(len(set(own)) > 1 for own in named):
        # One number for every object is nobody's: exporters without tracks write 0.
        numbers = dict.fromkeys(numbers, NO_TRACK)
    return [
        build_frame_labels(
            [entry._replace(track=numbers.get(entry.track, NO_TRACK)) for entry in listed.entries.get(frame, ())],
            listed.width,
            listed.height,
            listed.left_out.get(frame, ()),
        )
        for frame in range(listed.length)
    ]


def _upright(
    video: Video, labels: Sequence[FrameLabels], frames: Path | Sequence[Path] | None
) -> tuple[Video, Sequence[FrameLabels]]:
    if frames is None:
        return video, labels
    return upright_video(video, labels, frames if isinstance(frames, Path) else frames[0])
