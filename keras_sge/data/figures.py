"""Pictures of a data set: its figures, and sheets of frames with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.draw import class_color, draw_boxes, letterbox, picture_grid, resize_to_fit
from edge.errors import InputError
from keras_sge.data.dataset import FrameLabels, VideoDataset
from keras_sge.data.motion import FAST, SLOW
from keras_sge.data.report import DataReport
from keras_sge.data.views import PickedFrames

# BGR, of what counts neither way, and of the bars beside a frame of another shape.
_GRAY = (200, 200, 200)
# Pixels between frames.
_GAP = 2
# The longer side of a frame in a sheet: enlarged to the first, so that labels can be read, reduced to the second.
_CELL_PX = 192, 320
# Of the sheet within the figure.
_SHEET_ASPECT, _SHEET_FRAMES = 1.25, 20


def data_figure(dataset: VideoDataset, report: DataReport, path: str | Path) -> None:
    """Draws a report and frames of the videos that have no problem; what there is nothing of has no panel.

    Args:
        dataset, report: what was checked and what was found. path: the picture to write.

    Raises:
        InputError: the picture's kind is unknown.
    """
    from matplotlib.figure import Figure

    check_picture_name(path)
    panels = []
    if len(report.boxes):
        panels += [_draw_sizes, _draw_classes]
    if not np.isnan(report.motion).all():
        panels.append(_draw_speeds)
    videos = [index for index in range(len(dataset)) if index not in report.wrong_videos]
    sheet = _fitting_sheet(dataset, videos) if videos else np.full((80, 100, 3), 255, np.uint8)
    size = (15, 8) if panels else (10, float(np.clip(10 * sheet.shape[0] / sheet.shape[1], 2, 12)))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(max(1, len(panels)), 2, width_ratios=(1 if panels else 1e-3, 2))
    for row, draw in enumerate(panels):
        draw(figure.add_subplot(grid[row, 0]), report)
    axes = figure.add_subplot(grid[:, 1])
    axes.imshow(cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB), interpolation="antialiased")
    axes.axis("off")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def sample_sheet(dataset: VideoDataset, videos: Sequence[int], rows: int, columns: int) -> np.ndarray:
    """A contact sheet of videos and frames spread evenly, without an empty place.

    Where a video is shorter than `columns`, either the others are shown or fewer frames of all, whichever is more.
    Where there are fewer videos than `rows`, each goes on in further rows as far as it has frames; still pictures,
    videos of one frame, stand side by side.

    Args:
        dataset: where they come from. videos: the indices to choose from, at least one.
        rows: of the sheet at the most. columns: frames in a row at the most.

    Returns:
        uint8 (height, width, 3), BGR; a frame is 192 to 320 px long.
    """
    lengths = np.array([dataset.videos[video].length for video in videos])
    wanted = columns
    columns = max(range(1, wanted + 1), key=lambda number: number * min(rows, int((lengths >= number).sum())))
    beside = wanted if columns == 1 else 1
    long_enough = [video for video, length in zip(videos, lengths, strict=True) if length >= columns]
    chosen = [long_enough[place] for place in _spread(len(long_enough), rows * beside)]
    picks = []
    for video in chosen:
        length = dataset.videos[video].length
        frames = _spread(length, columns * max(1, min(rows // len(chosen), length // columns)))
        picks += [(video, frames[start : start + columns]) for start in range(0, len(frames), columns)]
    beside = min(beside, len(picks))
    picks = picks[: len(picks) // beside * beside]

    picked = PickedFrames(dataset, picks)
    longest = max(picked.videos[0].width, picked.videos[0].height)
    scale = float(np.clip(longest, *_CELL_PX)) / longest
    groups = [range(start, len(picks), beside) for start in range(beside)]
    sheets = [contact_sheet(picked, group, [range(columns)] * len(group), scale) for group in groups]
    return picture_grid(sheets, beside, _GAP)


def contact_sheet(
    dataset: VideoDataset, videos: Sequence[int], frames: Sequence[Sequence[int]], scale: float = 1.0
) -> np.ndarray:
    """Draws a table of frames: a row for each video, a column for each frame, boxes and class names on top; regions to
    ignore and unlabelled frames are named in gray.

    Args:
        dataset: any videos; frames of another shape than the first row's are fitted into it.
        videos: indices of the videos, one per row. frames: of each row the frame numbers, all of one length.
        scale: size of a frame in the sheet as a multiple of its own.

    Returns:
        uint8 (height, width, 3), BGR.
    """
    lengths = [len(row) for row in frames]
    if len(frames) != len(videos) or len(set(lengths)) != 1:
        raise InputError(
            f"contact_sheet: expected `frames` for each of {len(videos)} videos, all of one length. Received: {lengths}"
        )
    first = dataset.videos[videos[0]]
    size = round(first.width * scale), round(first.height * scale)
    cells = []
    for index, numbers in zip(videos, frames, strict=True):
        labels = dataset.labels(index)
        clip = dataset.read(index, min(numbers), max(numbers) + 1)
        unlabelled = dataset.videos[index].unlabelled
        cells += [_cell(clip[n - min(numbers)], labels[n], dataset.classes, size, n in unlabelled) for n in numbers]
    return picture_grid(cells, lengths[0], _GAP)


def check_picture_name(path: str | Path) -> None:
    """Raises InputError where matplotlib cannot write pictures of the kind of `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    kinds = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in kinds:
        raise InputError(f"cannot draw pictures of the kind of {path}. Give a .png or .jpg name.")


def _cell(
    picture: np.ndarray, labels: FrameLabels, classes: Sequence[str], size: tuple[int, int], unlabelled: bool
) -> np.ndarray:
    fitted = resize_to_fit(picture, size)
    factors = np.divide(fitted.shape[1::-1], picture.shape[1::-1])
    marks = [(box, classes[kind], class_color(kind)) for box, kind in zip(labels.boxes, labels.classes, strict=True)]
    marks += [(box, "ignored", _GRAY) for box in labels.ignored]
    if unlabelled:
        marks.append((np.array([0, 0, picture.shape[1], picture.shape[0]]), "unlabelled", _GRAY))
    boxes = [box * np.tile(factors, 2) for box, _, _ in marks]
    drawn = draw_boxes(fitted, boxes, [text for _, text, _ in marks], [color for _, _, color in marks])
    return letterbox(drawn, size, fill=_GRAY[0])


def _fitting_sheet(dataset: VideoDataset, videos: Sequence[int]) -> np.ndarray:
    """A sheet of as many rows as suit the frames' shape."""
    aspect = dataset.videos[videos[0]].width / dataset.videos[videos[0]].height
    rows = int(np.clip(round((_SHEET_FRAMES * aspect / _SHEET_ASPECT) ** 0.5), 2, 10))
    return sample_sheet(dataset, videos, rows, max(1, round(_SHEET_FRAMES / rows)))


def _draw_sizes(axes, report: DataReport) -> None:
    sizes = report.relative_sizes
    axes.set(
        title=f"size of {len(sizes):,} box{'es' * (len(sizes) != 1)}",
        xlabel="sqrt(box area / frame area)",
        ylabel="boxes",
    )
    axes.hist(sizes, bins=np.linspace(0, max(1.05 * float(sizes.max()), 0.05), 51), color="tab:blue")
    for percentile, style in (("5", ":"), ("50", "-"), ("95", "--")):
        value = report.size_percentiles[percentile]
        axes.axvline(value, color="black", linewidth=1, linestyle=style, label=f"{percentile} %: {value:.3f}")
    axes.legend()
    axes.locator_params(axis="y", integer=True)


def _draw_classes(axes, report: DataReport) -> None:
    counts = report.boxes_by_class
    axes.set(title="boxes by class", ylabel="boxes")
    axes.bar(range(len(counts)), list(counts.values()), color="tab:blue")
    # Thirty names fit upright only.
    upright = {"rotation": 90, "fontsize": 7} if len(counts) > 6 else {}
    axes.set_xticks(range(len(counts)), list(counts), **upright)
    axes.locator_params(axis="y", integer=True)


def _draw_speeds(axes, report: DataReport) -> None:
    known = report.motion[~np.isnan(report.motion)]
    axes.set(title="speed", xlabel="motion IoU: left is fast", ylabel="boxes", xlim=(0, 1))
    for name, color, own in (
        ("slow", "tab:green", known > SLOW),
        ("medium", "tab:orange", (known >= FAST) & (known <= SLOW)),
        ("fast", "tab:red", known < FAST),
    ):
        label = f"{name} {report.speed[name]:.0%}"
        axes.hist(known[own], bins=np.linspace(0, 1, 51), color=color, label=label)
    axes.legend()
    axes.locator_params(axis="y", integer=True)


def _spread(count: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
