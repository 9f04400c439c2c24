"""Which pictures are frames of one video, by their names."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from edge.video.source import DEFAULT_FPS
from keras_sge.data.formats.media import video_name

# What exporters put behind a picture's own name: Roboflow's hash, endings of the files that it was made from.
_EXPORTED = re.compile(r"\.rf\.[0-9A-Za-z]+$|[._](?:jpe?g|png|bmp|webp)$", re.IGNORECASE)
_ROBOFLOW = ".rf."
# Names that say that the number behind them is a frame's.
_OF_A_VIDEO = re.compile(r"frame|[._](?:mp4|avi|mov|mkv|webm|m4v)(?:\b|[-_])", re.IGNORECASE)
# Above this share of steps between numbers that are alike other names are frames, too.
_REGULAR = 0.5
# Digits that the number of a frame can have.
_MOST_DIGITS = 15


class FrameName(NamedTuple):
    """A picture's name: its folder, what comes before and behind its last number, and whether Roboflow gave it; names
    of frames of one video are alike in all of these. `before` is the whole name where there is no number."""

    folder: str
    before: str
    behind: str
    roboflow: bool


def group_frames(names: Sequence[str], split: str = "") -> dict[str, list[tuple[int, str]]]:
    """Puts pictures that are frames of one video together.

    Names that differ in their last number only are frames of one video, if they lie in one folder, no number is there
    twice, and either they say so (`frame_000012.png`, `clip_mp4-0012_jpg.rf.8a7b.jpg`) or most numbers are equally far
    apart. Any other picture is a video of its own: photographs are often numbered, too, so that of Roboflow's exports
    only those are believed that say so.

    Args:
        names: paths, with either slash. split: a folder for the names of all videos, where several splits are of one
            data set and may hold videos of one name, or frames of one video.

    Returns:
        A video's name -> number and name of each of its frames, by number; a single picture has the number 0. Videos
        are in the order of their first pictures.
    """
    groups: dict[FrameName, list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        own, number = frame_name(name)
        groups[own].append((number or 0, name))
    taken: set[str] = set()
    videos: dict[str, list[tuple[int, str]]] = {}
    for own, frames in groups.items():
        if look_like_frames(own, [number for number, _ in frames]):
            videos[video_name(f"{split}/{video_title(own) or 'video'}", taken)] = sorted(frames)
        else:
            videos |= {video_name(f"{split}/{picture_title(name)}", taken): [(0, name)] for _, name in frames}
    return videos


def frame_name(name: str) -> tuple[FrameName, int | None]:
    """The parts of a picture's name, and its last number; None where it has none that a frame could have."""
    folder, stem = _folder_and_stem(name)
    roboflow = _ROBOFLOW in name
    found = re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", stem, re.DOTALL)
    if not found or len(found[2]) > _MOST_DIGITS:
        return FrameName(folder, stem, "", roboflow), None
    return FrameName(folder, found[1], found[3], roboflow), int(found[2])


def look_like_frames(own: FrameName, numbers: Sequence[int]) -> bool:
    """Whether pictures of one name and these numbers are taken for the frames of a video, by the rule of
    `group_frames`."""
    numbers = sorted(numbers)
    if len(numbers) < 2 or len(set(numbers)) != len(numbers):
        return False
    if _OF_A_VIDEO.search(own.before + own.behind):
        return True
    steps = Counter(later - earlier for earlier, later in itertools.pairwise(numbers))
    step, count = steps.most_common(1)[0]
    return count > _REGULAR * (len(numbers) - 1) and (count > 1 or step == 1) and not own.roboflow


def pictures_fps(numbers: Sequence[int]) -> float:
    """Frames per second of pictures with these ascending numbers: 30, and less where frames between were not kept."""
    return DEFAULT_FPS * max(1, len(numbers) - 1) / max(1, numbers[-1] - numbers[0])


def video_title(own: FrameName) -> str:
    """What a video is called by the names of its frames; "" where these say nothing."""
    before = re.sub(r"[-_. ]*(?:frame)?[-_. ]*$", "", own.before, count=1, flags=re.IGNORECASE)
    return f"{own.folder}/{before}{own.behind}".strip("/")


def picture_title(name: str) -> str:
    """What a video of one picture is called: as its file, without what exporters put behind."""
    return "/".join(filter(None, _folder_and_stem(name)))


def _folder_and_stem(name: str) -> tuple[str, str]:
    path = PurePosixPath(name.replace("\\", "/"))
    stem = path.stem
    while (shorter := _EXPORTED.sub("", stem)) != stem and shorter:
        stem = shorter
    folder = "/".join(part for part in path.parent.parts if part not in ("/", ".", ".."))
    return folder, stem
