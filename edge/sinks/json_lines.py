"""Results as lines of JSON, each complete as soon as its frame is."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, TextIO

from edge.atomic import check_writable
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.sinks.sink import Picture, Sink
from edge.stream_event import StreamEvent


class JsonLines(Sink):
    """One line of JSON a frame, `FrameResult.to_dict`, and one an event, `StreamEvent.to_dict`.

    Lines stand under the file's own name at once, flushed one by one: they can be followed with `tail -f`, and a power
    cut loses the last one at the most. The file is opened at the first line, so a run that finds nothing to read
    leaves an older file alone. After an error a last line tells it: {"event": "failed", "message": ...}.

    Args:
        path: of the file; - is standard output.
        append: whether lines are added to those of an older file, as a camera's service that is started again wants;
            False replaces it.

    Raises:
        InputError: the path cannot be written, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False):
        self._path, self._mode = str(path), "a" if append else "w"
        self._file: TextIO | None = sys.stdout if self._path == "-" else None
        if self._file is None:
            check_writable(path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None = None, *_: object) -> None:
        # Ctrl-C and a reader of the pipe that left are no failures; a line lost to a full disk is told already.
        if self._file is not None and isinstance(error, Exception) and not isinstance(error, OSError):
            with contextlib.suppress(InputError, OSError):
                self._print({"event": "failed", "message": str(error)})
        if self._file not in (None, sys.stdout):
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, result: FrameResult, picture: Picture) -> None:
        self._print(result.to_dict())

    def event(self, event: StreamEvent) -> None:
        self._print(event.to_dict())

    def _print(self, document: dict[str, Any]) -> None:
        try:
            if self._file is None:
                self._file = open(self._path, self._mode, encoding="utf-8")  # noqa: SIM115
            self._file.write(json.dumps(document) + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"cannot write to {self._path}: {error.strerror}. Give another place.") from error
