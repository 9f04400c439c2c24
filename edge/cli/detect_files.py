"""Which files `sge-edge detect` writes for its sources."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.atomic import check_folder, check_writable
from edge.errors import InputError
from edge.sinks.contact_sheet import ContactSheet
from edge.video.open import Entry


class OutputFiles:
    """The files of --save, --sheet and --jsonl. A folder in place of a file gets a file for each source.

    Args:
        arguments: of the command. sources: as `find_sources` gives them. model: the model's file.

    Raises:
        InputError: an output cannot be written, would replace an input or another, or several sources would share one.
    """

    def __init__(self, arguments: argparse.Namespace, sources: Mapping[str, Entry], model: Path):
        self._save, self._sheet, self._jsonl = arguments.save, arguments.sheet, arguments.jsonl
        self._inputs = [model]
        for entry in sources.values():
            self._inputs += entry if isinstance(entry, list) else [entry] if isinstance(entry, Path) else []
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

    def of(self, ids: Sequence[str]) -> dict[str, dict[str, Path]]:
        """By stream id the files of each option, `save` and `sheet`.

        Raises:
            InputError: a file of that name is in the folder already.
        """
        files: dict[str, dict[str, Path]] = {one: {} for one in ids}
        for option, name, suffixes in self._pictures():
            for stem, entry in zip(_stems(ids), files.values(), strict=True):
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


def _stems(ids: Sequence[str]) -> list[str]:
    """Names of files for stream ids, all different."""
    seen: Counter[str] = Counter()
    stems = []
    for one in ids:
        stem = re.sub(r"[^\w.-]+", "_", one).removesuffix(".mp4").strip("._")
        seen[stem] += 1
        stems.append(stem if seen[stem] == 1 else f"{stem}_{seen[stem]}")
    return stems
