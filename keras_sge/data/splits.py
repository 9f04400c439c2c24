"""Parts of a data set: recordings, blocks of neighbouring ones and folds of blocks, lists of frames."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.pictures import natural_order
from keras_sge.config.training import BLOCKS, Fold
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.views import VideoSubset

# What follows the source's part of a name: windows, the snippets that ImageNet VID's training videos are, and the
# detectors that MOT17 repeats its sequences for.
_PARTS = (r"(.*_\d+)_\d{1,3}", r"(ILSVRC2015_train_\d{5})\d{3}", r"(MOT\d\d-\d+)-\w+")
_EXPECTED = "Expected `VIDEO`, `VIDEO LABEL`, `VIDEO/FRAME INDEX` or `VIDEO INDEX FRAME LENGTH`"


def source_name(video: str) -> str:
    """The source of a video by its name: `V_BIRD_012_3` is window 3 of `V_BIRD_012`, and others are their own.

    `ILSVRC2015_train_00005003` is snippet 3 of source 5.
    """
    video = re.sub(r"\.(mp4|avi|mov|mkv|webm)$", "", video, flags=re.IGNORECASE)
    found = next(filter(None, (re.fullmatch(pattern, video) for pattern in _PARTS)), None)
    return found[1] if found else video


def video_blocks(dataset: VideoDataset) -> np.ndarray:
    """The block of neighbouring recordings that each video belongs to: int (videos,), 0 to 7.

    Recordings with neighbouring numbers often show one scene, so they stay together: the recordings of a class in the
    natural order of their names are cut into eight runs of nearly equal length, block 0 to 7 of that class; those
    without an object are a class of their own.
    """
    block = {
        source: place * BLOCKS // len(group)
        for group in recordings_by_class(dataset).values()
        for place, source in enumerate(group)
    }
    return np.array([block[source_name(video.name)] for video in dataset.videos], np.int16)


def recordings_by_class(dataset: VideoDataset) -> dict[int, list[str]]:
    """Class index -> its recordings in the natural order of their names; -1 -> those without an object.

    A recording's class is the most frequent one of its labels.
    """
    counts: dict[str, np.ndarray] = {}
    for index, video in enumerate(dataset.videos):
        total = counts.setdefault(source_name(video.name), np.zeros(len(dataset.classes), np.int64))
        for frame in dataset.labels(index):
            np.add.at(total, frame.classes, 1)
    of_class: dict[int, list[str]] = defaultdict(list)
    for source in sorted(counts, key=natural_order):
        of_class[int(counts[source].argmax()) if counts[source].any() else -1].append(source)
    return of_class


def fold_split(dataset: VideoDataset, fold: Fold) -> tuple[VideoSubset, VideoSubset]:
    """Splits by blocks of recordings, see `video_blocks`.

    Args:
        dataset: the whole of a split. fold: which blocks of every class are held back.

    Returns:
        What is left for training, and the videos held back.

    Raises:
        InputError: the data set has so few recordings that one of the two would be empty.
    """
    held_back = np.isin(video_blocks(dataset), list(fold.blocks))
    if held_back.all() or not held_back.any():
        sources = len({source_name(video.name) for video in dataset.videos})
        raise InputError(
            f"fold {fold} would hold {'all' if held_back.all() else 'none'} of the data set's {sources} recordings "
            "back. Expected some on either side: take another fold, or fewer, or none (data.fold=null)."
        )
    training, development = (VideoSubset(dataset, np.flatnonzero(side).tolist()) for side in (~held_back, held_back))
    return training, development


def apart_from(dataset: VideoDataset, held_back: VideoDataset) -> VideoSubset:
    """The videos of `dataset` that show nothing of recordings held back, nor of those numbered between them.

    Names joined by `+`, as of pasted clips, are of several recordings. Between two names that differ in their last
    number only, such as `V_BIRD_004` and `V_BIRD_011`, neighbours lie: they may show the same scene.

    Args:
        dataset: more training videos. held_back: of the fold.

    Raises:
        InputError: nothing would be left.
    """
    ranges: dict[str, tuple[int, int]] = {}
    names = {source_name(video.name) for video in held_back.videos}
    for stem, number in filter(None, map(_numbered, names)):
        low, high = ranges.get(stem, (number, number))
        ranges[stem] = min(low, number), max(high, number)

    def held(name: str) -> bool:
        stem, number = _numbered(name) or ("", 0)
        low, high = ranges.get(stem, (1, 0))
        return name in names or low <= number <= high

    kept = [
        index
        for index, video in enumerate(dataset.videos)
        if not any(held(source_name(part)) for part in video.name.split("+"))
    ]
    if not kept:
        raise InputError("every video of a data set that is mixed in (data.mix) shows a recording that is held back.")
    return VideoSubset(dataset, kept)


def _numbered(name: str) -> tuple[str, int] | None:
    """A name without the number at its end, and the number."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else None


