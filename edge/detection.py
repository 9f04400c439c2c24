"""One object found in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Detection:
    """One object found in one frame.

    Attributes:
        label: the class' name. class_id: its index in `Detector.labels`, from 0.
        score: 0..1.
        box: x1, y1, x2, y2 in pixels of the frame that was given, inside it, not rounded.
        track_id: which object of the stream it is, from 1; None where nobody tracks, or the tracker does not know it.
    """

    label: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the score to 4 decimals, the box to hundredths of a pixel."""
        return {
            "label": self.label,
            "class_id": self.class_id,
            "score": round(self.score, 4),
            "box": [round(side, 2) for side in self.box],
            "track_id": self.track_id,
        }
