"""A run's losses and its mAP over its epochs."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from edge.atomic import atomic_path
from edge.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAP50 = "val_map50"


def training_curves(log: str | Path, path: str | Path) -> None:
    """Draws every loss of a `log.csv` of `sge train`, training and validation, and the mAP where it was measured.

    Args:
        log: the run's. path: the picture to write.

    Raises:
        InputError: the log is missing or empty.
    """
    from matplotlib.figure import Figure

    log = Path(log)
    rows = list(csv.DictReader(log.open())) if log.is_file() else []
    if not rows:
        raise InputError(f"{log} holds no epoch yet. Train first.")
    losses = [name for name in rows[0] if name.endswith("loss") and not name.startswith("val_")]
    measured = _points(rows, _MAP50)
    count = len(losses) + bool(measured)
    figure = Figure(figsize=(4 * count, 3.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for axes, name in zip(panels, losses, strict=False):
        for column, style, label in ((name, "-", "training"), (f"val_{name}", "--", "validation")):
            if points := _points(rows, column):
                axes.plot(*zip(*points, strict=True), style, marker=".", label=label)
        _finish(axes, name.replace("_", " "), len(rows))
        axes.set_ylim(0, None)
        axes.legend()
    if measured:
        axes = panels[-1]
        axes.plot(*zip(*measured, strict=True), color="tab:green", marker=".")
        best = max(measured, key=lambda point: point[1])
        axes.plot(*best, "o", color="tab:green", markerfacecolor="none", markersize=10)
        _finish(axes, f"mAP@.5 on validation clips, best {best[1]:.3f}", len(rows))
        axes.set_ylim(0, 1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _points(rows: list[dict[str, str]], column: str) -> list[tuple[int, float]]:
    """(epoch from 1, value) where the column has a number."""
    cells = [(int(row["epoch"]) + 1, float(row.get(column) or "nan")) for row in rows]
    return [(epoch, value) for epoch, value in cells if math.isfinite(value)]


def _finish(axes: Axes, title: str, epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(title=title, xlabel="epoch", xlim=(0.5, epochs + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
