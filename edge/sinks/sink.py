"""The face of everything that takes results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from edge.frame_result import FrameResult
from edge.stream_event import StreamEvent

# Gives the result's frame with its boxes drawn in, uint8 (height, width, 3) BGR; drawn at the first call only, so a
# sink that does not call it costs no drawing. The array is shared: nobody writes to it.
Picture = Callable[[], np.ndarray]


class Sink(ABC):
    """Takes the results of a stream. Use it as a context manager.

    Attributes:
        closed: whether the person who looks wants to end; the caller stops then.
    """

    closed: bool = False

    @abstractmethod
    def write(self, result: FrameResult, picture: Picture) -> None:
        """Takes the next frame's result."""

    def event(self, event: StreamEvent) -> None:  # noqa: B027
        """Takes what happened between two frames; most sinks have no use for it."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *exception: object) -> None:
        return None
