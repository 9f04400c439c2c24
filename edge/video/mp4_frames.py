"""Which frames of an mp4 are shown, and when: its sample tables and its edit list.

A file that was trimmed without encoding it again keeps frames before its first one, which others are decoded from; an
edit list says which are to be seen. OpenCV counts them all and shows those of the list.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Protocol

import numpy as np

_LARGEST_INDEX = 256 << 20
_MOST_FRAMES = 1 << 26
_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_CONTAINERS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl")


class SeekableFile(Protocol):
    """What is read of a file: an open binary file has it, and so may one behind a URL."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Goes to a byte, as `io.IOBase.seek` does."""
        ...

    def read(self, size: int, /) -> bytes:
        """So many bytes from there, or what there is."""
        ...


def mp4_frame_times(source: str | os.PathLike[str] | SeekableFile) -> np.ndarray | None:
    """When the frames of an mp4's or mov's first video track are seen.

    Args:
        source: the file's path, or the file itself.

    Returns:
        float64, seconds after the first frame, ascending, one for each frame that is to be seen; None where the file is
        no such one, is fragmented or damaged.
    """
    try:
        with open(source, "rb") if isinstance(source, str | os.PathLike) else nullcontext(source) as file:
            index = _movie(file)
        return None if index is None else _times(index)
    except (OSError, struct.error, KeyError, ValueError, IndexError):
        return None


def mp4_is_whole(path: str | os.PathLike[str]) -> bool:
    """Whether an mp4's parts end where the file does; of one that is cut off the last one would go on."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        return all(start + size <= end for _, start, size in _parts(file))


def _movie(file: SeekableFile) -> bytes | None:
    """The body of the box `moov`, wherever in the file it stands."""
    for number, (kind, start, size) in enumerate(_parts(file)):
        if number == 0 and kind not in _FIRST:
            return None
        if kind == b"moov":
            file.seek(start)
            return file.read(size) if size <= _LARGEST_INDEX else None
    return None


def _parts(file: SeekableFile) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and size of the bodies of a file's outermost boxes; the last one may go on behind the file's end."""
    end, at = file.seek(0, os.SEEK_END), 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:
            size, start = struct.unpack_from(">Q", head, 8)[0], 16
        size = size or end - at
        if size < start:
            return
        yield kind, at + start, size - start
        at += size


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        start = 8
        if size == 1:
            size, start = struct.unpack_from(">Q", content, at + 8)[0], 16
        size = size or len(content) - at
        if size < start:
            raise ValueError("a box is smaller than its header")
        yield kind, content[at + start : at + size]
        at += size


def _flat(content: bytes) -> dict[bytes, bytes]:
    """The boxes of a track by name."""
    found: dict[bytes, bytes] = {}
    for kind, body in _boxes(content):
        if kind in _CONTAINERS:
            # A mov's `minf` has a second `hdlr`, of its data.
            found = {**_flat(body), **found}
        else:
            found.setdefault(kind, body)
    return found


def _times(movie: bytes) -> np.ndarray | None:
    boxes = list(_boxes(movie))
    if any(kind == b"mvex" for kind, _ in boxes):
        return None
    header = next(body for kind, body in boxes if kind == b"mvhd")
    for track in (_flat(body) for kind, body in boxes if kind == b"trak"):
        if track[b"hdlr"][8:12] == b"vide":
            scale = _timescale(track[b"mdhd"])
            seen = _seen(track, scale / _timescale(header))
            return (seen - seen[0]) / scale if len(seen) else None
    return None


def _timescale(box: bytes) -> int:
    return struct.unpack_from(">I", box, 20 if box[0] else 12)[0]


def _seen(track: dict[bytes, bytes], scale: float) -> np.ndarray:
    """When the frames are seen, in the track's units; `scale` are its units in one of the movie's."""
    counts, steps = _pairs(track[b"stts"])
    composed = np.concatenate([[0], np.cumsum(np.repeat(steps, counts))[:-1]])
    if b"ctts" in track:
        counts, offsets = _pairs(track[b"ctts"])
        composed = composed + np.repeat(offsets, counts)
    composed = np.sort(composed)
    shown, clock = [], 0.0
    for units, start in _edits(track.get(b"elst")):
        length = units * scale
        if start >= 0:
            # A length of 0 is: to the end.
            part = composed[(composed >= start) & ((composed < start + round(length)) | (length == 0))]
            shown.append(part - start + clock)
        clock += length
    return np.concatenate(shown) if shown else composed


def _pairs(box: bytes) -> np.ndarray:
    """The two columns of a run-length table; the second may be negative."""
    count = struct.unpack_from(">I", box, 4)[0]
    table = np.frombuffer(box, ">i4", 2 * count, 8).reshape(-1, 2).astype(np.int64).T
    if not 0 <= table[0].min(initial=0) <= table[0].sum() <= _MOST_FRAMES:
        raise ValueError("the table speaks of more frames than a file can hold")
    return table


def _edits(box: bytes | None) -> list[tuple[int, int]]:
    """(length in the movie's units, where in the track or -1 for nothing) of each edit."""
    if box is None:
        return []
    form = ">Qqi" if box[0] else ">Iii"
    count, size = struct.unpack_from(">I", box, 4)[0], struct.calcsize(form)
    return [struct.unpack_from(form, box, 8 + size * number)[:2] for number in range(count)]
