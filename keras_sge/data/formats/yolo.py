"""YOLO folders: `data.yaml`, and beside every picture a text file of class and box; CVAT's YOLO 1.1, too."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import InputError
from edge.video.pictures import is_picture, read_picture
from edge.video.source import DEFAULT_FPS
from keras_sge.data.formats.annotation_values import label_gap
from keras_sge.data.formats.form import Form, check_split
from keras_sge.data.formats.frame_names import group_frames, pictures_fps
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos, pictures_note, video_of_frames
from keras_sge.data.formats.media import find_media
from keras_sge.data.formats.yolo_index import YoloPicture, index_file, label_path, read_index
from keras_sge.data.formats.yolo_labels import (
    YoloEndings,
    YoloFrame,
    YoloLine,
    find_endings,
    read_yolo_frame,
    read_yolo_lines,
)
from keras_sge.progress import Progress, no_progress

# Number of a frame and its picture.
_Frames = Sequence[tuple[int, YoloPicture]]


class YoloFolder(ListedVideos):
    """A folder with `data.yaml` (https://docs.ultralytics.com/datasets/detect), or with CVAT's YOLO 1.1 `obj.data`
    (https://docs.cvat.ai/docs/dataset_management/formats/format-yolo).

    `train`, `val` and `test` are folders of pictures or text files that list them, one or several, with either slash,
    relative to `path` or to the yaml's folder; what is not there is looked for without a leading `../`, as Ultralytics
    does for Roboflow's exports. The labels of `.../images/x.png` are in `.../labels/x.txt`, else beside the picture.

    A line is a class and center x, center y, width, height as fractions of the frame; then a track, or a confidence and
    a track, as `yolo track save_txt` and CVAT write them, see `find_endings`; or a polygon, of which the bounding box
    is taken. Keypoints are passed over. An empty file is an empty frame, and so is a missing one, but where files stand
    at every k-th frame only, those between are unlabelled.

    Pictures are put together to videos by their names, see `group_frames`, if all of them have one size.

    Args:
        source: the folder, or its yaml file. split: `train`, `val` or `test`.
        media: a folder of the pictures, or the video that they were taken from, where they are not there: numbers of
            names are its frames, from 0, or from 1 where the first is 1. progress: around the label files.

    Raises:
        InputError: a missing or wrong file, a class that is not listed or is twice; the message names file and line.
    """

    def __init__(
        self, source: str | Path, split: str, media: Path | None = None, progress: Progress = no_progress
    ):
        source = Path(source)
        index = read_index(source)
        if split not in index.places:
            check_split(split, index.splits, source)
        pictures = index.pictures(split)
        if not any(picture.label for picture in pictures):
            lacking = f": no {label_path(pictures[0].path)}" if pictures else ", which lists no pictures"
            raise InputError(f"{source} has no label file for {split}{lacking}, nor one for another picture.")
        root = os.path.commonpath([os.path.abspath(picture.path.parent) for picture in pictures])
        of_name = {Path(os.path.relpath(picture.path, root)).as_posix(): picture for picture in pictures}
        groups = group_frames(list(of_name), split if len(index.splits) > 1 else "")
        lines = {
            picture.label: read_yolo_lines(picture.label, index.keypoints)
            for picture in progress(pictures)
            if picture.label
        }
        labels = _Labels(lines, find_endings(lines.values()), len(index.names))
        elsewhere = _Elsewhere(media, alone=len(groups) == 1)
        videos: list[ListedVideo] = []
        for name, frames in groups.items():
            videos += _videos(name, [(number, of_name[file]) for number, file in frames], labels, elsewhere)
        super().__init__(index.names, videos, [pictures_note(len(pictures), videos), *labels.notes()])


@dataclass
class _Labels:
    """The label files of a split, by their paths; what was seen as frames were made of them."""

    lines: dict[Path, list[YoloLine]]
    endings: YoloEndings
    classes: int
    gaps: set[int] = field(default_factory=set)
    without: int = 0

    def put(self, video: ListedVideo, files: dict[int, Path | None]) -> None:
        """Fills a video; `files` are the label files of its frames, and None for a frame that has none."""
        own = {place: file for place, file in files.items() if file}
        read: dict[int, YoloFrame] = {
            place: read_yolo_frame(self.lines[file], (video.width, video.height), self.classes, self.endings)
            for place, file in own.items()
        }
        video.entries = {place: frame.entries for place, frame in read.items()}
        video.left_out = {place: frame.changes for place, frame in read.items()}
        gap = label_gap([sorted(own)])
        if gap > 1:
            self.gaps.add(gap)
            between = set(range(video.length)) - set(range(min(own) % gap, video.length, gap))
            video.unlabelled |= between
        self.without += len(files) - len(own) - sum(files.get(place, "") is None for place in video.unlabelled)

    def notes(self) -> list[str]:
        """Sentences about what the files leave open."""
        columns = {len(line.words) for lines in self.lines.values() for line in lines}
        notes = []
        if 6 in columns:
            notes.append(f"Lines of 6 columns end in a {'track' if self.endings.track else 'confidence'}.")
        if 7 in columns:
            what = "a confidence and a track" if self.endings.scored_track else "the third point of a polygon"
            notes.append(f"Lines of 7 columns end in {what}.")
        if self.gaps:
            steps = ", ".join(map(str, sorted(self.gaps)))
            notes.append(f"Where label files stand at every frame in {steps} only, those between are unlabelled.")
        if self.without:
            notes.append(f"{self.without:,} pictures have no label file: nothing is in them, as YOLO has it.")
        return notes


class _Elsewhere:
    """Pictures that are not where the data set says: what the user has named with --media."""

    def __init__(self, media: Path | None, alone: bool):
        if media is not None and not media.exists():
            raise InputError(f"no file or folder {media}, which --media names.")
        self.media = media
        self._alone = alone
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._taken: dict[Path, Path] = {}
        for path in sorted(media.rglob("*")) if media is not None and media.is_dir() else ():
            if is_picture(path):
                self._by_stem[path.stem].append(path)

    def picture(self, path: Path) -> Path | None:
        """The picture that lies there, or the one of its name in `media` whose folders are most alike."""
        if os.path.isfile(path):
            return path
        found = sorted(self._by_stem[path.stem], key=lambda other: _common_end(path, other))
        if not found or (len(found) > 1 and _common_end(path, found[-1]) == _common_end(path, found[-2])):
            return None
        if self._taken.setdefault(found[-1], path) != path:
            raise InputError(f"{self._taken[found[-1]]} and {path} are both {found[-1]} by their names.")
        return found[-1]

    def video(self, name: str) -> Path | None:
        """The video file of pictures that were taken from it."""
        found = find_media([name], [], self.media, self._alone) if self.media else None
        return found if isinstance(found, Path) else None


def _videos(name: str, frames: _Frames, labels: _Labels, elsewhere: _Elsewhere) -> list[ListedVideo]:
    """One video; or one for each picture where their sizes differ."""
    found = [elsewhere.picture(picture.path) for _, picture in frames]
    lacking = [picture.path for (_, picture), path in zip(frames, found, strict=True) if path is None]
    if len(lacking) == len(frames) and (file := elsewhere.video(name)):
        return [_of_video_file(name, file, frames, labels)]
    if lacking:
        raise InputError(
            f"there is no picture {lacking[0]} ({len(lacking)} such frames of {name}). Name the folder that holds its "
            "pictures, or the video that they were taken from, with --media PATH."
        )
    files = [path for path in found if path is not None]
    numbers = [number for number, _ in frames]
    own = [picture.label for _, picture in frames]
    sizes = [read_picture(file).shape[1::-1] for file in dict.fromkeys((files[0], files[-1]))]
    if len(set(sizes)) > 1:
        videos = [
            ListedVideo(f"{name}_{number}", *read_picture(file).shape[1::-1], 1, DEFAULT_FPS, [file])
            for number, file in zip(numbers, files, strict=True)
        ]
        for video, label in zip(videos, own, strict=True):
            labels.put(video, {0: label})
        return videos
    video = ListedVideo(name, *sizes[0], len(files), pictures_fps(numbers), files)
    labels.put(video, dict(enumerate(own)))
    return [video]


def _of_video_file(name: str, file: Path, frames: _Frames, labels: _Labels) -> ListedVideo:
    video, places = video_of_frames(name, file, [number for number, _ in frames], frames[-1][1].path)
    if any(picture.listed for _, picture in frames):
        video.unlabelled = frozenset(range(video.length)) - set(places)
    labels.put(video, {place: picture.label for place, (_, picture) in zip(places, frames, strict=True)})
    return video


def _common_end(path: Path, other: Path) -> int:
    """How many folders above two files are called alike."""
    pairs = zip(reversed(path.parent.parts), reversed(other.parent.parts), strict=False)
    return next((place for place, (one, two) in enumerate(pairs) if one != two), min(len(path.parts), len(other.parts)))


def _splits(source: Path) -> list[str]:
    try:
        return read_index(source).splits if index_file(source) else []
    except InputError:
        # Of this form, and wrong: opening it says what is.
        return ["train"]


FORM = Form(
    "yolo",
    "YOLO: data.yaml with names, train, val and test, labels/*.txt; or obj.data as CVAT's YOLO 1.1 has it",
    _splits,
    lambda source, split, media, progress: YoloFolder(source, split, media, progress),
)
