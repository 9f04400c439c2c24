"""Writing files atomically: whole or not at all, after a power cut too; and checks before they are written."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary name beside `path`; renamed to `path` at the end of the block, removed when it fails.

    What was written is on the disk before it gets its name, and so is the name when the block has ended.

    Args:
        path: what is to be written. Its folder must exist. A device such as /dev/null is written directly.

    Yields:
        A path in the same folder with the same suffix; an empty file is there already.

    Raises:
        InputError: `path` cannot be written; before the block is entered.
    """
    target = Path(os.path.realpath(path))
    check_writable(target)
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.part{target.suffix}")
    try:
        temporary.open("xb").close()
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}. Give another place.") from error
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Waits until a file's content, or a folder's names, are on the disk: a rename may get there before the content."""
    # Windows flushes only what may be written, and no folders.
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        # A file system that cannot flush a folder says so; there is nothing better.
        with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Writes a document of plain values as JSON, one value per line."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def path_below(folder: str | os.PathLike[str], name: str) -> Path:
    """The path of `name` below `folder`, for names that come from a file and not from the user.

    Args:
        folder: what must not be left. name: `/` separates folders on every system.

    Raises:
        InputError: the name, or a link on its way, leads out of `folder`.
    """
    # A backslash and a drive's letter lead elsewhere on Windows only; data sets travel.
    if any(part in ("", ".", "..") or re.search(r"^[A-Za-z]:|[\\\x00-\x1f]", part) for part in name.split("/")):
        raise InputError(f"the name {name!r} is no path below {folder}. Expected names like a or a/b: rename it.")
    path = Path(folder, *name.split("/"))
    if not path.parent.resolve().is_relative_to(Path(folder).resolve()):
        raise InputError(f"{path} lies outside {folder}: a folder on the way is a link. Remove the link.")
    return path


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises InputError where `path` cannot become a file: its folder is missing or closed, or it is a folder."""
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}. Create it, or give another place.")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder. Give a file's name.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied. Give another place.")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raises InputError where `path` is no folder and cannot become one, or nothing can be written into it."""
    there = Path(path).absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise InputError(f"cannot write into {path}: {there} is a file. Give another folder.")
    if not os.access(there, os.W_OK):
        raise InputError(f"cannot write into {path}: permission denied. Give another folder.")
