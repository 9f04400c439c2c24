"""A detector run over a data set as a device would run it, everything it says written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from edge.detection import Detection
from edge.detector import Detector
from edge.errors import InputError
from keras_sge.data import VideoDataset
from keras_sge.data.motion import motion_iou
from keras_sge.data.source_name import source_name
from keras_sge.evaluation.averaged_detector import AveragedDetector
from keras_sge.evaluation.detection_records import DetectionRecords
from keras_sge.evaluation.frame_choice import FrameChoice
from keras_sge.evaluation.protocol import SCORE_THRESHOLD, Protocol

# Videos of ImageNet VID run to thousands of large frames: they are read in parts.
_FRAMES_AT_ONCE = 120


def record_detections(
    detector: Detector,
    dataset: VideoDataset,
    protocol: Protocol | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> DetectionRecords:
    """Runs a detector over a data set. Unlabelled frames are run and not scored.

    Args:
        detector: with `SCORE_THRESHOLD`; its state is reset before each clip and carried within it.
        dataset: with the detector's classes, in any order.
        protocol: which part is run and how; None runs every frame of every clip.
        progress: wraps the iteration over clips, such as `tqdm`.

    Raises:
        InputError: the data set's classes and the model's labels differ, or the protocol does not fit the data set.
    """
    protocol = protocol or Protocol()
    if set(dataset.classes) != set(detector.labels):
        raise InputError(
            f"the data set's classes differ from the model's. Data set: {', '.join(dataset.classes)}; model: "
            f"{', '.join(detector.labels)}"
        )
    dataset = protocol.videos(dataset)
    choice = FrameChoice(protocol.frames, dataset, part=protocol.development is not None)
    class_of = np.array([detector.labels.index(name) for name in dataset.classes], np.int16)
    runner: Any = detector
    if protocol.average_scores:
        runner = AveragedDetector(detector, protocol.average_scores, SCORE_THRESHOLD)
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
                # Only the network forgets; an average over the past is another matter.
                detector.reset()
            detections = runner(frame).detections
            if number in scored:
                found.append(detections)
                truths.append(labels[number])
                motion.append(speeds[number])
                places.append((clip, number))
    every: list[Detection] = [one for detections in found for one in detections]
    videos, frame_ids = np.array(places, np.int32).reshape(-1, 2).T
    return DetectionRecords(
        labels=tuple(detector.labels),
        boxes=np.array([one.box for one in every], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in every], np.float32),
        classes=np.array([one.class_id for one in every], np.int16),
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
        degrade=protocol.degrade,
        protocol=protocol.text(detector.metadata),
        runtime=f"{detector.runtime.name} {detector.runtime.version}",
    )


def _frames(dataset: VideoDataset, clip: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, stop, _FRAMES_AT_ONCE):
        yield from enumerate(dataset.read(clip, start, min(stop, start + _FRAMES_AT_ONCE)), start)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.empty((0, *np.shape(parts[0])[1:]) if parts else 0, dtype), *parts]).astype(dtype)
