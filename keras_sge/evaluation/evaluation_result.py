"""The figures of one evaluation."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from edge.atomic import atomic_path

Figures = dict[str, float | None]


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` found; fractions are 0..1, None where there is nothing to measure.

    Attributes:
        map50: mean of `ap50` over classes that have boxes, NaN if there is none. ap50: by class name.
        boxes: labelled objects by class name. frames, clips: how many were scored.
        unlabelled: frames that were run and not scored, because nobody has labelled them.
        ignored: regions, such as COCO's crowds, in which detections are neither right nor wrong.
        protocol: how the figures were made. runtime: what ran the network.
        coco: see `coco_figures`. motion, motion_weighted, frame_index: see `split_figures`.
        best_f1: see `best_f1`. errors: counts, see `error_breakdown`.
    """

    map50: float
    ap50: Figures
    boxes: dict[str, int]
    frames: int
    clips: int
    protocol: str
    runtime: str
    coco: Figures = field(default_factory=dict)
    motion: Figures = field(default_factory=dict)
    motion_weighted: Figures = field(default_factory=dict)
    frame_index: Figures = field(default_factory=dict)
    best_f1: Figures = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    ignored: int = 0

    def table(self) -> str:
        """The figures for people, as Markdown."""
        rows = ["| class | boxes | AP@.5 |", "|---|---:|---:|"]
        for name, value in self.ap50.items():
            rows.append(f"| {name} | {self.boxes[name]:,} | {'no boxes' if value is None else f'{value:.3f}'} |")
        rows.append(f"| **mean** | **{sum(self.boxes.values()):,}** | **{self.map50:.3f}** |")
        for title, figures in (
            ("COCO", self.coco),
            ("mAP@.5 by motion", self.motion),
            ("the same, false positives weighted", self.motion_weighted),
            ("mAP@.5 by frame in clip", self.frame_index),
            ("best F1", self.best_f1),
        ):
            rows += _row(title, {name: _text(value) for name, value in figures.items()})
        rows += _row("errors at that score", {name: f"{value:,}" for name, value in self.errors.items()})
        if self.unlabelled or self.ignored:
            rows += _row(
                "not scored", {"unlabelled frames": f"{self.unlabelled:,}", "ignored regions": f"{self.ignored:,}"}
            )
        return "\n".join(rows)

    def write_json(self, path: str | Path) -> None:
        """All fields as a JSON object; null stands for what could not be measured."""
        document = dataclasses.asdict(self)
        if math.isnan(self.map50):
            document["map50"] = None
        with atomic_path(path) as temporary:
            Path(temporary).write_text(json.dumps(document, indent=1) + "\n")


def _row(title: str, cells: dict[str, str]) -> list[str]:
    """A table of one row below an empty line; nothing for no cells."""
    if not cells:
        return []
    names = [name.replace("_", " ") for name in cells]
    return [
        "",
        f"| {title} | {' | '.join(names)} |",
        f"|---|{'---:|' * len(cells)}",
        f"| | {' | '.join(cells.values())} |",
    ]


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
