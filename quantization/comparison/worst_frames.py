"""The frames on which two files disagree most, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.atomic import atomic_path
from edge.detection import Detection
from edge.draw import class_colour, draw_boxes
from keras_sge.data import VideoDataset
from keras_sge.evaluation import DetectionRecords
from keras_sge.evaluation.frame_record import FrameRecord
from quantization.agreement import difference

_SIDE = 420
_GAP = 6
_TITLE = 26


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
        dataset: what was run, in the order of the records. records: of two files over the same frames.
        names: of the two files. threshold: score from which a detection counts. path: the picture to write.
        count: how many rows.

    Returns:
        Video, frame and difference of each row.
    """
    found = [[_detections(frame, record.labels, threshold) for frame in record] for record in records]
    differences = np.array([difference(*pair) for pair in zip(*found, strict=True)])
    rows, seen = [], set()
    for place in np.argsort(-differences):
        video = int(records[0].videos[place])
        if differences[place] == 0 or len(rows) == count:
            break
        if video not in seen:
            seen.add(video)
            rows.append(int(place))
    pictures, told = [], []
    for place in rows:
        video, frame_id = int(records[0].videos[place]), int(records[0].frame_ids[place])
        frame = dataset.read(video, frame_id, frame_id + 1)[0]
        truth, labels = records[0][place], records[0].labels
        pairs = zip(truth.true_boxes, truth.true_classes, strict=True)
        objects = [(box, labels[kind], class_colour(kind)) for box, kind in pairs]
        panels = [_panel(frame, objects, f"truth: {records[0].video_names[video]}, frame {frame_id}")]
        for name, one in zip(names, found, strict=True):
            boxes = [(d.box, f"{d.label} {d.score:.2f}", class_colour(d.class_id)) for d in one[place]]
            panels.append(_panel(frame, boxes, name))
        pictures.append(np.hstack(panels))
        told.append((records[0].video_names[video], frame_id, float(differences[place])))
    if pictures:
        # Frames of several shapes make rows of several widths.
        width = max(picture.shape[1] for picture in pictures)
        pictures = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
        with atomic_path(path) as temporary:
            cv2.imwrite(str(temporary), np.vstack(pictures))
    return told


def _detections(frame: FrameRecord, labels: Sequence[str], threshold: float) -> list[Detection]:
    return [
        Detection(labels[kind], int(kind), float(score), tuple(map(float, box)))
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
