"""A frame beside its information entropy map in 2-D and 3-D, as the paper's Fig. 2 shows it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.entropy import entropy_map


def entropy_figure(frame: np.ndarray, path: str | Path, opening: int = 3) -> None:
    """Draws the three views.

    Args:
        frame: uint8 (height, width, 3), BGR. path: the picture to write. opening: side of the morphological opening.
    """
    from matplotlib.figure import Figure

    entropy = entropy_map(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    opened = cv2.morphologyEx(entropy, cv2.MORPH_OPEN, np.ones((opening, opening), np.uint8))
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    axes = figure.add_subplot(1, 3, 1, title="frame")
    axes.imshow(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    axes.axis("off")
    axes = figure.add_subplot(1, 3, 2, title="entropy map, opened")
    shown = axes.imshow(opened, cmap="jet", vmin=0, vmax=np.log2(9))
    axes.axis("off")
    figure.colorbar(shown, ax=axes, label="bits", shrink=0.8)
    axes = figure.add_subplot(1, 3, 3, projection="3d", title="the same, smoothed, in 3-D")
    smooth = cv2.GaussianBlur(opened, (0, 0), max(frame.shape[0] / 50, 0.5))
    columns, rows = np.meshgrid(np.arange(smooth.shape[1]), np.arange(smooth.shape[0]))
    axes.plot_surface(columns, rows, smooth, cmap="jet", rcount=80, ccount=80, linewidth=0)
    axes.set(zlabel="bits", ylim=(smooth.shape[0], 0))
    axes.view_init(50, -75)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
