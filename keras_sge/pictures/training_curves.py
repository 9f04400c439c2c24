"""A run's loss over its epochs."""

from __future__ import annotations

import csv
from pathlib import Path

from edge.atomic import atomic_path
from edge.errors import InputError


def training_curves(log: str | Path, path: str | Path) -> None:
    """Draws every loss of a `log.csv` of `sge train`, training and validation, into a picture.

    Raises:
        InputError: the log is missing or empty.
    """
    from matplotlib.figure import Figure

    log = Path(log)
    rows = list(csv.DictReader(log.open())) if log.is_file() else []
    if not rows:
        raise InputError(f"{log} holds no epoch yet. Train first.")
    losses = [name for name in rows[0] if name.endswith("loss") and not name.startswith("val_")]
    figure = Figure(figsize=(4 * len(losses), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(losses), squeeze=False)[0], losses, strict=True):
        for column, style in ((name, "-"), (f"val_{name}", "--")):
            if column in rows[0]:
                axes.plot(
                    [int(row["epoch"]) + 1 for row in rows],
                    [float(row[column]) for row in rows],
                    style,
                    marker=".",
                    label="validation" if column.startswith("val_") else "training",
                )
        axes.set(title=name.replace("_", " "), xlabel="epoch", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
