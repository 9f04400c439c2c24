"""Which pictures are frames of one video, by their names."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

# What exporters put behind a picture's own name: Roboflow's hash, endings of the files that it was made from.
_EXPORTED = re.compile(r"\.rf\.[0-9A-Za-z]+$|[._](?:jpe?g|png|bmp|webp)$", re.IGNORECASE)
# Names that say that the number behind them is a frame's.
_OF_A_VIDEO = re.compile(r"frame|[._](?:mp4|avi|mov|mkv|webm|m4v)(?:\b|[-_])", re.IGNORECASE)
# Above this share of steps between numbers that are alike other names are frames, too.
_REGULAR = 0.5


def group_frames(names: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
    """Puts pictures that are frames of one video together.

    Names that differ in their last number only are frames of one video, if they lie in one folder, no number is there
    twice, and either they say so (`frame_000012.png`, `clip_mp4-0012_jpg.rf.8a7b.jpg`) or most numbers are equally far
    apart. Any other picture is a video of its own: photographs are often numbered, too.

    Args:
        names: paths, with either slash.

    Returns:
        A video's name -> number and name of each of its frames, by number; a single picture has the number 0. Videos
        are in the order of their first pictures.
    """
    groups: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        folder, stem = _folder_and_stem(name)
        found = re.fullmatch(r"(.*?)(\d+)(\D*)", stem)
        key = f"{found[1]}#{found[3]}" if found else stem
        groups[folder, key].append((int(found[2]) if found else 0, name))
    videos: dict[str, list[tuple[int, str]]] = {}
    for (folder, key), frames in groups.items():
        if _is_video(key, frames):
            own = re.sub(r"[-_. ]*(?:frame)?[-_. ]*#", "", key, flags=re.IGNORECASE)
            videos[_free(f"{folder}/{own}".strip("/") or "video", videos)] = sorted(frames)
            continue
        for _, name in frames:
            videos[_free("/".join(filter(None, _folder_and_stem(name))), videos)] = [(0, name)]
    return videos


def _folder_and_stem(name: str) -> tuple[str, str]:
    path = PurePosixPath(name.replace("\\", "/"))
    stem = path.stem
    while (shorter := _EXPORTED.sub("", stem)) != stem and shorter:
        stem = shorter
    folder = "/".join(part for part in path.parent.parts if part not in ("/", ".", ".."))
    return folder, stem


def _is_video(key: str, frames: Sequence[tuple[int, str]]) -> bool:
    numbers = sorted(number for number, _ in frames)
    if len(numbers) < 2 or len(set(numbers)) != len(numbers):
        return False
    steps = Counter(later - earlier for earlier, later in itertools.pairwise(numbers))
    step, count = steps.most_common(1)[0]
    regular = count > _REGULAR * (len(numbers) - 1) and (count > 1 or step == 1)
    return regular or bool(_OF_A_VIDEO.search(key))


def _free(name: str, taken: dict[str, list[tuple[int, str]]]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
