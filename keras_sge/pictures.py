"""Pictures for people: training curves, the entropy map, and the paper's figure 2."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.entropy import entropy_map
from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.data import VideoDataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
_PANEL, _HEIGHTS, _TITLE = 4.0, (2.4, 6.0), 0.4
_MAP50 = "val_map50"
# Of the paper's network; the map is computed on the network's input.
_INPUT = 320


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
        _finish(axes, f"mAP@0.5 on validation clips, best {best[1]:.3f}", len(rows))
        axes.set_ylim(0, 1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def entropy_figure(frame: np.ndarray, path: str | Path, opening: int = 3) -> None:
    """Draws the three views.

    A window of 3 x 3 px tells noise of one gray value from flat ground, and so the map of a filmed frame is speckled:
    it is shown as the network's pooling has it, averaged over small cells, the same values in 2-D and in 3-D.

    Args:
        frame: uint8 (height, width, 3), BGR. path: the picture to write. opening: side of the morphological opening.
    """
    from matplotlib.figure import Figure

    entropy = entropy_map(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    opened = cv2.morphologyEx(entropy, cv2.MORPH_OPEN, np.ones((opening, opening), np.uint8))
    height, width = opened.shape
    side = max(3, round(min(height, width) / 25)) | 1
    averaged = cv2.blur(opened, (side, side)).astype(np.float64)
    # From the frame's own ground to its own top: a sensor's noise lifts the ground, and the object is what rises above.
    low, high = (float(value) for value in np.percentile(averaged, (2, 99.9)))
    low = max(0.0, min(low, high - 0.2))
    scale = {"cmap": "turbo", "vmin": low, "vmax": max(high, low + 0.2)}

    tall = float(np.clip(_PANEL * height / width, *_HEIGHTS))
    figure = Figure(figsize=(3 * _PANEL + 0.8, tall + _TITLE), layout="constrained")
    raw, flat = figure.add_subplot(1, 3, 1), figure.add_subplot(1, 3, 2)
    relief = figure.add_subplot(1, 3, 3, projection="3d", computed_zorder=False)
    raw.imshow(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    raw.set_title(f"frame, {width} x {height} px")
    shown = flat.imshow(averaged, **scale)
    flat.set_title(f"entropy map, mean of {side} x {side} px")
    for axes in (raw, flat):
        axes.axis("off")

    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    most = 160
    inside = np.clip(averaged, scale["vmin"], scale["vmax"])
    relief.plot_surface(columns, rows, inside, rcount=most, ccount=most, linewidth=0, antialiased=False, **scale)
    relief.set(title="the same in 3-D", xticks=[], yticks=[], zlim=(scale["vmin"], scale["vmax"]))
    relief.set(xlim=(0, width - 1), ylim=(height - 1, 0))
    relief.locator_params(axis="z", nbins=4)
    # Seen from below the picture, so that its sides are left and right here too.
    relief.view_init(42, -80)
    longest = max(width, height)
    relief.set_box_aspect((width / longest, height / longest, 0.35), zoom=1.15)
    figure.colorbar(shown, ax=relief, label="bits", shrink=0.8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def figure2(videos: VideoDataset, out: str | Path, frames: int = 3) -> list[Path]:
    """Draws raw image | map in 2-D | map in 3-D of the middle frames of videos from all over the set.

    Frames larger than the paper's input, 320 x 320, are resized to it, as the network sees them.

    Args:
        videos: where the frames come from. out: folder for `figure2_1.png` and on, and `figure2.md` that shows them.
        frames: how many.

    Returns:
        The pictures.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pictures, lines = [], ["# Figure 2: raw image, entropy map in 2-D and in 3-D", ""]
    for index in np.linspace(0, len(videos) - 1, min(frames, len(videos))).astype(int).tolist():
        video = videos.videos[index]
        middle = video.length // 2
        frame = videos.read(index, middle, middle + 1)[0]
        path = out / f"figure2_{len(pictures) + 1}.png"
        entropy_figure(resize_frame(frame, _INPUT, _INPUT) if min(frame.shape[:2]) > _INPUT else frame, path)
        pictures.append(path)
        lines += [f"![{video.name}, frame {middle}]({path.name})", "", f"{video.name}, frame {middle}", ""]
    with atomic_path(out / "figure2.md") as temporary:
        Path(temporary).write_text("\n".join(lines))
    return pictures


def _points(rows: list[dict[str, str]], column: str) -> list[tuple[int, float]]:
    """(epoch from 1, value) where the column has a number."""
    cells = [(int(row["epoch"]) + 1, float(row.get(column) or "nan")) for row in rows]
    return [(epoch, value) for epoch, value in cells if math.isfinite(value)]


def _finish(axes: Axes, title: str, epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(title=title, xlabel="epoch", xlim=(0.5, epochs + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
