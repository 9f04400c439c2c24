"""Results as lines of JSON, each complete as soon as its frame is; docs/devices.md describes them."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from edge.atomic import check_writable
from edge.errors import InputError
from edge.metadata import Metadata
from edge.results import FrameResult, StreamEvent
from edge.sinks.sink import Picture, Sink
from edge.video.source import VideoSource

FORMAT = "keras-sge detections"
FORMAT_VERSION = 1


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(timezone.utc)


class JsonLines(Sink):
    """A header that says what follows, one line of JSON per frame, `FrameResult.to_dict`, and one per event,
    `StreamEvent.to_dict`. Each has `utc` beside it, when it was written; a frame's has `tracks`, the highest track
    number of its stream so far.

    Lines stand under the file's own name at once, flushed one by one: they can be followed with `tail -f`, and a power
    cut loses the last one at the most. The file is opened at the first line, so a run that finds nothing to read
    leaves an older file as it is. After an error a last line reports it: {"event": "failed", "message": ...}.

    Args:
        path: of the file; - is standard output.
        append: whether lines are added to those of an older file, as a camera's service that is started again wants:
            the frames' numbers go on for each stream, and a line that was torn off gets its end. False replaces it.
        clock: gives the time of day, with its time zone.

    Raises:
        InputError: the path cannot be written, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False, clock: Callable[[], datetime] = utc_now):
        self._path, self._append, self._clock = str(path), append, clock
        self._file: TextIO | None = sys.stdout if self._path == "-" else None
        if self._file is None:
            check_writable(path)
        self._header: dict[str, Any] | None = {"started": self._now()}
        # By stream: its next frame's number, less that of the source, and the highest track number.
        self._known: dict[str | None, tuple[int, int]] = {}
        self._tracks: dict[Hashable, int] = {}

    def begin(self, metadata: Metadata, sources: Mapping[Hashable, VideoSource]) -> None:
        """Says what the next lines are of, in a header before them.

        Args:
            metadata: of the model. sources: by stream id; None for a single one.
        """
        self._header = {
            "started": self._now(),
            "model": {name: getattr(metadata, name) for name in ("name", "precision", "sha256", "labels")},
            "sources": [
                {
                    "stream": None if stream is None else str(stream),
                    **{name: getattr(source, name) for name in ("name", "width", "height", "fps", "live")},
                    "first_frame_id": self._before(stream)[0],
                }
                for stream, source in sources.items()
            ],
        }

    def tracks(self, stream: Hashable = None) -> int:
        """The highest track number that the file holds for a stream, 0 where there is none: a tracker goes on there."""
        return self._before(stream)[1]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        # Ctrl-C and a closed pipe are no failures; a line lost to a full disk was reported already.
        if self._file is not None and isinstance(error, Exception) and not isinstance(error, OSError):
            with contextlib.suppress(InputError, OSError):
                self._write_line({"event": "failed", "message": str(error)})
        if self._file is not None and self._file is not sys.stdout:
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, result: FrameResult, picture: Picture) -> None:
        first, tracks = self._before(result.stream)
        seen = [tracks, self._tracks.get(result.stream, 0), *(one.track_id or 0 for one in result.detections)]
        self._tracks[result.stream] = max(seen)
        self._write_line({**result.to_dict(), "frame_id": first + result.frame_id, "tracks": max(seen)})

    def event(self, event: StreamEvent) -> None:
        self._write_line({**event.to_dict(), "frame_id": self._before(event.stream)[0] + event.frame_id})

    def _before(self, stream: Hashable) -> tuple[int, int]:
        """How many frames and tracks of a stream an older file holds."""
        name = None if stream is None else str(stream)
        if name not in self._known:
            older = _last_line(self._path, name) if self._append and os.path.isfile(self._path) else {}
            self._known[name] = older.get("frame_id", -1) + 1, older.get("tracks", 0)
        return self._known[name]

    def _now(self) -> str:
        return self._clock().astimezone(timezone.utc).isoformat(timespec="milliseconds")

    def _write_line(self, document: dict[str, Any]) -> None:
        text = json.dumps({"utc": self._now(), **document}) + "\n"
        if self._header is not None:
            header = {"format": FORMAT, "format_version": FORMAT_VERSION, **self._header}
            text, self._header = f"{json.dumps(header)}\n{text}", None
        try:
            if self._file is None:
                torn = self._append and _is_torn(self._path)
                self._file = open(self._path, "a" if self._append else "w", encoding="utf-8")  # noqa: SIM115
                text = "\n" * torn + text
            self._file.write(text)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"cannot write to {self._path}: {error.strerror}. Give another place.") from error


def read_json_lines(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Reads what `JsonLines` wrote: headers (with `format`), events (with `event`) and frames (with `detections`).

    A line that is no JSON object is left out: a power cut tears one off, and more may follow it.
    """
    with Path(path).open(encoding="utf-8-sig", errors="replace") as file:
        yield from filter(None, map(_document, file))


def _document(line: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _last_line(path: str, stream: str | None) -> dict[str, Any]:
    """A stream's last line of a frame, {} without one. Searched from the end, as such files may have grown for weeks.

    The whole file is read only for a stream that it does not have.
    """
    if not os.path.getsize(path):
        return {}
    sign = b'"frame_id"' if stream is None else f'"stream": {json.dumps(stream)}'.encode()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = len(content)
        while (found := content.rfind(sign, 0, end)) >= 0:
            start = content.rfind(b"\n", 0, found) + 1
            stop = content.find(b"\n", found)
            document = _document(content[start : len(content) if stop < 0 else stop])
            if "detections" in document and document.get("stream") == stream:
                return document
            end = start
    return {}


def _is_torn(path: str) -> bool:
    """Whether a file's last line has no end."""
    if not os.path.isfile(path) or not os.path.getsize(path):
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
