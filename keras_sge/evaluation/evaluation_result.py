"""The figures of one evaluation."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from edge.atomic import atomic_path


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` found; fractions are 0..1.

    Attributes:
        map50: mean of `ap50` over classes that have boxes. ap50: by class name, None where there is no box.
        boxes: labelled objects by class name. frames, clips: how many were run.
        protocol: how the figures were made. runtime: what ran the network.
    """

    map50: float
    ap50: dict[str, float | None]
    boxes: dict[str, int]
    frames: int
    clips: int
    protocol: str
    runtime: str

    def table(self) -> str:
        """The figures for people, as Markdown."""
        rows = ["| class | boxes | AP@.5 |", "|---|---:|---:|"]
        for name, value in self.ap50.items():
            rows.append(f"| {name} | {self.boxes[name]:,} | {'no boxes' if value is None else f'{value:.3f}'} |")
        rows.append(f"| **mean** | **{sum(self.boxes.values()):,}** | **{self.map50:.3f}** |")
        return "\n".join(rows)

    def write_json(self, path: str | Path) -> None:
        """All fields as a JSON object."""
        with atomic_path(path) as temporary:
            Path(temporary).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")
