"""MOTChallenge: sequences of images, and `gt.txt` with the objects of all frames."""

from __future__ import annotations

import configparser
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from edge.video.pictures import pictures_in
from keras_sge.data.formats.annotation_values import LARGEST_SIDE, Annotation, label_gap
from keras_sge.data.formats.form import Form, read_text
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.progress import Progress, no_progress

PEDESTRIAN = 1
_EXPECTED = "Expected frame, id, left, top, width, height, flag[, class, visibility]: 7 to 10 numbers with commas"
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
# Taken for pedestrians with reason: person on vehicle, static person, distractor, reflection, crowd.
_LIKE_PEDESTRIANS = (2, 7, 8, 12, 13)
_SEQINFO = "Expected a section [Sequence] with frameRate, seqLength, imWidth, imHeight and, unless img1, imDir"


class MotChallenge(ListedVideos):
    """A directory with `SPLIT/SEQUENCE/{seqinfo.ini,img1/*.jpg,gt/gt.txt}`.

    Frame n is the n-th image by number. Of MOT16 and MOT17 only what their protocol evaluates is an object: an entry of
    flag 0, and what its number says is like a pedestrian without being one to detect, is a region to ignore; other
    entries are left out. A line that repeats another one is taken once. Coordinates are taken as they stand and clipped
    to the frame, beyond which MOT's boxes follow people; a box without area inside it is left out.

    Where entries stand on every k-th frame only, those between are unlabelled (`Video.unlabelled`).

    Classes are the lines of `gt/labels.txt` where the sequences have it, as CVAT writes it, all the same one; else
    MOT16's names of the classes that occur in the split and are objects to detect (1 to 7). A file without classes, or
    with class -1 (MOT15), is of pedestrians.

    Args:
        directory: the root. split: the folder of the sequences, such as `train`.
        progress: around the sequences while they are indexed.

    Raises:
        InputError: a missing file or key, a wrong line, too few images; while it is read: a wrong image. The message
            names file and line.
    """

    def __init__(
        self,
        directory: str | Path,
        split: str,
        progress: Progress = no_progress,
    ):
        root = Path(directory) / split
        folders = _sequences(root)
        listed: list[ListedVideo] = []
        truths: list[MotGroundTruth] = []
        for folder in progress(folders):
            video = _read_sequence(folder)
            truths.append(read_mot_ground_truth(folder / "gt" / "gt.txt", video))
            listed.append(video)
        class_of, ignored, classes = _classes(folders, truths)
        for truth, video in zip(truths, listed, strict=True):
            _add_entries(video, truth, class_of, ignored)
        _mark_unlabelled(listed, truths)
        super().__init__(classes, listed)


class MotEntry(NamedTuple):
    """One line: frame from 0, track, the file's class number, x1, y1, x2, y2 in pixels, whether its flag says that it
    counts, and where it stands in the file, from 1."""

    frame: int
    track: int
    kind: int
    corners: tuple[float, float, float, float]
    counts: bool
    line: int


@dataclass(frozen=True)
class MotGroundTruth:
    """One file.

    Attributes:
        path: the file. entries: its lines, in its order.
    """

    path: Path
    entries: list[MotEntry]


