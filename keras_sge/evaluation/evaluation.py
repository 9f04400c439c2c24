"""The figures of a detector on a data set: run, record, score."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.atomic import write_json
from edge.detector import Detector
from edge.errors import InputError
from edge.results import Detection
from keras_sge.config.document import flattened
from keras_sge.data import VideoDataset, open_videos
from keras_sge.data.motion import motion_iou
from keras_sge.data.splits import source_name, video_blocks
from keras_sge.evaluation.detector import open_detector
from keras_sge.evaluation.matches import match, mean_of_numbers
from keras_sge.evaluation.metrics import COCO_PROTOCOL, ERROR_PROTOCOL, best_f1, coco_figures, error_breakdown
from keras_sge.evaluation.protocol import SCORE_THRESHOLD, FrameChoice, Protocol
from keras_sge.evaluation.records import DetectionRecords
from keras_sge.evaluation.rivals import RivalDetector
from keras_sge.evaluation.splits import (
    SPLIT_PROTOCOL,
    block_figures,
    frame_index_figures,
    motion_figures,
    spread,
    weighted_motion_figures,
)
from keras_sge.evaluation.stability import STABILITY, STABILITY_PROTOCOL, stability_figures
from keras_sge.progress import Progress, no_progress

if TYPE_CHECKING:
    from keras_sge.models import SGENet

_logger = logging.getLogger(__name__)
_OTHER_CLASSES = "; what is found of classes that the data set does not have left out"
Figures = dict[str, float | None]
# Videos of ImageNet VID run to thousands of large frames: they are read in parts.
_FRAMES_AT_ONCE = 120
# Of fewer blocks the spread is not shown: it says nothing, and the mean of all frames easily lies beside it.
_LEAST_BLOCKS = 4


def evaluate(
    model: Detector | SGENet | str | Path,
    data: VideoDataset | str | Path,
    protocol: Protocol | None = None,
    progress: Progress = no_progress,
    *,
    split: str = "val",
) -> EvaluationResult:
    """Runs a model over a data set as a device would and scores it: `record_detections`, then `score_records`.

    Args:
        model: what `open_detector` takes, a .tflite, a run folder or a network in memory among it; or a detector with
            `SCORE_THRESHOLD`, which stays open. Its state is reset before each clip and carried within it.
        data: a data set's directory, or videos; of the model's classes, in any order.
        protocol: which part is run and how; None runs every frame of every clip.
        progress: around the clips; `keras_sge.progress_bar("clip", "evaluate")` draws one, in notebooks too.
        split: of the directory, such as `val`.

    Raises:
        InputError: no such model or data set, it has classes that the model does not know, or the protocol does not
            fit it.
    """
    if isinstance(data, (str, os.PathLike)):
        protocol = protocol or Protocol()
        name = protocol.data or f"{Path(data).resolve().name}, {split}"
        protocol, data = dataclasses.replace(protocol, data=name), open_videos(data, split)
        for note in data.notes:
            _logger.warning(note)
    if not isinstance(model, (str, os.PathLike)):
        # A .tflite is measured without Keras.
        from keras_sge.models import SGENet

        if not isinstance(model, SGENet):
            return score_records(record_detections(model, data, protocol, progress))
    with open_detector(model, score_threshold=SCORE_THRESHOLD) as detector:
        return score_records(record_detections(detector, data, protocol, progress))


def record_detections(
    detector: Detector,
    dataset: VideoDataset,
    protocol: Protocol | None = None,
    progress: Progress = no_progress,
) -> DetectionRecords:
    """Runs a detector over a data set. Unlabelled frames are run and not scored.

    Args:
        detector: with `SCORE_THRESHOLD`; its state is reset before each clip and carried within it.
        dataset: of the detector's classes, in any order; what the detector finds of others is left out.
        protocol: which part is run and how; None runs every frame of every clip.
        progress: around the clips.

    Raises:
        InputError: the data set has classes that the model does not know, or the protocol does not fit the data set.
    """
    protocol = protocol or Protocol()
    if not set(dataset.classes) <= set(detector.labels):
        raise InputError(
            f"the data set's classes differ from the model's. Data set: {', '.join(dataset.classes)}; model: "
            f"{', '.join(detector.labels)}. Name the data set with --data DIR; the built-in one has its own classes."
        )
    # Of the whole split, of which a fold holds some.
    blocks = {video.id: block for video, block in zip(dataset.videos, video_blocks(dataset).tolist(), strict=True)}
    dataset = protocol.videos(dataset)
    choice = FrameChoice(protocol.frames, dataset, part=protocol.fold is not None)
    labels_of_both = tuple(name for name in detector.labels if name in dataset.classes)
    number_of = {name: number for number, name in enumerate(labels_of_both)}
    class_of = np.array([number_of[name] for name in dataset.classes], np.int16)
    runner: Any = detector
    if protocol.rival:
        runner = RivalDetector(detector, protocol.rival, SCORE_THRESHOLD)
    found, truths, motion, places = [], [], [], []
    unlabelled = 0
    for clip in progress(range(len(dataset))):
        labels = list(dataset.labels(clip))
        chosen = choice(clip, labels).tolist()
        if not chosen:
            continue
        speeds, scored = motion_iou(labels), set(chosen)
        unlabelled += sum(frame <= chosen[-1] for frame in dataset.videos[clip].unlabelled)
        runner.reset()
        for number, frame in _frames(dataset, clip, chosen[-1] + 1):
            if protocol.reset_every_frame:
                # Only the network forgets; what a rival keeps is another matter.
                detector.reset()
            detections = runner(frame).detections
            if number in scored:
                found.append([detection for detection in detections if detection.label in number_of])
                truths.append(labels[number])
                motion.append(speeds[number])
                places.append((clip, number))
    every: list[Detection] = [one for detections in found for one in detections]
    videos, frame_ids = np.array(places, np.int32).reshape(-1, 2).T
    return DetectionRecords(
        labels=labels_of_both,
        boxes=np.array([one.box for one in every], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in every], np.float32),
        classes=np.array([number_of[one.label] for one in every], np.int16),
        counts=np.array([len(detections) for detections in found], np.int32),
        true_boxes=_joined([truth.boxes for truth in truths], np.float32).reshape(-1, 4),
        true_classes=class_of[_joined([truth.classes for truth in truths], np.int32)],
        true_tracks=_joined([truth.tracks for truth in truths], np.int32),
        true_motion=_joined(motion, np.float32),
        true_counts=np.array([len(truth.classes) for truth in truths], np.int32),
        ignored=_joined([truth.ignored for truth in truths], np.float32).reshape(-1, 4),
        ignored_classes=class_of[_joined([truth.ignored_classes for truth in truths], np.int32)],
        ignored_counts=np.array([len(truth.ignored_classes) for truth in truths], np.int32),
        unlabelled=unlabelled,
        videos=videos,
        frame_ids=frame_ids,
        video_ids=np.array([video.id for video in dataset.videos], np.int64),
        video_names=tuple(video.name for video in dataset.videos),
        sources=tuple(source_name(video.name) for video in dataset.videos),
        blocks=np.array([blocks[video.id] for video in dataset.videos], np.int16),
        fps=np.array([video.fps for video in dataset.videos], np.float32),
        degrade=None if protocol.degrade is None else str(protocol.degrade),
        protocol=protocol.text(detector.metadata) + _OTHER_CLASSES * (len(number_of) < len(detector.labels)),
        runtime=f"{detector.runtime.name} {detector.runtime.version}",
    )


def score_records(records: DetectionRecords) -> EvaluationResult:
    """All figures of one evaluation; detections are matched to objects once, at IoU 0.5."""
    frames = list(records)
    matches, classes = match(frames), len(records.labels)
    ap50 = [matches.average_precision(index) for index in range(classes)]
    best = best_f1(matches)
    by_block = block_figures(matches, classes, records.blocks[records.videos])
    boxes = np.bincount(matches.object_classes, minlength=classes)
    return EvaluationResult(
        map50=mean_of_numbers(ap50),
        ap50={name: _number(value) for name, value in zip(records.labels, ap50, strict=True)},
        boxes={name: int(number) for name, number in zip(records.labels, boxes, strict=True)},
        frames=len(records),
        clips=len(np.unique(records.videos)),
        protocol=f"AP at IoU 0.5, all-point interpolation, mean over classes with boxes; {records.protocol}; "
        f"{SPLIT_PROTOCOL}; {COCO_PROTOCOL}; {ERROR_PROTOCOL}; {STABILITY_PROTOCOL}",
        runtime=records.runtime,
        map50_by_block=_numbers(by_block),
        map50_spread=_numbers(spread(by_block)),
        coco=_numbers(coco_figures(frames, classes)),
        motion=_numbers(motion_figures(matches, classes, records.true_motion)),
        motion_weighted=_numbers(weighted_motion_figures(matches, frames, classes, records.true_motion)),
        frame_index=_numbers(frame_index_figures(matches, classes, records.frame_ids)),
        stability=_numbers(stability_figures(records)),
        best_f1=_numbers(best),
        errors=error_breakdown(matches, frames, best["threshold"]),
        unlabelled=records.unlabelled,
        ignored=len(records.ignored_classes),
    )


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` found; fractions are 0..1, None where there is nothing to measure.

    Attributes:
        map50: mean of `ap50` over classes that have boxes, NaN if there is none. ap50: by class name.
        boxes: labelled objects by class name. frames, clips: how many were scored.
        unlabelled: frames that were run and not scored, because nobody has labelled them.
        ignored: regions, such as COCO's crowds, in which detections are neither right nor wrong.
        protocol: how the figures were made. runtime: what ran the network.
        map50_by_block: mAP@0.5 of the clips of each block of recordings. map50_spread: see `spread`.
        coco: see `coco_figures`. motion, motion_weighted, frame_index: see `split_figures`.
        stability: see `keras_sge.evaluation.stability`. best_f1: see `best_f1`. errors: counts, see `error_breakdown`.
    """

    map50: float
    ap50: Figures
    boxes: dict[str, int]
    frames: int
    clips: int
    protocol: str
    runtime: str
    map50_by_block: Figures = field(default_factory=dict)
    map50_spread: Figures = field(default_factory=dict)
    coco: Figures = field(default_factory=dict)
    motion: Figures = field(default_factory=dict)
    motion_weighted: Figures = field(default_factory=dict)
    frame_index: Figures = field(default_factory=dict)
    stability: Figures = field(default_factory=dict)
    best_f1: Figures = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    ignored: int = 0

    def table(self, details: bool = True) -> str:
        """The figures for people, as Markdown; without details mAP by class and the stability of tracks alone."""
        rows = ["| class | boxes | AP@0.5 |", "|---|---:|---:|"]
        for name, value in self.ap50.items():
            rows.append(f"| {name} | {self.boxes[name]:,} | {'no boxes' if value is None else f'{value:.3f}'} |")
        rows.append(f"| **mean** | **{sum(self.boxes.values()):,}** | **{self.map50:.3f}**{self._spread_text()} |")
        rows += _figures_row("stability of tracks", self.stability)
        if self.unlabelled or self.ignored:
            rows += _row(
                "not scored", {"unlabelled frames": f"{self.unlabelled:,}", "ignored regions": f"{self.ignored:,}"}
            )
        if not details:
            return "\n".join(rows)
        for title, figures in (
            ("mAP@0.5 by block", self.map50_by_block),
            ("COCO", self.coco),
            ("mAP@0.5 by motion", self.motion),
            ("the same, false positives weighted", self.motion_weighted),
            ("mAP@0.5 by frame in clip", self.frame_index),
            ("best F1", self.best_f1),
        ):
            rows += _figures_row(title, figures)
        rows += _row("errors at that score", {name: f"{value:,}" for name, value in self.errors.items()})
        return "\n".join(rows)

    def _spread_text(self) -> str:
        if len(self.map50_by_block) < _LEAST_BLOCKS:
            return ""
        low, high, deviation = (self.map50_spread.get(name) for name in ("smallest", "largest", "std"))
        return "" if None in (low, high, deviation) else f" +- {deviation:.3f} over blocks, {low:.3f} to {high:.3f}"

    def to_dict(self, flat: bool = False) -> dict[str, Any]:
        """All fields as JSON takes them; None stands for what could not be measured.

        Args:
            flat: one level, with dotted keys such as `ap50.bird` and `motion.slow`: a row of a table, as in
                `pandas.DataFrame([one.to_dict(flat=True), other.to_dict(flat=True)])`.
        """
        document = {**dataclasses.asdict(self), "map50": None if math.isnan(self.map50) else self.map50}
        return flattened(document) if flat else document

    def write_json(self, path: str | Path) -> None:
        """Writes `to_dict`."""
        write_json(path, self.to_dict())


def _frames(dataset: VideoDataset, clip: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, stop, _FRAMES_AT_ONCE):
        yield from enumerate(dataset.read(clip, start, min(stop, start + _FRAMES_AT_ONCE)), start)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.empty((0, *np.shape(parts[0])[1:]) if parts else 0, dtype), *parts]).astype(dtype)


def _numbers(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _figures_row(title: str, figures: Figures) -> list[str]:
    return _row(title, {STABILITY.get(name, name): figure_text(value) for name, value in figures.items()})


def _row(title: str, cells: dict[str, str]) -> list[str]:
    """A table of one row below an empty line; nothing for no cells."""
    if not cells:
        return []
    names = [name.replace("_", " ") for name in cells]
    return [
        "",
        f"| {title} | {' | '.join(names)} |",
        f"|---|{'---:|' * len(cells)}",
        f"| | {' | '.join(cells.values())} |",
    ]


def figure_text(value: float | None) -> str:
    """A figure as tables write it, `-` for what could not be measured."""
    return "-" if value is None else f"{value:.3f}"
