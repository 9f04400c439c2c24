"""Something that happened to a stream between two of its frames."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StreamEvent:
    """Something that happened to a stream between two of its frames.

    After an event of a source the next frame does not follow on the last one: whoever carries state resets it.

    Attributes:
        kind: from sources `stalled`, `lost`, `reconnected`, `size_changed`; from `Pipeline` `failed`, after
            which the stream has no more frames.
        time: when, in seconds on the source's clock, as `FrameResult.time`.
        frame_id: of the last frame before it.
        message: for people.
        stream: the stream's id, where it is told; None for a single one.
    """

    kind: str
    time: float
    frame_id: int
    message: str
    stream: Hashable = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the key `event` tells its line from a frame's, `stream` is there as for a frame."""
        return {
            **({} if self.stream is None else {"stream": str(self.stream)}),
            "event": self.kind,
            "time": round(self.time, 4),
            "frame_id": self.frame_id,
            "message": self.message,
        }