def read_frame_list(path: str | Path) -> dict[str, list[int] | None]:
    """Reads one list. Every line has the same one of these forms:

    - `val/ILSVRC2015_val_00000000/000000 1`: a frame and its running number (`VID_val_frames.txt`, `val.txt`);
    - `train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 10 300`: a video, a number that is not looked at, a
      frame and the video's length (`VID_train_15frames.txt`);
    - `val/ILSVRC2015_val_00000001 465 0 464`: the same with frame 0 once a video in all of the file: whole videos
      (`VID_val_videos.txt`);
    - `ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1`: a whole video and its label (`train_1.txt`), or its name
      alone.

    Args:
        path: the text file. Empty lines are passed over; a frame listed twice counts once.

    Returns:
        Video name (its last folder) -> ascending 0-based frame numbers, the numbers of the files; None for all frames.
        Videos are in the order of their first lines.

    Raises:
        InputError: the file is missing or holds nothing, or a line is none of these; the message has file and line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"cannot read the frame list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file. {_EXPECTED} on each line.") from error
    entries = [
        (number, _entry(words, f"{path}:{number}"), len(words))
        for number, words in enumerate((line.split() for line in lines), start=1)
        if words
    ]
    if not entries:
        raise InputError(f"{path} lists nothing. {_EXPECTED} on each line.")
    first = entries[0]
    for number, (_, frame), columns in entries:
        if columns != first[2] or (frame is None) != (first[1][1] is None):
            raise InputError(f"{path}:{number} has another form than line {first[0]}. {_EXPECTED} throughout.")
    pairs = [pair for _, pair, _ in entries]
    names = list(dict.fromkeys(name for name, _ in pairs))
    if first[2] == 4 and len(names) == len(pairs) and not any(frame for _, frame in pairs):
        return dict.fromkeys(names)
    # All entries have a frame, or none has.
    frames: dict[str, set[int]] = {name: set() for name in names}
    for name, frame in pairs:
        if frame is not None:
            frames[name].add(frame)
    return {name: sorted(chosen) or None for name, chosen in frames.items()}


def _entry(words: list[str], where: str) -> tuple[str, int | None]:
    numbers = [_whole(word, where) for word in words[1:]]
    folder, _, name = words[0].rpartition("/")
    if len(words) == 4 and name and not name.isdecimal():
        _, frame, length = numbers
        if not 0 <= frame < length:
            raise InputError(f"{where} has frame {frame} of a video of {length} frames. Expected 0 to {length - 1}.")
        return name, frame
    if len(words) <= 2 and name:
        if not name.isdecimal():
            return name, None
        if video := folder.rpartition("/")[2]:
            return video, _whole(name, where)
    raise InputError(f"{where} is not understood: {' '.join(words)[:80]!r}. {_EXPECTED}.")


def _whole(word: str, where: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise InputError(f"{where}: {word[:60]!r} is no whole number. {_EXPECTED}.") from error
