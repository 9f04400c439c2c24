"""One question put to a file, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

PASSED, FAILED, WARNED, SKIPPED = "passed", "FAILED", "warning", "skipped"


@dataclass(frozen=True)
class Check:
    """A check's name, its verdict (one of the four above) and the reasons, of which a good one needs none."""

    name: str
    verdict: str
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, reasons: list[str]) -> Check:
        """Failed for these reasons, or passed where there are none."""
        return cls(name, FAILED if reasons else PASSED, tuple(reasons))
