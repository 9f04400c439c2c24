"""Which sources `sge-edge detect` was given, and which files it writes for them."""

from __future__ import annotations

import argparse
import glob
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edge.atomic import check_folder, check_writable
from edge.errors import InputError
from edge.sinks.contact_sheet import ContactSheet
from edge.sources.image_source import IMAGE_SUFFIXES, natural_order

VIDEO_SUFFIXES = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")


def is_live(word: str) -> bool:
    """Whether a source is a camera's number or a URL, which may have no end."""
    return word.isdigit() or "://" in word


def list_sources(words: Sequence[str]) -> list[str]:
    """The sources that the words of a command line name: a pattern is what it matches, a folder of videos its videos.

    Raises:
        InputError: a pattern matches nothing, a folder holds both images and videos, or a file does not exist.
    """
    sources: list[str] = []
    for word in words:
        path = Path(word)
        if is_live(word):
            sources.append(word)
        elif path.is_dir():
            sources += _of_folder(path)
        elif path.exists():
            sources.append(word)
        elif glob.has_magic(word):
            matches = [Path(match) for match in glob.glob(word, recursive=True)]
            if not matches:
                raise InputError(f"no file matches {word}. Give a video file, a folder, a camera number or a URL.")
            sources += map(str, sorted(matches, key=natural_order))
        else:
            raise InputError(
                f"no such source: {word}. Give a video file, a folder of frames or of videos, a camera number or a URL."
            )
    return sources


def stream_ids(names: Sequence[str]) -> list[str]:
    """Names that all differ, for results by stream: a name that came before gets a number."""
    seen: Counter[str] = Counter()
    ids = []
    for name in names:
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return ids


def file_ids(paths: Sequence[str]) -> list[str]:
    """Stream ids of files: their names, or where two have the same name all the paths as they were given."""
    names = [Path(path).name for path in paths]
    return stream_ids(names if len(set(names)) == len(names) else [Path(path).as_posix() for path in paths])


class OutputFiles:
    """The files of --save, --sheet and --jsonl. A folder in place of a file gets a file for each source.

    Args:
        arguments: of the command. sources: all of them. model: the model's file.

    Raises:
        InputError: an output cannot be written, would replace an input or another, or several sources would share one.
    """

    def __init__(self, arguments: argparse.Namespace, sources: Sequence[str], model: Path):
        self._save, self._sheet, self._jsonl = arguments.save, arguments.sheet, arguments.jsonl
        self._inputs = [model, *(Path(source) for source in sources if not is_live(source))]
        for option, name, suffixes in self._pictures():
            if _is_folder(name):
                check_folder(name)
            elif Path(name).suffix.lower() not in suffixes:
                raise InputError(f"--{option} writes {' or '.join(suffixes)} files. Received: {name}")
            elif len(sources) > 1:
                raise InputError(
                    f"--{option} {name} is one file for {len(sources)} sources. Give a folder's name: each source gets "
                    "a file in it."
                )
        single = [name for _, name, _ in self._pictures() if not _is_folder(name)]
        lines = [self._jsonl] if self._jsonl and self._jsonl != "-" else []
        self._check([Path(name) for name in single + lines])

    def named(self) -> list[str]:
        """What was asked for, in the order of the options."""
        return list(dict.fromkeys(name for name in (self._save, self._sheet, self._jsonl) if name and name != "-"))

    def of(self, ids: Sequence[str]) -> list[dict[str, Path]]:
        """For each source its files by option, `save` and `sheet`; ids tell the files of a folder apart.

        Raises:
            InputError: one is there already in a folder, where nobody named it.
        """
        stems = stream_ids([re.sub(r"[^\w.-]+", "_", one).removesuffix(".mp4").strip("._") for one in ids])
        files: list[dict[str, Path]] = [{} for _ in ids]
        for option, name, suffixes in self._pictures():
            for stem, entry in zip(stems, files, strict=True):
                entry[option] = Path(name) / f"{stem}{suffixes[0]}" if _is_folder(name) else Path(name)
                if _is_folder(name) and entry[option].exists():
                    raise InputError(f"{entry[option]} exists already. Remove it, or give --{option} another folder.")
        return files

    def _pictures(self) -> list[tuple[str, str, tuple[str, ...]]]:
        options = ("save", self._save, (".mp4",)), ("sheet", self._sheet, ContactSheet.SUFFIXES)
        return [(option, name, suffixes) for option, name, suffixes in options if name]

    def _check(self, outputs: list[Path]) -> None:
        for output in outputs:
            check_writable(output)
            for taken in self._inputs:
                if output.exists() and taken.exists() and output.samefile(taken):
                    raise InputError(f"{output} would replace {taken}, which is being read. Give another name.")
            if sum(output.resolve() == other.resolve() for other in outputs) > 1:
                raise InputError(f"two of --save, --sheet and --jsonl name {output}. Give each a name of its own.")


def _is_folder(name: str) -> bool:
    return name.endswith(("/", "\\")) or not Path(name).suffix or Path(name).is_dir()


def _of_folder(folder: Path) -> list[str]:
    suffixes = {item.suffix.lower() for item in folder.iterdir()}
    videos = suffixes & {*VIDEO_SUFFIXES}
    if not videos:
        return [str(folder)]
    if suffixes & {*IMAGE_SUFFIXES}:
        raise InputError(
            f"{folder} holds images and videos: its frames, or its videos? Give the videos as {folder / '*'}"
            f"{min(videos)}, or the frames in a folder of their own."
        )
    found = [item for item in folder.iterdir() if item.suffix.lower() in VIDEO_SUFFIXES]
    return [str(path) for path in sorted(found, key=natural_order)]
