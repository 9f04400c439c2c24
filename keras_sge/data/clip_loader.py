"""Videos in, batches of training clips out."""

from __future__ import annotations

import keras
import numpy as np

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.boxes import LabelEncoder
from keras_sge.boxes.label_encoder import IGNORED
from keras_sge.config import NetworkConfig, TrainingConfig
from keras_sge.data.augmentation import random_transform, whole_frame
from keras_sge.data.video_dataset import VideoDataset
from keras_sge.models.detector_graph import anchor_maps
from keras_sge.models.network_metadata import entropy_settings


class ClipLoader(keras.utils.PyDataset):
    """Random clips with their targets, loaded in background threads, in the same order for the same seed.

    Item i is a pair (inputs, targets) as `SGENet` and `multibox_loss` take them: `image` float32 (b, t, h, w, 3) RGB in
    -1 .. 1, `attention` float32 (b, t, rows, columns, 1); `boxes` float32 (b, t, anchors, 5), `scores` int32
    (b, t, anchors). A video shorter than a clip is filled up with its last frame, whose anchors do not count.

    Args:
        dataset: the videos. network, training: what to make of them.
        steps: batches of an epoch.
        augment: whether clips are changed at random.
        epoch: number of the first epoch; each epoch draws other clips.
        workers: loading threads.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        network: NetworkConfig,
        training: TrainingConfig,
        steps: int,
        augment: bool = True,
        epoch: int = 0,
        workers: int = 2,
    ):
        super().__init__(workers=workers, max_queue_size=8)
        check_classes(dataset, network)
        self.dataset = dataset
        self.network = network
        self.training = training
        self.steps = steps
        self.augment = augment
        self.epoch = epoch
        self.encoder = LabelEncoder(anchor_maps(network), network.anchors.variances)
        self._class_index = np.array([network.classes.index(name) for name in dataset.classes])
        self._first_frame = np.cumsum([0, *(video.length for video in dataset.videos)])
        self._entropy = entropy_settings(network)

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        clips = [
            self._clip(np.random.default_rng([self.training.seed, int(self.augment), self.epoch, index, item]))
            for item in range(self.training.batch_size)
        ]
        inputs, targets = ([clip[part] for clip in clips] for part in (0, 1))
        return tuple({name: np.stack([one[name] for one in part]) for name in part[0]} for part in (inputs, targets))

    def on_epoch_end(self):
        self.epoch += 1 if self.augment else 0

    def _clip(self, rng):
        training, (height, width) = self.training, self.network.input_size
        # Every frame of the set is equally likely to be a clip's first, as far as its video goes on long enough.
        video_index = int(np.searchsorted(self._first_frame, rng.integers(self._first_frame[-1]), side="right")) - 1
        video = self.dataset.videos[video_index]
        longest = max(1, (video.length - 1) // max(1, training.clip_length - 1))
        stride = int(rng.integers(1, min(training.frame_stride, longest) + 1))
        span = (training.clip_length - 1) * stride + 1
        start = int(rng.integers(max(1, video.length - span + 1)))
        stop = min(start + span, video.length)
        frames = self.dataset.read(video_index, start, stop)[::stride]
        labels = self.dataset.labels(video_index)[start:stop:stride]
        transform = (
            random_transform(training.augmentation, video.width, video.height, rng)
            if self.augment
            else whole_frame(video.width, video.height)
        )
        images = [transform.frame(frame, height, width) for frame in frames]
        missing = training.clip_length - len(images)
        images += images[-1:] * missing
        inputs = {"image": normalise(np.stack(images))}
        if self._entropy:
            inputs["attention"] = np.stack([entropy_attention(image, self._entropy) for image in images])[..., None]
        encoded = [self._encode(transform, label) for label in labels]
        empty = np.zeros_like(encoded[0][0]), np.full_like(encoded[0][1], IGNORED)
        boxes, scores = zip(*encoded, *[empty] * missing, strict=True)
        return inputs, {"boxes": np.stack(boxes), "scores": np.stack(scores)}

    def _encode(self, transform, labels):
        boxes, kept = transform.boxes(labels.boxes)
        return self.encoder.encode(boxes, self._class_index[labels.classes[kept]])


def check_classes(dataset: VideoDataset, network: NetworkConfig) -> None:
    """Raises InputError where a data set's classes are not the network's, in whatever order."""
    if set(dataset.classes) != set(network.classes):
        raise InputError(
            f"the data set's classes differ from the network's. Data set: {', '.join(dataset.classes)}; "
            f"network.classes: {', '.join(network.classes)}"
        )


def normalise(images: np.ndarray) -> np.ndarray:
    """uint8 BGR (..., 3) -> float32 RGB in -1 .. 1."""
    result = np.multiply(images[..., ::-1], np.float32(1 / 127.5), dtype=np.float32)
    return np.subtract(result, np.float32(1), out=result)
