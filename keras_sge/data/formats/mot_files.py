"""The files of one sequence of MOTChallenge: seqinfo.ini, gt/gt.txt, gt/labels.txt."""

from __future__ import annotations

import configparser
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.errors import InputError
from edge.video.pictures import pictures_in
from keras_sge.data.formats.annotation_values import LARGEST_SIDE
from keras_sge.data.formats.form import read_text
from keras_sge.data.formats.listed_videos import ListedVideo
from keras_sge.data.formats.media import find_media, measure

PEDESTRIAN = 1
_EXPECTED = "Expected frame, id, left, top, width, height, flag[, class, visibility]: 7 to 10 numbers with commas"
_SEQINFO = "Expected a section [Sequence] with frameRate, seqLength, imWidth, imHeight and, unless img1, imDir"


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


def read_mot_ground_truth(path: Path, video: ListedVideo, first: int = 1) -> MotGroundTruth:
    """Reads one file; an absent class is 1.

    Args:
        path: comma-separated, a line an entry. video: the sequence. first: the number of its first frame.

    Raises:
        InputError: the file is missing, or a line has other columns, no numbers, a frame beyond the sequence, or
            the frame and the id of another line with another box; the message has file and line.
    """
    text = read_text(path, f"{_EXPECTED}, in SEQUENCE/gt/gt.txt")
    entries, known = [], {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (entry := _entry(line, number, f"{path}:{number}", video, first)) is None:
            continue
        entries.append(entry)
        # -1 stands for no identity; what does not count or has no area has none to lose.
        x1, y1, x2, y2 = entry.corners
        has_one = entry.track >= 0 and entry.counts and x1 < x2 and y1 < y2
        same = known.setdefault((entry.frame, entry.track), entry) if has_one else entry
        if entry[:-1] != same[:-1]:
            raise InputError(
                f"{path}:{number} has frame {entry.frame + first} and id {entry.track} of line {same.line} and another "
                "box or class. An id is one object: give one of the two another, or remove it."
            )
    return MotGroundTruth(path, entries)


def _entry(line: str, number: int, where: str, video: ListedVideo, first: int) -> MotEntry | None:
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
        _check(where, first, video.length, frame, track, kind, (left, top, width, height))
    except InputError:
        # A line that does not count may be anything.
        if flag == 0:
            return None
        raise
    # A float does not hold every id of 16 digits and more.
    track = int(words[1]) if words[1].strip().lstrip("+-").isdecimal() else int(track)
    corners = left, top, left + width, top + height
    return MotEntry(int(frame) - first, track, int(kind), corners, flag != 0, number)


def _check(
    where: str, first: int, length: int, frame: float, track: float, kind: float, box: tuple[float, ...]
) -> None:
    for name, value in (("frame", frame), ("id", track), ("class", kind)):
        if not value.is_integer():
            raise InputError(f"{where}: the {name} must be a whole number. Received: {value:g}")
    if not first <= frame < first + length:
        raise InputError(f"{where} is of frame {frame:g}. The sequence has frames {first} to {first + length - 1}.")
    if not all(map(math.isfinite, box)):
        raise InputError(
            f"{where} has the box {', '.join(f'{side:g}' for side in box)}. Expected numbers: left, top, width, height."
        )


def read_sequence(folder: Path, media: Path | None = None, alone: bool = True) -> tuple[ListedVideo, int]:
    """A sequence without its entries, and the number of its first frame: 1, but where pictures are numbered otherwise.

    Without seqinfo.ini, as CVAT exports it, size and length are those of the pictures in img1 or of `media`, and the
    rate is 30 where no video file says another.

    Args:
        folder: with gt/gt.txt. media: a video file, or a folder of videos or pictures. alone: whether there is no
            other sequence that `media` could belong to.

    Raises:
        InputError: a missing or wrong file.
    """
    if (folder / "seqinfo.ini").is_file():
        return _described_sequence(folder, folder / "seqinfo.ini"), 1
    name, own = folder.resolve().name, folder / "img1"
    pictures = pictures_in(own) if own.is_dir() else []
    frames = pictures or find_media([name], [folder, folder.parent], media, alone)
    if frames is None:
        raise InputError(
            f"{folder} has no seqinfo.ini, no pictures in img1 and no video beside it: nothing says the frames' size. "
            f"Name the video or the folder of its frames with --media PATH, or add seqinfo.ini. {_SEQINFO}."
        )
    width, height, fps, length = measure(frames)
    if length is None:
        raise InputError(f"{frames} does not say how many frames it has. Encode it anew, for example as mp4.")
    first = _first_number(frames) if isinstance(frames, list) else 1
    return ListedVideo(name, width, height, length, fps, frames), first


def _first_number(pictures: list[Path]) -> int:
    """What frame number the first picture stands for: its own where all are named by nothing but numbers."""
    if not all(picture.stem.isdecimal() for picture in pictures):
        return 1
    numbers = [int(picture.stem) for picture in pictures]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        gap = next(a + 1 for a, b in itertools.pairwise(numbers) if b != a + 1)
        raise InputError(
            f"{pictures[0].parent} holds {len(numbers)} pictures from {numbers[0]} to {numbers[-1]} and none of number "
            f"{gap}. Each frame needs one picture: export them again."
        )
    return numbers[0]


def _described_sequence(folder: Path, path: Path) -> ListedVideo:
    """A sequence as its seqinfo.ini describes it."""
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


def read_class_names(file: Path) -> tuple[str, ...]:
    """The lines of gt/labels.txt."""
    if not file.is_file():
        raise InputError(f"no file {file}. Other sequences have one: each needs it, with one class name a line.")
    lines = read_text(file, "Expected one class name a line").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(set(names)) != len(names):
        raise InputError(f"{file} must list distinct class names, one a line. Received: {', '.join(names) or 'none'}")
    return names
