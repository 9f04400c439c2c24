"""What a memory is worth on videos that it was not taught with, by what the teacher finds on their clean frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path, write_json
from edge.tracker import Tracker
from keras_sge.data.dataset import NO_TRACK, FrameLabels, VideoDataset
from keras_sge.evaluation import (
    SCORE_THRESHOLD,
    DetectionRecords,
    Protocol,
    bootstrap,
    open_detector,
    record_detections,
    score_records,
)
from keras_sge.evaluation.evaluation import figure_text
from keras_sge.evaluation.stability import ANSWER_SCORE
from keras_sge.models import SGENet
from keras_sge.progress import Progress, no_progress

DAMAGES = (None, "singly:1", "bursts:1", "all:1")
"""What the report measures, as `sge evaluate --degrade` names it; None for clean frames."""
_DETECTOR, _HOLD, _MEMORY, _BOTH, _AMNESIA = (
    "detector alone", "detector + hold", "with memory", "with memory + hold", "memory reset every frame",
)  # fmt: skip
_COLUMNS = ("map50", "label_switches", "losses")


class AnsweredVideos(VideoDataset):
    """Videos whose labels are a detector's answers on them; labels of their own do not count.

    Args:
        videos: whose frames are run. teacher: what it finds with a score of 0.3 or above are the objects, tracked.
        progress: around the videos.
    """

    def __init__(self, videos: VideoDataset, teacher: SGENet, progress: Progress = no_progress):
        self.classes, self._source, self._answers = teacher.config.classes, videos, []
        self.videos = [dataclasses.replace(video, unlabelled=frozenset()) for video in videos.videos]
        with open_detector(teacher, score_threshold=ANSWER_SCORE) as detector:
            for index in progress(range(len(videos))):
                tracker, fps = Tracker(), videos.videos[index].fps
                frames = enumerate(videos.read(index))
                self._answers.append(
                    [_labels(tracker(detector(frame).detections, number / fps)) for number, frame in frames]
                )

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._source.read(index, start, stop)

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self._answers[index]


def _labels(found: Sequence[Any]) -> FrameLabels:
    boxes = np.array([one.box for one in found], np.float32).reshape(-1, 4)
    classes = np.array([one.class_id for one in found], np.int32)
    tracks = [NO_TRACK if one.track_id is None else one.track_id for one in found]
    return FrameLabels(boxes, classes, np.array(tracks, np.int32))


@dataclasses.dataclass(frozen=True)
class TeachingReport:
    """Figures of the detector, its free rival and the memory.

    Attributes:
        rows: a mapping each: `damage`, `model`, `map50`, `label_switches`, `losses`.
        leads: the memory's mAP@0.5 minus that of the detector with hold by damage, with the 95% interval.
        protocol: how the figures were made.
    """

    rows: list[dict[str, Any]]
    leads: dict[str, dict[str, Any]]
    protocol: str

    def table(self) -> str:
        """The figures for people, as Markdown."""
        lines = ["| frames | model | AP@0.5 | label switches | losses |", "|---|---|---:|---:|---:|"]
        for row in self.rows:
            cells = " | ".join(figure_text(row[name]) for name in _COLUMNS)
            lines.append(f"| {row['damage']} | {row['model']} | {cells} |")
        for damage, lead in self.leads.items():
            low, high = lead["interval"]
            lead_text = f"{lead['difference']:+.3f}, 95% of resamples {low:+.3f} to {high:+.3f}"
            lines += ["", f"{damage}: memory minus {'hold' if damage != 'clean' else 'detector'} {lead_text}"]
        return "\n".join([*lines, "", self.protocol])

    def write(self, folder: str | Path) -> None:
        """`report.json` and `report.md`."""
        write_json(Path(folder) / "report.json", dataclasses.asdict(self))
        with atomic_path(Path(folder) / "report.md") as temporary:
            Path(temporary).write_text(self.table() + "\n", encoding="utf-8")


def teaching_report(
    teacher: SGENet, student: SGENet, truth: VideoDataset, progress: Progress = no_progress
) -> TeachingReport:
    """Runs both over the same clean and degraded frames.

    Args:
        teacher: without memory. student: with it. truth: `AnsweredVideos`. progress: around the runs.
    """
    rows, leads = [], {}
    cases = [(damage, model) for damage in DAMAGES for model in _models(damage)]
    records: dict[tuple[str | None, str], DetectionRecords] = {}
    alone, recurrent = (open_detector(model, score_threshold=SCORE_THRESHOLD) for model in (teacher, student))
    with alone, recurrent:
        for damage, model in progress(cases):
            detector = alone if model in (_DETECTOR, _HOLD) else recurrent
            rival = "hold" if model in (_HOLD, _BOTH) else None
            protocol = Protocol("", degrade=damage, rival=rival, reset_every_frame=model == _AMNESIA)
            records[damage, model] = record_detections(detector, truth, protocol)
            result = score_records(records[damage, model])
            figures = {"map50": None if np.isnan(result.map50) else result.map50, **result.stability}
            rows.append({"damage": damage or "clean", "model": model, **{key: figures[key] for key in _COLUMNS}})
    several = len(truth) > 1 and any(len(labels.boxes) for index in range(len(truth)) for labels in truth.labels(index))
    for damage in DAMAGES if several else ():
        lead = bootstrap(records[damage, _MEMORY], records[damage, _HOLD if damage else _DETECTOR])
        leads[damage or "clean"] = {"difference": lead.difference, "interval": lead.interval}
    frames = sum(video.length for video in truth.videos)
    return TeachingReport(
        rows,
        leads,
        f"{len(truth)} held-out videos, {frames} frames; the objects are the detector's own answers of {ANSWER_SCORE} "
        "or above on the clean frames, so that it alone has 1.000 there; Keras, state zero at a clip's start; label "
        "switches and losses per 100 frames of a track",
    )


def _models(damage: str | None) -> tuple[str, ...]:
    return (_DETECTOR, _HOLD, _MEMORY, _BOTH) if damage != "singly:1" else (_DETECTOR, _HOLD, _MEMORY, _BOTH, _AMNESIA)
