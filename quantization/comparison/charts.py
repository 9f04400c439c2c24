"""The pictures of a comparison: charts, and the frames on which files disagree most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.draw import class_color, draw_boxes
from edge.results import Box, Detection
from keras_sge.data import VideoDataset
from keras_sge.evaluation import DetectionRecords
from keras_sge.evaluation.records import FrameRecord
from quantization.comparison.comparison import ComparedFile, Comparison, windows
from quantization.comparison.long_run import WINDOW
from quantization.validation import difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Pixels of a panel in the picture of worst frames: its longer side, the gap around it, and the title above it.
_SIDE, _GAP, _TITLE = 420, 6, 26


def draw_charts(comparison: Comparison, folder: str | Path) -> list[str]:
    """Draws `accuracy.png`; `state.png` where a memory ran long enough; `layers.png` where layers could be matched.

    Returns:
        The names of the files written.
    """
    charts = {"accuracy.png": _accuracy(comparison)}
    if any(_has_course(file) for file in comparison.files):
        charts["state.png"] = _state(comparison)
    if any(file.layers for file in comparison.files):
        charts["layers.png"] = _layers(comparison)
    for name, figure in charts.items():
        with atomic_path(Path(folder) / name) as temporary:
            figure.savefig(temporary, dpi=110)
    return list(charts)


def _has_course(file: ComparedFile) -> bool:
    return file.run is not None and len(windows(file.run.mean_difference)) > 0


def _accuracy(comparison: Comparison) -> Figure:
    groups = []
    for which, label in (("frame_index", "frame since the reset"), ("motion_weighted", "speed of the object")):
        figures = [getattr(file.accuracy, which) for file in comparison.files]
        # A short clip has no 31st frame, and no known speeds.
        names = [name for name in figures[0] if any(values[name] is not None for values in figures)]
        groups.append((label, names, [[values[name] or 0 for name in names] for values in figures]))
    groups = [group for group in groups if group[1]] or groups[:1]
    figure, axes = _figure(1, len(groups), (5 * len(groups), 3.8), sharey=True, squeeze=False)
    for panel, (label, names, values) in zip(axes[0], groups, strict=True):
        width = 0.8 / len(comparison.files)
        for number, (file, heights) in enumerate(zip(comparison.files, values, strict=True)):
            panel.bar(np.arange(len(names)) + (number + 0.5) * width - 0.4, heights, width, label=file.name)
        panel.set_xticks(range(len(names)), names)
        panel.set(xlabel=label, ylim=(0, 1))
        panel.grid(axis="y", alpha=0.3)
    axes[0, 0].set_ylabel("mAP@0.5")
    _legend(figure, axes[0, 0])
    return figure


def _state(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 6)
    courses: list[tuple[str, Any]] = [
        ("mean |difference| to the first file", lambda run: windows(run.mean_difference)),
        ("correlation with the first file", lambda run: windows(run.correlation)),
        ("share of cells at the limit of int8", lambda run: windows(run.at_limit)),
        ("share clipped: there, and the first file's not", lambda run: windows(run.clipped)),
        ("share of frozen cells", lambda run: run.frozen),
    ]
    # Three above, and below them two or, with the laps, three.
    cells = [grid[0, 0:2], grid[0, 2:4], grid[0, 4:6]]
    cells += [grid[1, 0:2], grid[1, 2:4]] if comparison.laps > 1 else [grid[1, 0:3], grid[1, 3:6]]
    for cell, (title, values) in zip(cells, courses, strict=True):
        panel = figure.add_subplot(cell, title=title, xlabel="frames since the only reset")
        for number, file in enumerate(comparison.files):
            if _has_course(file):
                course = values(file.run)
                # Of few points a line alone shows little, of one nothing.
                style: dict[str, Any] = {"color": f"C{number}", "marker": "." if len(course) <= 20 else None}
                panel.plot((np.arange(len(course)) + 0.5) * WINDOW, course, label=file.name, **style)
        panel.set_xlim(left=0)
        low, high = panel.get_ylim()
        # Scales that do not blow nothing up: shares from 0, a correlation up to 1.
        panel.set_ylim((min(low, 0.99), 1.0005) if "correlation" in title else (0, max(high, 1e-3)))
    if comparison.laps > 1:
        panel = figure.add_subplot(grid[1, 4:6], title="mAP@0.5 of each lap over the same frames", xlabel="lap")
        for number, file in enumerate(comparison.files):
            if file.run is not None:
                panel.plot(range(1, len(file.run.laps) + 1), file.run.laps, ".-", color=f"C{number}")
    for panel in figure.axes:
        panel.grid(alpha=0.3)
    _legend(figure, figure.axes[0])
    return figure


def _layers(comparison: Comparison) -> Figure:
    compared = [(number, file) for number, file in enumerate(comparison.files) if file.layers]
    longest = max((file for _, file in compared), key=lambda file: len(file.layers))
    order = {row.layer: number for number, row in enumerate(longest.layers)}
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


def worst_frames(
    dataset: VideoDataset,
    records: Sequence[DetectionRecords],
    names: Sequence[str],
    threshold: float,
    path: str | Path,
    count: int = 6,
) -> list[tuple[str, int, float]]:
    """Draws the frames whose detections differ most, at most one of each video: the truth, the first file, the second.

    Args:
        dataset: what was run, in the order of the records.
        records: of two files over the same frames.
        names: of the two files.
        threshold: score from which a detection counts.
        path: the picture to write.
        count: how many rows.

    Returns:
        Video, frame and difference of each row.
    """
    found = [[_detections(frame, record.labels, threshold) for frame in record] for record in records]
    differences = np.array([difference(*pair) for pair in zip(*found, strict=True)])
    rows: list[int] = []
    seen: set[int] = set()
    for number in np.argsort(-differences):
        video = int(records[0].videos[number])
        if differences[number] == 0 or len(rows) == count:
            break
        if video not in seen:
            seen.add(video)
            rows.append(int(number))
    pictures, drawn = [], []
    for number in rows:
        video, frame_id = int(records[0].videos[number]), int(records[0].frame_ids[number])
        frame = dataset.read(video, frame_id, frame_id + 1)[0]
        truth, labels = records[0][number], records[0].labels
        pairs = zip(truth.true_boxes, truth.true_classes, strict=True)
        objects = [(box, labels[kind], class_color(kind)) for box, kind in pairs]
        panels = [_panel(frame, objects, f"truth: {records[0].video_names[video]}, frame {frame_id}")]
        for name, detections in zip(names, found, strict=True):
            boxes = [(d.box, f"{d.label} {d.score:.2f}", class_color(d.class_id)) for d in detections[number]]
            panels.append(_panel(frame, boxes, name))
        pictures.append(np.hstack(panels))
        drawn.append((records[0].video_names[video], frame_id, float(differences[number])))
    if pictures:
        # Frames of several shapes make rows of several widths.
        width = max(picture.shape[1] for picture in pictures)
        pictures = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
        with atomic_path(path) as temporary:
            cv2.imwrite(str(temporary), np.vstack(pictures))
    return drawn


def _detections(frame: FrameRecord, labels: Sequence[str], threshold: float) -> list[Detection]:
    return [
        Detection(labels[kind], int(kind), float(score), Box(*map(float, box)))
        for box, score, kind in zip(frame.boxes, frame.scores, frame.classes, strict=True)
        if score > threshold
    ]


def _panel(frame: np.ndarray, boxes: list, title: str) -> np.ndarray:
    scale = _SIDE / max(frame.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=method)
    canvas = draw_boxes(
        small, [np.array(box) * scale for box, _, _ in boxes], [text for _, text, _ in boxes], [c for _, _, c in boxes]
    )
    canvas = cv2.copyMakeBorder(canvas, _TITLE, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(canvas, title[:58], (4, _TITLE - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return canvas
