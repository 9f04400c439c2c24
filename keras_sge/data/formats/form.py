"""A form of annotations: how it is known, and what every reader of one needs to find and read its files."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edge.errors import InputError
from keras_sge.data.dataset import VideoDataset
from keras_sge.progress import Progress

# The split of a form that knows none.
ONLY_SPLIT = "all"


@dataclass(frozen=True)
class Form:
    """One form of annotations.

    Attributes:
        name: as in `--format`. layout: what a source of this form holds, for people.
        splits: the names of the splits that a source (a folder, or an annotation file) has; none where it is not of
            this form. It looks at names and beginnings of files and raises nothing.
        open: reads one split. Its arguments: the source; the split; where frames lie that are not beside their
            annotations, a video file or a folder, else None; progress around files. Raises InputError that names file
            and entry.
    """

    name: str
    layout: str
    splits: Callable[[Path], Sequence[str]]
    open: Callable[[Path, str, Path | None, Progress], VideoDataset]


def check_split(split: str, splits: Sequence[str], source: Path) -> None:
    """Raises InputError where a source has no such split."""
    if split in splits:
        return
    only = " `sge data convert` and `sge data split` make train and val of it." * (
        tuple(splits) == (ONLY_SPLIT,)
    )
    raise InputError(f"{source} has no split {split!r}; splits found: {', '.join(splits) or 'none'}.{only}")


@contextlib.contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """A folder with the content of `source`: itself, or for a zip file a temporary one that goes with the block.

    Raises:
        InputError: a zip file that is damaged, encrypted or does not fit on the disk.
    """
    if source.suffix.lower() != ".zip" or not source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory() as temporary:
        # Videos that have no other name are called as the file.
        folder = Path(temporary, source.stem)
        try:
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            raise InputError(f"{source} cannot be unpacked: {error}. Export or copy it again.") from error
        yield folder


def read_text(path: Path, expected: str) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Args:
        path: of the file. expected: a sentence for the error, without its full stop.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. {expected}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8. {expected}.") from error


def read_json(path: Path, expected: str) -> Any:
    """The content of a JSON file; arguments and errors as of `read_text`."""
    text = read_text(path, expected)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON: {error}. {expected}.") from error


def read_xml(path: Path, expected: str) -> ElementTree.Element:
    """The root of an XML file; arguments and errors as of `read_text`."""
    text = read_text(path, expected)
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path} is not readable XML: {error}. {expected}.") from error


def find_path(name: str, folders: Sequence[Path]) -> Path | None:
    """The file or folder that annotations name, with either slash: below the first of `folders` that has it, by its
    whole path, else by its end (`/home/me/x/frames/1.png` as `frames/1.png`, then as `1.png`); None where none has."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        for folder in folders:
            # Names come from files: os.path takes any text.
            if os.path.exists(path := folder.joinpath(*parts[start:])):
                return path
    return None
