"""A frame beside its information entropy map in 2-D and 3-D, as the paper's Fig. 2 shows it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.entropy import entropy_map

# Inches.
_PANEL, _HEIGHTS, _TITLE = 4.0, (2.4, 6.0), 0.4


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
