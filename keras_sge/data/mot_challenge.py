"""MOTChallenge (Milan et al., MOT16): one folder a sequence, boxes in one text file."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.video.pictures import pictures_in
from keras_sge.data.mot_ground_truth import PEDESTRIAN, MotGroundTruth, read_mot_ground_truth
from keras_sge.data.read_images import read_images, upright_video
from keras_sge.data.video_dataset import FrameLabels, Video, VideoDataset

# MOT16's and MOT17's numbers of what is to be detected; 8 to 13 are distractors, occluders, reflections and crowds.
_MOT_CLASSES = {
    PEDESTRIAN: "pedestrian",
    2: "person_on_vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non_motorized_vehicle",
    7: "static_person",
}
_MOT_OTHERS = range(8, 14)
_SEQINFO = "Expected a section [Sequence] with frameRate, seqLength, imWidth, imHeight and, unless img1, imDir"


class MotChallenge(VideoDataset):
    """A directory with `SPLIT/SEQUENCE/{seqinfo.ini,img1/*.jpg,gt/gt.txt}`.

    Frame n is the n-th image by number. Entries of flag 0 are left out, so that of MOT16 and MOT17 only what their
    protocol evaluates stays. Coordinates are taken as they stand and clipped to the frame, beyond which MOT's boxes
    follow people; a box that lies outside it altogether is left out.

    Classes are the lines of `gt/labels.txt` where the sequences have it, as CVAT writes it, all the same one; else
    MOT16's names of the classes that occur in the split and are objects to detect (1 to 7). A file without classes, or
    with class -1 (MOT15), is of pedestrians.

    Args:
        directory: the root. split: the folder of the sequences, such as `train`.
        progress: wraps the iteration over sequences while they are indexed, such as `tqdm`.

    Raises:
        InputError: a missing file or key, a wrong line, too few images; while it is read: a wrong image. The message
            names file and line.
    """

    def __init__(
        self,
        directory: str | Path,
        split: str,
        progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
    ):
        root = Path(directory) / split
        folders = _sequences(root)
        self.videos, self._images = [], []
        truths: list[MotGroundTruth] = []
        for folder in progress(folders) if progress else folders:
            video, images = _read_sequence(folder, len(self.videos))
            truths.append(read_mot_ground_truth(folder / "gt" / "gt.txt", video))
            self.videos.append(video)
            self._images.append(images)
        class_of, self.classes = _classes(folders, truths)
        self._labels = [_frame_labels(truth, class_of, video) for truth, video in zip(truths, self.videos, strict=True)]
        for index, (video, images) in enumerate(zip(self.videos, self._images, strict=True)):
            self.videos[index], self._labels[index] = upright_video(video, self._labels[index], images[0])

    def labels(self, index: int) -> list[FrameLabels]:
        return self._labels[index]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, paths = self.videos[index], self._images[index][start:stop]
        if not paths:
            raise InputError(f"{video.name} has frames 0 to {video.length - 1}. Received: {start} to {stop}")
        return read_images(paths, video)


def _sequences(root: Path) -> list[Path]:
    if not root.is_dir():
        found = sorted({path.parts[-4] for path in root.parent.glob("*/*/gt/gt.txt")})
        raise InputError(
            f"no folder {root}. Expected MOTChallenge with {root.name}/SEQUENCE/gt/gt.txt; splits found: "
            f"{', '.join(found) or 'none'}."
        )
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise InputError(f"{root} holds no sequence. Expected folders with seqinfo.ini, img1 and gt/gt.txt.")
    return folders


def _read_sequence(folder: Path, number: int) -> tuple[Video, list[Path]]:
    path = folder / "seqinfo.ini"
    if not path.is_file():
        raise InputError(f"no file {path}. {_SEQINFO}; CVAT writes none: add one by hand.")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        keys = parser["Sequence"]
        values = [float(keys[key]) for key in ("frameRate", "seqLength", "imWidth", "imHeight")]
    except KeyError as error:
        raise InputError(f"{path} lacks {error}. {_SEQINFO}.") from error
    except (configparser.Error, ValueError) as error:
        raise InputError(f"{path} is not understood: {' '.join(str(error).split())}. {_SEQINFO}.") from error
    if not all(0 < value < 1e6 for value in values) or any(value != int(value) for value in values[1:]):
        raise InputError(f"{path}: rate, length, width and height must be above 0. Received: {values}")
    rate, (length, width, height) = values[0], (int(value) for value in values[1:])
    images = folder / keys.get("imDir", "img1")
    if not images.is_dir():
        raise InputError(f"no folder {images}, which {path} names for the frames.")
    frames = pictures_in(images)
    if len(frames) != length:
        raise InputError(
            f"{images} holds {len(frames)} images; {path} says seqLength={length}. Each frame needs one image: extract "
            "them again, or correct the length."
        )
    return Video(number, folder.name, width, height, rate, length), frames


def _classes(folders: list[Path], truths: list[MotGroundTruth]) -> tuple[dict[int, int], tuple[str, ...]]:
    """Class number of the files -> index, and the names; numbers that are no objects to detect are not among them."""
    files = [folder / "gt" / "labels.txt" for folder in folders]
    if not any(file.is_file() for file in files):
        _refuse_unknown(truths, {*_MOT_CLASSES, *_MOT_OTHERS}, "a class of MOT16 (1 to 13); names of your own need")
        present = {int(number) for truth in truths for number in truth.classes}
        numbers = sorted(present & set(_MOT_CLASSES)) or [PEDESTRIAN]
        return {number: index for index, number in enumerate(numbers)}, tuple(_MOT_CLASSES[n] for n in numbers)
    lists = [_read_names(file) for file in files]
    for file, names in zip(files, lists, strict=True):
        if names != lists[0]:
            raise InputError(f"{file} has other classes than {files[0]}. All sequences need the same, in one order.")
    _refuse_unknown(truths, set(range(1, len(lists[0]) + 1)), f"a line number (1 to {len(lists[0])}) of")
    return {number: number - 1 for number in range(1, len(lists[0]) + 1)}, lists[0]


def _read_names(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise InputError(f"no file {file}. Other sequences have one: each needs it, with one class name a line.")
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text file. Expected one class name a line.") from error
    if not names or len(set(names)) != len(names):
        raise InputError(f"{file} must list distinct class names, one a line. Received: {', '.join(names) or 'none'}")
    return names


def _refuse_unknown(truths: list[MotGroundTruth], known: set[int], expected: str) -> None:
    for truth in truths:
        for number, line in zip(truth.classes.tolist(), truth.lines.tolist(), strict=True):
            if number not in known:
                raise InputError(f"{truth.path}:{line} has class {number}. Expected {expected} gt/labels.txt.")


def _frame_labels(truth: MotGroundTruth, class_of: dict[int, int], video: Video) -> list[FrameLabels]:
    chosen = [index for index, number in enumerate(truth.classes.tolist()) if number in class_of]
    # Within a frame the file's order stays.
    order = np.array(sorted(chosen, key=lambda index: truth.frames[index]), np.int64)
    classes = np.array([class_of[number] for number in truth.classes[order].tolist()], np.int32)
    bounds = np.searchsorted(truth.frames[order], np.arange(1, video.length))
    parts = (np.split(values, bounds) for values in (truth.boxes[order], classes, truth.tracks[order]))
    return [FrameLabels(*part) for part in zip(*parts, strict=True)]
