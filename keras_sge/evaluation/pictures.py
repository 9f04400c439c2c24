"""Pictures of one evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.atomic import atomic_path
from edge.draw import class_color
from edge.errors import InputError
from keras_sge.evaluation.evaluation import EvaluationResult, Figures
from keras_sge.evaluation.matches import match
from keras_sge.evaluation.metrics import confusion_matrix
from keras_sge.evaluation.records import DetectionRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More classes than this, and numbers in the cells or names in a legend cannot be read.
_MANY_CLASSES = 12


def evaluation_pictures(records: DetectionRecords, result: EvaluationResult, directory: str | Path) -> list[Path]:
    """Draws `precision_recall.png`, `confusion.png` (at the score of the best F1) and `splits.png`, each where there is
    something to show: without an object there is nothing.

    Args:
        records: what was found. result: their figures. directory: made if it is not there.

    Returns:
        The pictures' paths.

    Raises:
        InputError: they cannot be written there.
    """
    check_pictures_path(directory)
    directory = Path(directory)
    directory.mkdir(exist_ok=True)
    pictures = {
        "precision_recall.png": _precision_recall(records, result),
        "confusion.png": _confusion(records, result.best_f1["threshold"]),
        "splits.png": _splits(result),
    }
    drawn = {directory / name: figure for name, figure in pictures.items() if figure is not None}
    for path, figure in drawn.items():
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=110)
    return list(drawn)


def check_pictures_path(directory: str | Path) -> None:
    """Raises InputError where `directory` is no folder and cannot become one."""
    directory = Path(directory)
    if not (directory.is_dir() or (directory.parent.is_dir() and not directory.exists())):
        reason = "a file has that name" if directory.exists() else f"there is no folder {directory.parent}"
        raise InputError(f"cannot write pictures to {directory}: {reason}. Give another place.")


def _precision_recall(records: DetectionRecords, result: EvaluationResult) -> Figure | None:
    from matplotlib.figure import Figure

    if not any(result.boxes.values()):
        return None
    matches = match(records)
    figure = Figure(figsize=(6.4, 5), layout="constrained")
    axes = figure.add_subplot(title=f"mAP@0.5 {result.map50:.3f}", xlabel="recall", ylabel="precision at IoU 0.5")
    for index, name in enumerate(records.labels):
        if result.ap50[name] is None:
            continue
        recall, precision = matches.curve(index)
        color = np.array(class_color(index)[::-1]) / 255
        axes.plot(recall, precision, color=color, label=f"{name} {result.ap50[name]:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(title="class, AP", fontsize=6 if len(axes.lines) > _MANY_CLASSES else None, loc="lower left")
    return figure


def _confusion(records: DetectionRecords, threshold: float | None) -> Figure | None:
    from matplotlib.figure import Figure

    counts = confusion_matrix(records, len(records.labels), float("nan") if threshold is None else threshold)
    if not counts.any():
        return None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few, size = len(records.labels) <= _MANY_CLASSES, 2.2 + 0.75 * min(len(counts), _MANY_CLASSES)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.add_subplot(xlabel="detected", ylabel="true")
    axes.set_title("no detection" if threshold is None else f"scores from {threshold:.2f}, IoU 0.5")
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label="share of the row", shrink=0.8)
    ticks, small = range(len(counts)), None if few else 6
    axes.set_xticks(ticks, [*records.labels, "missed"], rotation=90 if not few else 30, fontsize=small)
    axes.set_yticks(ticks, [*records.labels, "background"], fontsize=small)
    # No object is background and goes unseen at that.
    for row, column in np.ndindex(counts.shape if few else (0, 0)):
        if (row, column) != (len(counts) - 1, len(counts) - 1):
            ink = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=ink)
    return figure


def _splits(result: EvaluationResult) -> Figure | None:
    from matplotlib.figure import Figure

    panels = [
        (
            "by motion of the object",
            "",
            {"every false positive counts": result.motion, "weighted": result.motion_weighted},
        ),
        ("by frame in the clip", "frame, from 1", {"": result.frame_index}),
    ]
    panels = [panel for panel in panels if _measured(panel[2])]
    if not panels:
        return None
    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, label, series) in zip(every, panels, strict=True):
        _bars(axes, series)
        axes.set(title=title, xlabel=label)
        if len(series) > 1:
            axes.legend()
    every[0].set(ylabel="mAP@0.5", ylim=(0, 1.05))
    return figure


def _measured(series: dict[str, Figures]) -> list[str]:
    """The groups of which one of the series has a figure: a short clip has no 31st frame."""
    return [name for name in next(iter(series.values())) if any(one[name] is not None for one in series.values())]


def _bars(axes: Axes, series: dict[str, Figures]) -> None:
    width, names = 0.8 / len(series), _measured(series)
    for number, (label, figures) in enumerate(series.items()):
        values = [figures[name] for name in names]
        left = np.arange(len(values)) + (number - (len(series) - 1) / 2) * width
        bars = axes.bar(left, [value or 0 for value in values], width, label=label)
        axes.bar_label(bars, ["-" if value is None else f"{value:.2f}" for value in values], fontsize=8)
    axes.set_xticks(range(len(names)), names)
    # A single bar keeps its width.
    axes.set_xlim(-1 if len(names) == 1 else -0.5, max(len(names) - 0.5, 1))
