"""The charts of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.atomic import atomic_path
from quantization.comparison.comparison import Comparison, windows
from quantization.comparison.long_run import WINDOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_charts(comparison: Comparison, folder: str | Path) -> list[str]:
    """Draws `accuracy.png`, and where there is a memory `state.png`, and where layers could be matched `layers.png`.

    Returns:
        The names of the files written.
    """
    charts = {"accuracy.png": _accuracy(comparison)}
    if any(file.run is not None and file.run.mean_difference.size for file in comparison.files):
        charts["state.png"] = _state(comparison)
    if any(file.layers for file in comparison.files):
        charts["layers.png"] = _layers(comparison)
    for name, figure in charts.items():
        with atomic_path(Path(folder) / name) as temporary:
            figure.savefig(temporary, dpi=110)
    return list(charts)


def _accuracy(comparison: Comparison) -> Figure:
    figure, (left, right) = _figure(1, 2, (10, 3.8), sharey=True)
    groups = [(left, "frame_index", "frame since the reset"), (right, "motion_weighted", "speed of the object")]
    for axes, which, label in groups:
        width = 0.8 / len(comparison.files)
        for number, file in enumerate(comparison.files):
            values = [value or 0 for value in getattr(file.accuracy, which).values()]
            axes.bar(np.arange(len(values)) + (number + 0.5) * width - 0.4, values, width, label=file.name)
        names = list(getattr(comparison.files[0].accuracy, which))
        axes.set_xticks(range(len(names)), names)
        axes.set(xlabel=label, ylim=(0, 1))
        axes.grid(axis="y", alpha=0.3)
    left.set_ylabel("mAP@.5")
    _legend(figure, left)
    return figure


def _state(comparison: Comparison) -> Figure:
    laps = comparison.laps > 1
    figure, axes = _figure(2, 3, (13, 6.4))
    panels: list[tuple[Any, str, Any]] = [
        (axes[0, 0], "mean |difference| to the first file", lambda run: windows(run.mean_difference)),
        (axes[0, 1], "correlation with the first file", lambda run: windows(run.correlation)),
        (axes[1, 0], "share of cells at the limit of int8", lambda run: windows(run.at_limit)),
        (axes[1, 1], "share clipped: there, and the first file's not", lambda run: windows(run.clipped)),
        (axes[1, 2], "share of frozen cells", lambda run: run.frozen),
    ]
    for panel, title, values in panels:
        for number, file in enumerate(comparison.files):
            if file.run is None or not file.run.mean_difference.size:
                continue
            course = values(file.run)
            panel.plot((np.arange(len(course)) + 0.5) * WINDOW, course, label=file.name, color=f"C{number}")
        panel.set(title=title, xlabel="frames since the only reset")
    if laps:
        for number, file in enumerate(comparison.files):
            if file.run is not None:
                axes[0, 2].plot(range(1, len(file.run.laps) + 1), file.run.laps, ".-", color=f"C{number}")
        axes[0, 2].set(title="mAP@.5 of each lap over the same frames", xlabel="lap")
    else:
        axes[0, 2].axis("off")
    for panel in axes.ravel():
        panel.grid(alpha=0.3)
    _legend(figure, axes[0, 0])
    return figure


def _layers(comparison: Comparison) -> Figure:
    compared = [(number, file) for number, file in enumerate(comparison.files) if file.layers]
    longest = max((file for _, file in compared), key=lambda file: len(file.layers))
    order = {row.layer: place for place, row in enumerate(longest.layers)}
    figure, axes = _figure(1, 1, (max(7, 0.17 * len(order)), 4.6))
    for number, file in compared:
        rows = [row for row in file.layers if row.layer in order and np.isfinite(row.sqnr)]
        axes.plot(
            [order[row.layer] for row in rows], [row.sqnr for row in rows], ".-", color=f"C{number}", label=file.name
        )
    axes.set_xticks(range(len(order)), list(order), rotation=90, fontsize=6)
    axes.set(ylabel="signal to noise of each layer, dB", title=f"against {comparison.files[0].name}, its state in both")
    axes.grid(alpha=0.3)
    _legend(figure, axes)
    return figure


def _figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def _legend(figure: Figure, axes: Any) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
