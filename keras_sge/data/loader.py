"""Videos in, batches of training clips out."""

from __future__ import annotations

import time

import keras
import numpy as np

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.boxes import IGNORED, LabelEncoder, anchor_maps
from keras_sge.config import NetworkConfig, TrainingConfig
from keras_sge.data.augmentation import random_transform, whole_frame
from keras_sge.data.dataset import Video, VideoDataset
from keras_sge.data.degradation import training_degradation
from keras_sge.models.step_model import entropy_settings

# Batches whose time of finishing is kept, of a loader that nobody asks for it.
_REMEMBERED = 100


class ClipLoader(keras.utils.PyDataset):
    """Random clips with their targets, loaded in background threads, in the same order for the same seed.

    Item i is a pair (inputs, targets) as `SGENet` and `multibox_loss` take them: `image` float32 (b, t, h, w, 3) RGB in
    -1 .. 1, `attention` float32 (b, t, rows, columns, 1); `boxes` float32 (b, t, anchors, 5), `scores` int32
    (b, t, anchors). A video shorter than a clip is filled up with its last frame, whose anchors do not count; neither
    do those of unlabelled frames, between which clips are drawn around labelled ones, those in regions to ignore, and
    those in the ignore band of `training.ignore_iou`.

    A batch's number and the seed decide all that is in it: whoever goes on at batch n goes on as if never stopped.

    It is a plain `keras.utils.PyDataset`: `fit` of any model takes it, `loader[i]` is batch i, and a loop over it gives
    batch after batch.

    Args:
        dataset: the videos. network, training: what to make of them.
        steps: batches of an epoch, the same ones in each; None for training, where batches go on without end: `fit`
            then wants `steps_per_epoch`, and `shuffle=False`.
        augment: whether clips are changed at random.
        first: number of the first batch.
        workers: loading threads.

    Attributes:
        ready: when each of the latest batches was finished, by its number, on `time.perf_counter`'s clock.

    Example:
        loader = ClipLoader(open_videos("data/sky", "train"), config.network, config.training, steps=100)
        for inputs, targets in loader:
            loss = model.train_on_batch(inputs, targets)
    """

    def __init__(
        self,
        dataset: VideoDataset,
        network: NetworkConfig,
        training: TrainingConfig,
        steps: int | None = None,
        augment: bool = True,
        first: int = 0,
        workers: int = 2,
    ):
        super().__init__(workers=workers, max_queue_size=8)
        check_classes(dataset, network)
        self.dataset = dataset
        self.network = network
        self.training = training
        self.steps = steps
        self.augment = augment
        self.first = first
        self.encoder = LabelEncoder(anchor_maps(network), network.anchors.variances, ignore_iou=training.ignore_iou)
        self._class_index = np.array([network.classes.index(name) for name in dataset.classes])
        self._first_frame = np.cumsum([0, *(video.length for video in dataset.videos)])
        self._entropy = entropy_settings(network)
        self.ready: dict[int, float] = {}

    @property
    def num_batches(self):
        return self.steps

    def __getitem__(self, index):
        number = self.first + index
        clips = [
            self._clip(np.random.default_rng([self.training.seed, int(self.augment), number, item]))
            for item in range(self.training.batch_size)
        ]
        inputs, targets = ([clip[part] for clip in clips] for part in (0, 1))
        batch = tuple({name: np.stack([one[name] for one in part]) for name in part[0]} for part in (inputs, targets))
        self.ready[number] = time.perf_counter()
        self.ready.pop(number - _REMEMBERED, None)
        return batch

    def _clip(self, rng):
        training, (height, width) = self.training, self.network.input_size
        # Every frame of the set is equally likely to be a clip's first, as far as its video goes on long enough.
        video_index = int(np.searchsorted(self._first_frame, rng.integers(self._first_frame[-1]), side="right")) - 1
        video = self.dataset.videos[video_index]
        longest = max(1, (video.length - 1) // max(1, training.clip_length - 1))
        stride = int(rng.integers(1, min(training.frame_stride, longest) + 1))
        span = (training.clip_length - 1) * stride + 1
        start = int(rng.integers(max(1, video.length - span + 1)))
        if video.unlabelled:
            start = _labelled_start(video, stride, training.clip_length, rng)
        transform, lost, degradation = whole_frame(video.width, video.height), 0.0, None
        if self.augment:
            transform = random_transform(training.augmentation, video.width, video.height, rng)
            lost, degradation = training.augmentation.drop, training_degradation(training.augmentation, rng)
        positions = _positions(start, stride, training.clip_length, video.length, lost, rng)
        clip = self.dataset.read(video_index, start, positions[-1] + 1)
        labels = self.dataset.labels(video_index)
        images = [transform.frame(clip[position - start], height, width) for position in positions]
        if degradation:
            plan = degradation.plan(len(images), rng)
            key = [] if plan is None else [int(rng.integers(2**32))]
            images = degradation.degrade(images, [rng] * len(images), plan, key)
        missing = training.clip_length - len(images)
        images += images[-1:] * missing
        inputs = {"image": normalize(np.stack(images))}
        if self._entropy:
            inputs["attention"] = np.stack([entropy_attention(image, self._entropy) for image in images])[..., None]
        anchors = len(self.encoder.anchors)
        silent = np.zeros((anchors, 5), np.float32), np.full(anchors, IGNORED, np.int32)
        encoded = [
            silent if position in video.unlabelled else self._encode(transform, labels[position])
            for position in positions
        ]
        boxes, scores = zip(*encoded, *[silent] * missing, strict=True)
        return inputs, {"boxes": np.stack(boxes), "scores": np.stack(scores)}

    def _encode(self, transform, labels):
        boxes, kept = transform.boxes(labels.boxes)
        ignored, _ = transform.boxes(labels.ignored, visible=0)
        return self.encoder.encode(boxes, self._class_index[labels.classes[kept]], ignored)


def _labelled_start(video: Video, stride: int, count: int, rng: np.random.Generator) -> int:
    """Where a clip begins that has a labelled frame, each equally likely, at any of its places."""
    labelled = [frame for frame in range(video.length) if frame not in video.unlabelled]
    frame = labelled[int(rng.integers(len(labelled)))]
    earliest = frame % stride
    room = max(0, video.length - 1 - (count - 1) * stride - earliest) // stride
    return min(max(earliest, frame - int(rng.integers(count)) * stride), earliest + room * stride)


def _positions(start: int, stride: int, count: int, length: int, lost: float, rng: np.random.Generator) -> list[int]:
    """Which frames make a clip: every `stride`-th, some of them lost and made up for while the video goes on."""
    skipped = np.cumsum(rng.random(count - 1) < lost)
    room = (length - 1 - start) // stride - (count - 1)
    steps = np.arange(count) + np.concatenate([[0], np.minimum(skipped, max(0, room))])
    return [position for position in (start + stride * steps).tolist() if position < length]


def check_classes(dataset: VideoDataset, network: NetworkConfig) -> None:
    """Raises InputError where a data set's classes are not the network's, in whatever order."""
    if set(dataset.classes) != set(network.classes):
        raise InputError(
            f"the data set's classes differ from the network's. Data set: {', '.join(dataset.classes)}; "
            f"network.classes: {', '.join(network.classes)}"
        )


def normalize(images: np.ndarray) -> np.ndarray:
    """uint8 BGR (..., 3) -> float32 RGB in -1 .. 1."""
    result = np.multiply(images[..., ::-1], np.float32(1 / 127.5), dtype=np.float32)
    return np.subtract(result, np.float32(1), out=result)
