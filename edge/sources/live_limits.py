"""How long a live source is waited for, and how often it is sought again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edge.errors import InputError


@dataclass(frozen=True)
class LiveLimits:
    """How long a live source is waited for, and how often it is sought again.

    Attributes:
        open_seconds: from connecting to the first frame.
        stall_seconds: without a frame, until that is told as `stalled`.
        read_seconds: without a frame, until the connection is given up as `lost`; at least `stall_seconds`.
        attempts: to connect again before the source is given up; 0 gives it up at once.
        first_wait, longest_wait: seconds before the first attempt, doubled before each further one up to the longest.
            With the defaults ten attempts take two and a half minutes or more: a camera has started again by then.

    Raises:
        InputError: a value is out of range.
    """

    open_seconds: float = 10.0
    stall_seconds: float = 2.0
    read_seconds: float = 10.0
    attempts: int = 10
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            good, words = (value >= 0, "0 or more") if name == "attempts" else (value > 0, "above 0")
            if not good:
                raise InputError(f"{name} must be {words}. Received: {value}")
        if self.read_seconds < self.stall_seconds:
            raise InputError(
                f"read_seconds must be at least stall_seconds. Received: {self.read_seconds} and {self.stall_seconds}"
            )

    def wait(self, attempt: int) -> float:
        """Seconds to wait before attempt 0, 1, 2, ..."""
        return min(self.first_wait * 2.0 ** min(attempt, 64), self.longest_wait)
