"""mAP on validation clips while a network is trained, and a picture of what it finds in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import keras
import numpy as np

from edge.atomic import atomic_path
from edge.detector import Detector
from edge.draw import class_color, draw_boxes, picture_grid, resize_to_fit, with_caption
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
# Of the picture: clips shown, pixels of a frame's width, the lowest score of a box.
_SHOWN, _CELL_PX, _SCORE = 6, 320, 0.3


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
            # With a labelled frame in it, if there is one: without it there is nothing to measure.
            first = next((frame for frame in range(video.length) if frame not in video.unlabelled), 0)
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
        uint8 (height, width, 3), BGR; two rows of at most six frames, a caption below each frame.
    """
    last = {clip: place for place, clip in enumerate(records.videos.tolist())}
    shown = np.unique(np.linspace(0, len(last) - 1, min(_SHOWN, len(last))).astype(int))
    truths, answers = [], []
    for clip in (list(last)[index] for index in shown):
        record, number = records[last[clip]], int(records.frame_ids[last[clip]])
        frame = clips.read(clip, number, number + 1)[0]
        best = np.flatnonzero(record.scores >= _SCORE)
        names = [records.labels[index] for index in record.true_classes]
        found = [f"{records.labels[record.classes[index]]} {record.scores[index]:.2f}" for index in best]
        truths.append(_cell(frame, record.true_boxes, names, record.true_classes, "labels"))
        answers.append(_cell(frame, record.boxes[best], found, record.classes[best], f"found, score {_SCORE} or more"))
    return picture_grid(truths + answers, len(truths))


def _cell(frame: np.ndarray, boxes: np.ndarray, texts: list[str], classes: np.ndarray, caption: str) -> np.ndarray:
    scale = _CELL_PX / frame.shape[1]
    large = resize_to_fit(frame, (_CELL_PX, round(frame.shape[0] * scale)))
    return with_caption(draw_boxes(large, boxes * scale, texts, [class_color(int(kind)) for kind in classes]), caption)
