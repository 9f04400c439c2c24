"""One picture of a data set: its sizes, classes and speeds, and some labelled frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.data.contact_sheet import contact_sheet
from keras_sge.data.data_report import DataReport
from keras_sge.data.motion import FAST, SLOW
from keras_sge.data.picked_frames import PickedFrames
from keras_sge.data.video_dataset import VideoDataset

_CELL_PX = 320


def sample_sheet(dataset: VideoDataset, videos: list[int], rows: int, columns: int) -> np.ndarray:
    """A contact sheet of videos and frames spread evenly.

    Args:
        dataset: where they come from. videos: the indices to choose from, at least one.
        rows: videos at the most. columns: frames of each, as far as the shortest of them goes.

    Returns:
        uint8 (height, width, 3), BGR; a frame is at most 320 px wide.
    """
    chosen = [videos[place] for place in _spread(len(videos), rows)]
    columns = min(columns, *(dataset.videos[video].length for video in chosen))
    picked = PickedFrames(dataset, [(video, _spread(dataset.videos[video].length, columns)) for video in chosen])
    scale = min(1.0, _CELL_PX / picked.videos[0].width)
    return contact_sheet(picked, range(len(chosen)), range(columns), scale)


def data_figure(dataset: VideoDataset, report: DataReport, path: str | Path) -> None:
    """Draws a report and frames of the videos that have no problem.

    Args:
        dataset, report: what was checked and what was found. path: the picture to write.

    Raises:
        InputError: the picture's kind is unknown.
    """
    from matplotlib.figure import Figure

    check_picture_name(path)
    figure = Figure(figsize=(15, 8), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(1, 2))
    sizes = report.relative_sizes
    axes = figure.add_subplot(grid[0, 0], title=f"{len(sizes):,} boxes: size", xlabel="sqrt(box area / frame area)")
    axes.hist(sizes, bins=np.linspace(0, 1, 51), color="tab:blue")
    for percentile, style in (("5", ":"), ("50", "-"), ("95", "--")):
        if (value := report.size_percentiles[percentile]) is not None:
            axes.axvline(value, color="black", linewidth=1, linestyle=style, label=f"{percentile} %: {value:.3f}")
            axes.legend()
    _draw_classes(figure.add_subplot(grid[1, 0], title="boxes a class"), report)
    known = report.motion[~np.isnan(report.motion)]
    axes = figure.add_subplot(grid[2, 0], title="speed", xlabel="motion IoU: left is fast", xlim=(0, 1))
    bins = np.linspace(0, 1, 51)
    for name, colour, own in (
        ("slow", "tab:green", known > SLOW),
        ("medium", "tab:orange", (known >= FAST) & (known <= SLOW)),
        ("fast", "tab:red", known < FAST),
    ):
        share = report.speed[name]
        axes.hist(known[own], bins=bins, color=colour, label=name if share is None else f"{name} {share:.0%}")
    axes.legend()
    videos = [index for index in range(len(dataset)) if index not in report.wrong_videos]
    axes = figure.add_subplot(grid[:, 1])
    if videos:
        sheet = sample_sheet(dataset, videos, rows=4, columns=5)
        axes.imshow(cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB), interpolation="antialiased")
    axes.axis("off")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def check_picture_name(path: str | Path) -> None:
    """Raises InputError where matplotlib cannot write pictures of the kind of `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    kinds = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in kinds:
        raise InputError(f"cannot draw pictures of the kind of {path}. Give a .png or .jpg name.")


def _draw_classes(axes, report: DataReport) -> None:
    counts = report.boxes_by_class
    axes.bar(range(len(counts)), list(counts.values()), color="tab:blue")
    # Thirty names fit upright only.
    upright = {"rotation": 90, "fontsize": 7} if len(counts) > 6 else {}
    axes.set_xticks(range(len(counts)), list(counts), **upright)


def _spread(count: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