def read_mot_ground_truth(path: Path, video: ListedVideo) -> MotGroundTruth:
    """Reads one file; an absent class is 1.

    Args:
        path: comma-separated, a line an entry, frames from 1. video: the sequence.

    Raises:
        InputError: the file is missing, or a line has other columns, no numbers, a frame beyond the sequence, or
            the frame and the id of another line with another box; the message has file and line.
    """
    text = read_text(path, f"{_EXPECTED}, in SEQUENCE/gt/gt.txt")
    entries, first = [], {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (entry := _entry(line, number, f"{path}:{number}", video)) is None:
            continue
        entries.append(entry)
        # -1 stands for no identity; what does not count or has no area has none to lose.
        x1, y1, x2, y2 = entry.corners
        has_one = entry.track >= 0 and entry.counts and x1 < x2 and y1 < y2
        same = first.setdefault((entry.frame, entry.track), entry) if has_one else entry
        if entry[:-1] != same[:-1]:
            raise InputError(
                f"{path}:{number} has frame {entry.frame + 1} and id {entry.track} of line {same.line} and another "
                "box or class. An id is one object: give one of the two another, or remove it."
            )
    return MotGroundTruth(path, entries)


def _entry(line: str, number: int, where: str, video: ListedVideo) -> MotEntry | None:
    """One line; None for one whose flag is 0 and that no rule could read."""
    words = [word for word in line.split(",") if word.strip()]
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{where} is not understood: {error}. {_EXPECTED}.") from error
    if not 7 <= len(values) <= 10:
        raise InputError(f"{where} has {len(values)} columns. {_EXPECTED}.")
    frame, track, left, top, width, height, flag = values[:7]
    kind = values[7] if len(values) > 7 and values[7] != -1 else float(PEDESTRIAN)
    try:
        _check(where, video, frame, track, kind, (left, top, width, height))
    except InputError:
        # A line that does not count may be anything.
        if flag == 0:
            return None
        raise
    # A float does not hold every id of 16 digits and more.
    track = int(words[1]) if words[1].strip().lstrip("+-").isdecimal() else int(track)
    corners = left, top, left + width, top + height
    return MotEntry(int(frame) - 1, track, int(kind), corners, flag != 0, number)


def _check(where: str, video: ListedVideo, frame: float, track: float, kind: float, box: tuple[float, ...]) -> None:
    for name, value in (("frame", frame), ("id", track), ("class", kind)):
        if not value.is_integer():
            raise InputError(f"{where}: the {name} must be a whole number. Received: {value:g}")
    if not 1 <= frame <= video.length:
        raise InputError(f"{where} is of frame {frame:g}. The sequence has frames 1 to {video.length}.")
    if not all(map(math.isfinite, box)):
        raise InputError(
            f"{where} has the box {', '.join(f'{side:g}' for side in box)}. Expected numbers: left, top, width, height."
        )


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


def _read_sequence(folder: Path) -> ListedVideo:
    """A sequence as its seqinfo.ini describes it, without its entries."""
    path = folder / "seqinfo.ini"
    if not path.is_file():
        raise InputError(f"no file {path}. {_SEQINFO}; CVAT writes none: add one by hand.")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        keys = parser["Sequence"]
        values = [float(keys[key]) for key in ("frameRate", "seqLength", "imWidth", "imHeight")]
    except KeyError as error:
        raise InputError(f"{path} lacks {error}. {_SEQINFO}.") from error
    except (configparser.Error, ValueError) as error:
        raise InputError(f"{path} is not understood: {' '.join(str(error).split())}. {_SEQINFO}.") from error
    if not all(0 < value < 1e6 for value in values) or any(value != int(value) for value in values[1:]):
        raise InputError(f"{path}: rate, length, width and height must be above 0. Received: {values}")
    if max(values[2:]) > LARGEST_SIDE:
        raise InputError(f"{path}: a frame's sides are at most {LARGEST_SIDE} px. Received: {values[2:]}")
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
    return ListedVideo(folder.name, width, height, length, rate, frames)


def _classes(
    folders: list[Path], truths: list[MotGroundTruth]
) -> tuple[dict[int, int], dict[int, int], tuple[str, ...]]:
    """Class number of the files -> index, of what is an object and of what is to ignore; and the names."""
    files = [folder / "gt" / "labels.txt" for folder in folders]
    if not any(file.is_file() for file in files):
        _refuse_unknown(truths, {*_MOT_CLASSES, *_MOT_OTHERS}, "a class of MOT16 (1 to 13); names of your own need")
        present = {entry.kind for truth in truths for entry in truth.entries if entry.counts}
        numbers = sorted(present & set(_MOT_CLASSES)) or [PEDESTRIAN]
        class_of = {number: index for index, number in enumerate(numbers)}
        like = dict.fromkeys(_LIKE_PEDESTRIANS, class_of[PEDESTRIAN]) if PEDESTRIAN in class_of else {}
        return class_of, like | class_of, tuple(_MOT_CLASSES[number] for number in numbers)
    lists = [_read_names(file) for file in files]
    for file, names in zip(files, lists, strict=True):
        if names != lists[0]:
            raise InputError(f"{file} has other classes than {files[0]}. All sequences need the same, in one order.")
    _refuse_unknown(truths, set(range(1, len(lists[0]) + 1)), f"a line number (1 to {len(lists[0])}) of")
    class_of = {number: number - 1 for number in range(1, len(lists[0]) + 1)}
    return class_of, class_of, lists[0]


def _read_names(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise InputError(f"no file {file}. Other sequences have one: each needs it, with one class name a line.")
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text file. Expected one class name a line.") from error
    if not names or len(set(names)) != len(names):
        raise InputError(f"{file} must list distinct class names, one a line. Received: {', '.join(names) or 'none'}")
    return names


def _refuse_unknown(truths: list[MotGroundTruth], known: set[int], expected: str) -> None:
    for truth in truths:
        for entry in truth.entries:
            if entry.counts and entry.kind not in known:
                raise InputError(
                    f"{truth.path}:{entry.line} has class {entry.kind}. Expected {expected} gt/labels.txt."
                )


def _add_entries(
    video: ListedVideo, truth: MotGroundTruth, class_of: dict[int, int], ignored: dict[int, int]
) -> None:
    for entry in truth.entries:
        is_object = entry.counts and entry.kind in class_of
        kind = (class_of if is_object else ignored).get(entry.kind)
        if kind is None:
            video.left_out.setdefault(entry.frame, []).append("left out: not among what MOT16 evaluates")
        else:
            annotation = Annotation(entry.corners, kind, entry.track, not is_object)
            video.entries.setdefault(entry.frame, []).append(annotation)


def _mark_unlabelled(videos: list[ListedVideo], truths: list[MotGroundTruth]) -> None:
    """The format cannot say that a frame is unlabelled; entries on every k-th frame of all sequences do."""
    frames = [sorted({entry.frame for entry in truth.entries}) for truth in truths]
    gap = label_gap(frames)
    if gap == 1:
        return
    for video, own in zip(videos, frames, strict=True):
        if own:
            video.unlabelled = frozenset(range(video.length)) - set(range(own[0] % gap, video.length, gap))


def _splits(source: Path) -> list[str]:
    return sorted({path.parts[-4] for path in source.glob("*/*/gt/gt.txt")})


FORM = Form(
    "mot",
    "MOTChallenge: SPLIT/SEQUENCE/ with seqinfo.ini, img1/ and gt/gt.txt",
    _splits,
    lambda source, split, frames, progress: MotChallenge(source, split, progress),
)
