"""mAP on validation clips while a network is trained, and a picture of what it finds in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import keras
import numpy as np

from edge.atomic import atomic_path
from edge.detector import Detector
from edge.draw import class_color, draw_boxes
from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config import NetworkConfig, TrainingConfig
from keras_sge.config.run_folder import MAP50, RunFolder
from keras_sge.data.dataset import FrameLabels, VideoDataset
from keras_sge.evaluation import SCORE_THRESHOLD, DetectionRecords, record_detections
from keras_sge.evaluation.detector import KerasRuntime
from keras_sge.evaluation.matches import match
from keras_sge.models import build_step_model, copy_weights
from keras_sge.models.step_model import network_metadata

# Frames of a clip: enough for a memory to fill.
_CLIP_FRAMES = 24
# Of the picture: clips shown, pixels of a frame's width and of a caption's height, the lowest score of a box.
_SHOWN, _CELL_PX, _CAPTION_PX, _SCORE = 6, 320, 26, 0.3


class Validation(keras.callbacks.Callback):
    """Measures mAP@0.5 as `sge evaluate` does, on a bounded number of frames, and adds it to the epoch's logs.

    The one-step network runs over the clips with its state carried, from zero at each clip's start. Measured every
    `training.evaluation_epochs` epochs and after the last one. Comes before `Log`, and behind the callback that puts
    averaged weights into the model.

    Args:
        folder: of the run; `validation.png` is drawn into it.
        network, training: the experiment's. videos: the validation videos.
    """

    def __init__(self, folder: RunFolder, network: NetworkConfig, training: TrainingConfig, videos: VideoDataset):
        super().__init__()
        self.clips = ValidationClips(videos, network, training.evaluation_frames)
        self._folder, self._training = folder, training
        self._step = build_step_model(network)
        self._detector = Detector.from_runtime(
            KerasRuntime(self._step), network_metadata(network), score_threshold=SCORE_THRESHOLD
        )

    def on_epoch_end(self, epoch, logs=None):
        number, training = epoch + 1, self._training
        if number % training.evaluation_epochs and number != training.epochs:
            return
        copy_weights(self.model, self._step)
        records = record_detections(self._detector, self.clips)
        map50 = match(list(records)).mean_average_precision(len(records.labels))
        # Without an object in the clips there is nothing to measure.
        if not np.isnan(map50):
            logs[MAP50] = map50
        if not len(records):
            return
        picture = validation_picture(self.clips, records)
        with atomic_path(self._folder.pictures) as temporary:
            if not cv2.imwrite(str(temporary), picture):
                raise InputError(f"{self._folder.pictures} could not be written.")


class ValidationClips(VideoDataset):
    """The beginnings of some videos, spread evenly over a split, in memory at the network's size.

    mAP is what it would be on the videos themselves: frames reach the network as they would, and an overlap of boxes
    does not change when both sides are scaled.

    Args:
        dataset: the split. network: its input size counts. frames: how many are kept at the most.
    """

    def __init__(self, dataset: VideoDataset, network: NetworkConfig, frames: int):
        height, width = network.input_size
        count = min(len(dataset), max(1, frames // _CLIP_FRAMES))
        picks = np.linspace(0, len(dataset) - 1, count).astype(int).tolist()
        self.classes = dataset.classes
        self.videos, self._frames, self._labels = [], [], []
        for index in picks:
            video = dataset.videos[index]
            length = min(video.length, frames // count)
            # With a labelled frame in it: without one there would be nothing to measure.
            first = next(frame for frame in range(video.length) if frame not in video.unlabelled)
            start = max(0, first + 1 - length)
            pictures = [resize_frame(frame, height, width) for frame in dataset.read(index, start, start + length)]
            scale = np.array([width / video.width, height / video.height] * 2, np.float32)
            labels = dataset.labels(index)[start : start + length]
            self._frames.append(np.stack(pictures))
            self._labels.append([_scaled(one, scale) for one in labels])
            unlabelled = frozenset(frame - start for frame in video.unlabelled if start <= frame < start + length)
            self.videos.append(
                dataclasses.replace(video, width=width, height=height, length=length, unlabelled=unlabelled)
            )

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._frames[index][start:stop]

    def labels(self, index: int) -> Sequence[FrameLabels]:
        return self._labels[index]


def _scaled(labels: FrameLabels, scale: np.ndarray) -> FrameLabels:
    return dataclasses.replace(labels, boxes=labels.boxes * scale, ignored=labels.ignored * scale)


def validation_picture(clips: VideoDataset, records: DetectionRecords) -> np.ndarray:
    """The last scored frames of some clips, the labels drawn in above, what was found with its scores below.

    Args:
        clips: what was run. records: what was found in it, at least one frame.

    Returns:
        uint8 (height, width, 3), BGR; two rows of at most six frames, a caption above each.
    """
    last = {clip: place for place, clip in enumerate(records.videos.tolist())}
    shown = np.unique(np.linspace(0, len(last) - 1, min(_SHOWN, len(last))).astype(int))
    columns = []
    for clip in (list(last)[index] for index in shown):
        record, number = records[last[clip]], int(records.frame_ids[last[clip]])
        frame = clips.read(clip, number, number + 1)[0]
        best = np.flatnonzero(record.scores >= _SCORE)
        names = [records.labels[one] for one in record.true_classes]
        found = [f"{records.labels[record.classes[one]]} {record.scores[one]:.2f}" for one in best]
        rows = (record.true_boxes, names, record.true_classes), (record.boxes[best], found, record.classes[best])
        columns.append([_cell(frame, *row) for row in rows])
    captions = "labels", f"found, with a score of {_SCORE} or more"
    rows = [np.hstack(row) for row in zip(*columns, strict=True)]
    return np.vstack([part for row, text in zip(rows, captions, strict=True) for part in (_caption(text, row), row)])


def _caption(text: str, row: np.ndarray) -> np.ndarray:
    strip = np.full((_CAPTION_PX, row.shape[1], 3), 255, np.uint8)
    return cv2.putText(strip, text, (6, _CAPTION_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (20, 20, 20), 1, cv2.LINE_AA)


def _cell(frame: np.ndarray, boxes: np.ndarray, texts: list[str], classes: np.ndarray) -> np.ndarray:
    scale = _CELL_PX / frame.shape[1]
    large = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    drawn = draw_boxes(large, boxes * scale, texts, [class_color(int(one)) for one in classes])
    return cv2.copyMakeBorder(drawn, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255, 255, 255))
