"""Training clips: repeatable, changed alike in all frames, with boxes that stay on their objects."""

import dataclasses
import time
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
from tiny import CLASSES, tiny_config

from edge.boxes import decode_boxes
from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.config import AugmentationConfig, TrainingConfig
from keras_sge.data import FrameLabels, SyntheticSky, Video, VideoDataset
from keras_sge.data.augmentation import random_transform, whole_frame
from keras_sge.data.loader import ClipLoader
from keras_sge.models.step_model import entropy_settings


class Memory(VideoDataset):
    """Videos from arrays; notes what was read."""

    def __init__(self, clips, boxes, kinds, classes=CLASSES):
        self.clips, self.classes, self.reads = clips, classes, []
        height, width = clips[0].shape[1:3]
        self.videos = [Video(i, f"v{i}", width, height, 30.0, len(clip)) for i, clip in enumerate(clips)]
        self._labels = [
            [
                FrameLabels(np.float32(boxes).reshape(-1, 4), np.int32(kinds), np.arange(len(kinds), dtype=np.int32))
                for _ in clip
            ]
            for clip in clips
        ]

    def read(self, index, start=0, stop=None):
        self.reads.append((index, start, stop))
        return self.clips[index][start:stop]

    def labels(self, index):
        return self._labels[index]


def still(length=6, box=(20, 24, 44, 40), kind=0, classes=CLASSES, size=(64, 80)):
    """A bright rectangle on black that does not move."""
    frame = np.zeros((*size, 3), np.uint8)
    frame[box[1] : box[3], box[0] : box[2]] = 255
    return Memory([np.repeat(frame[None], length, axis=0)], [box], [kind], classes)


def loader(dataset, steps=3, augment=True, first=0, workers=1, network=None, **training):
    training = TrainingConfig(**{"batch_size": 2, "clip_length": 4, **training})
    return ClipLoader(dataset, network or tiny_config(), training, steps, augment, first, workers)


def assert_equal(one, other):
    for part, same in zip(one, other, strict=True):
        assert part.keys() == same.keys()
        for key in part:
            np.testing.assert_array_equal(part[key], same[key])


@pytest.fixture(scope="module")
def sky():
    return SyntheticSky(videos=4, frames=12, size=64, seed=1)


def test_shapes_and_ranges(sky):
    inputs, targets = loader(sky)[0]
    anchors = targets["scores"].shape[2]
    assert {key: (value.shape, value.dtype.name) for key, value in {**inputs, **targets}.items()} == {
        "image": ((2, 4, 64, 64, 3), "float32"),
        "attention": ((2, 4, 2, 2, 1), "float32"),
        "boxes": ((2, 4, anchors, 5), "float32"),
        "scores": ((2, 4, anchors), "int32"),
    }
    assert inputs["image"].min() >= -1 and inputs["image"].max() <= 1
    assert "attention" not in loader(sky, network=tiny_config(entropy=None))[0][0]


def test_same_seed_same_batches(sky):
    one, other = loader(sky), loader(sky)
    for index in (2, 0, 1):
        assert_equal(one[index], other[index])
    assert not np.array_equal(one[0][0]["image"], one[1][0]["image"])
    assert not np.array_equal(one[0][0]["image"], loader(sky, seed=2)[0][0]["image"])


def test_who_goes_on_at_a_batch_gets_the_same_batches(sky):
    one, resumed = loader(sky), loader(sky, first=2)
    assert_equal(one[2], resumed[0])
    assert_equal(one[3], resumed[1])


def test_validation_clips_are_others_than_those_of_training(sky):
    assert not np.array_equal(loader(sky, augment=False)[0][0]["image"], loader(sky)[0][0]["image"])


def test_a_gray_clip_has_lost_its_colors_in_every_frame():
    colors = np.broadcast_to(np.uint8([40, 120, 220]), (6, 64, 80, 3)).copy()
    dataset = Memory([colors], [(20, 24, 44, 40)], [0])
    colorful, gray = (
        loader(dataset, augmentation=AugmentationConfig(gray=share, color=0.0))[0][0]["image"] for share in (0.0, 1.0)
    )
    assert np.ptp(colorful, axis=-1).min() > 1
    assert np.ptp(gray, axis=-1).max() == 0


def test_a_still_clip_stays_still_under_augmentation():
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (64, 80, 3), np.uint8), (0, 0), 2)
    dataset = Memory([np.repeat(frame[None], 6, axis=0)], [(20, 24, 44, 40)], [0])
    one = loader(dataset)
    for index in range(3):
        for part in one[index]:
            for value in part.values():
                np.testing.assert_array_equal(value, np.repeat(value[:, :1], 4, axis=1))
    # And clips differ from each other.
    images = one[0][0]["image"]
    assert np.abs(images[0] - images[1]).max() > 0.1


def bright_bounds(image):
    rows, columns = (np.flatnonzero(image.max(axis=axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_boxes_follow_their_pixels(flip):
    dataset = still(box=(30, 24, 52, 40))
    config = AugmentationConfig(flip=flip, zoom=(0.7, 2.0), shift=0.3, color=0)
    height, width, seen, clipped = 96, 128, 0, 0
    for seed in range(60):
        transform = random_transform(config, 80, 64, np.random.default_rng(seed))
        image = transform.frame(dataset.clips[0][0], height, width)[..., 0] > 127
        boxes, kept = transform.boxes(dataset.labels(0)[0].boxes)
        assert len(boxes) == kept.sum()
        if kept[0]:
            found = bright_bounds(image) / [width, height, width, height]
            np.testing.assert_allclose(boxes[0], found, atol=0.025)
            seen += 1
            clipped += bool((boxes[0] == 0).any() or (boxes[0] == 1).any())
    assert seen > 30 and clipped > 3


def test_flip_mirrors_the_picture():
    dataset = still(box=(2, 24, 20, 40))
    config = AugmentationConfig(flip=1, zoom=(1, 1), shift=0, color=0)
    transform = random_transform(config, 80, 64, np.random.default_rng(0))
    frame = dataset.clips[0][0]
    np.testing.assert_array_equal(transform.frame(frame, 64, 80), frame[:, ::-1])
    boxes = transform.boxes(np.float32([[2, 24, 20, 40]]))[0]
    np.testing.assert_allclose(boxes[0] * [80, 64, 80, 64], [60, 24, 78, 40], rtol=1e-6)


def test_objects_pushed_out_no_longer_count():
    transform = random_transform(AugmentationConfig(zoom=(4, 4), shift=0, flip=0), 80, 64, np.random.default_rng(0))
    boxes, kept = transform.boxes(np.float32([[0, 0, 12, 12], [34, 28, 46, 36]]))
    assert kept.tolist() == [False, True] and len(boxes) == 1


def test_no_objects_is_no_problem():
    dataset = Memory([np.zeros((5, 64, 80, 3), np.uint8)], np.zeros((0, 4)), [])
    targets = loader(dataset)[0][1]
    assert not targets["scores"].any() and not targets["boxes"].any()


def test_targets_stand_on_the_pixels_they_name():
    one = loader(still(kind=2), augment=True, steps=12)
    matched = 0
    for index in range(12):
        inputs, targets = one[index]
        for image, codes, scores in zip(inputs["image"], targets["boxes"], targets["scores"], strict=True):
            answering = scores[0] > 0
            if answering.any() and image[0].max() > 0:
                assert set(scores[0][answering]) == {3}
                decoded = decode_boxes(codes[0][answering, :4], one.encoder.anchors[answering], (0.1, 0.2))
                found = bright_bounds(image[0].max(axis=-1) > 0) / 64
                np.testing.assert_allclose(decoded, np.repeat(found[None], len(decoded), 0), atol=0.06)
                matched += 1
    assert matched > 12


def test_without_augmentation_the_clip_is_the_video_s(sky):
    one = loader(sky, augment=False, clip_length=12)
    inputs, _ = one[0]
    images = [sky.read(index)[..., ::-1] / 127.5 - 1 for index in range(4)]
    [index] = [number for number in range(4) if np.allclose(images[number], inputs["image"][0], atol=1e-5)]
    attention = [entropy_attention(frame, entropy_settings(one.network)) for frame in sky.read(index)]
    np.testing.assert_allclose(inputs["attention"][0, ..., 0], attention, atol=1e-6)


def test_short_video_is_filled_up_and_the_filling_ignored():
    dataset = still(length=3)
    inputs, targets = loader(dataset, clip_length=5)[0]
    np.testing.assert_array_equal(inputs["image"][:, 3:], np.repeat(inputs["image"][:, 2:3], 2, axis=1))
    assert (targets["scores"][:, 3:] == -1).all() and (targets["scores"][:, :3] >= 0).all()
    assert not targets["boxes"][:, 3:, :, 4].any()
    assert dataset.reads[0] == (0, 0, 3)


def test_classes_are_matched_by_name():
    reversed_classes = tuple(reversed(CLASSES))
    for kind, name in enumerate(reversed_classes):
        dataset = still(kind=kind, classes=reversed_classes)
        scores = loader(dataset, augment=False)[0][1]["scores"]
        assert set(np.unique(scores)) == {0, CLASSES.index(name) + 1}


def test_other_classes_are_refused():
    with pytest.raises(InputError, match=r"kite.*helicopter"):
        loader(still(classes=("kite", "bird")))


@pytest.mark.parametrize(
    ("length", "clip_length", "stride"), [(12, 4, 1), (12, 4, 3), (12, 12, 2), (13, 4, 9), (4, 4, 1)]
)
def test_clips_lie_within_their_video(length, clip_length, stride):
    dataset = still(length=length)
    one = loader(dataset, steps=20, clip_length=clip_length, frame_stride=stride)
    for index in range(20):
        assert (one[index][1]["scores"] >= 0).all()
    starts = {start for _, start, _ in dataset.reads}
    assert all(0 <= start < stop <= length for _, start, stop in dataset.reads)
    spans = {stop - start for _, start, stop in dataset.reads}
    longest = min(stride, max(1, (length - 1) // (clip_length - 1)))
    assert spans == {(clip_length - 1) * step + 1 for step in range(1, longest + 1)}
    assert starts >= {0, length - clip_length} if stride == 1 else len(starts) >= 1


def test_labels_belong_to_their_frames():
    """The object of frame t is t pixels further to the right; so must its box be, whatever the stride."""
    boxes = [(4 + 3 * t, 24, 24 + 3 * t, 40) for t in range(14)]
    clip = np.zeros((14, 64, 64, 3), np.uint8)
    for frame, (x1, y1, x2, y2) in zip(clip, boxes, strict=True):
        frame[y1:y2, x1:x2] = 255
    dataset = Memory([clip], [boxes[0]], [1])
    dataset._labels = [[FrameLabels(np.float32([box]), np.int32([1]), np.int32([0])) for box in boxes]]
    one = loader(dataset, augment=False, frame_stride=3, steps=5)
    for index in range(5):
        inputs, targets = one[index]
        for image, codes, scores in zip(inputs["image"][0], targets["boxes"][0], targets["scores"][0], strict=True):
            decoded = decode_boxes(codes[scores > 0, :4], one.encoder.anchors[scores > 0], (0.1, 0.2))
            np.testing.assert_allclose(decoded[0] * 64, bright_bounds(image.max(axis=-1) > 0), atol=0.01)


def test_whole_frame_only_resizes():
    frame = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    transform = whole_frame(80, 64)
    np.testing.assert_array_equal(transform.frame(frame, 64, 80), frame)
    np.testing.assert_allclose(transform.boxes(np.float32([[8, 16, 40, 32]]))[0], [[0.1, 0.25, 0.5, 0.5]])


def test_worker_threads_keep_the_order(sky):
    class Hesitant(ClipLoader):
        def __getitem__(self, index):
            # The first ones take longest.
            time.sleep(0.05 * (index % 3 == 0))
            return super().__getitem__(index)

    network, training = tiny_config(entropy=None), TrainingConfig(batch_size=2, clip_length=2)
    expected = [ClipLoader(sky, network, training, 8)[index][0]["image"].mean(axis=(1, 2, 3, 4)) for index in range(8)]
    image = keras.Input((2, 64, 64, 3), name="image")
    mean = keras.Model({"image": image}, keras.layers.GlobalAveragePooling3D()(image))
    found = mean.predict(Hesitant(sky, network, training, 8, workers=3), verbose=0)
    np.testing.assert_allclose(found.mean(axis=1), np.concatenate(expected), atol=1e-5)


def test_degraded_frames_are_drawn_one_by_one_and_keep_their_objects():
    clean, degraded = (
        loader(still(), augment=True, steps=1, batch_size=8, augmentation=AugmentationConfig(degrade=degrade))[0]
        for degrade in (0.0, 0.5)
    )
    changed = (clean[0]["image"] != degraded[0]["image"]).any(axis=(2, 3, 4))
    assert 0 < changed.sum() < changed.size and (changed.any(axis=1) & ~changed.all(axis=1)).any()
    for key in clean[1]:
        np.testing.assert_array_equal(clean[1][key], degraded[1][key])


def test_clips_are_degraded_in_bursts_or_as_a_whole_by_equal_chances():
    def degraded(**settings):
        augmentation = AugmentationConfig(degrade=0.2, **settings)
        batch = loader(still(), augment=True, steps=1, batch_size=60, clip_length=12, augmentation=augmentation)[0]
        clean = loader(still(), augment=True, steps=1, batch_size=60, clip_length=12)[0]
        return (batch[0]["image"] != clean[0]["image"]).any(axis=(2, 3, 4))

    # Blocks may lie where the frame is black.
    assert degraded(damage=("all",)).mean() > 0.9
    bursts = degraded(damage=("bursts",))
    # Bursts do not end at each frame, and many a clip has none at all or nothing else.
    assert 0.3 < bursts.mean() < 0.7 and (np.diff(bursts, axis=1) != 0).mean() < 0.25
    shares = degraded(damage=("singly", "all", "all")).mean(axis=1)
    assert 0.45 < (shares > 0.7).mean() < 0.85 and 0 < shares[shares <= 0.7].mean() < 0.4
    # The default is what it was: nothing more is drawn.
    np.testing.assert_array_equal(degraded(), degraded(damage=("singly",)))


def test_lost_frames_are_made_up_for_while_the_video_goes_on():
    frames = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((64, 64, 3), np.uint8)
    dataset = Memory([frames], [(20, 24, 44, 40)], [0])
    augmentation = AugmentationConfig(flip=0.0, color=0.0, drop=0.3)
    images = loader(dataset, batch_size=16, clip_length=6, augmentation=augmentation)[0][0]["image"]
    steps = np.diff(np.rint((images.mean(axis=(2, 3, 4)) + 1) * 127.5), axis=1)
    # At the video's end a clip has no frame left to lose.
    assert set(np.unique(steps)) >= {1, 2} and steps.min() >= 1


def sparse(length, labelled):
    """A still video of which only some frames are labelled, those with the object."""
    dataset = still(length=length)
    dataset.videos = [dataclasses.replace(dataset.videos[0], unlabelled=frozenset(range(length)) - set(labelled))]
    nothing = FrameLabels(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32))
    dataset._labels = [[one if n in labelled else nothing for n, one in enumerate(dataset.labels(0))]]
    return dataset


@pytest.mark.parametrize("clip_length", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_unlabelled_frames_are_seen_and_not_learned(clip_length, stride):
    dataset = sparse(23, {0, 5, 10, 15, 20})
    one = loader(dataset, steps=30, batch_size=1, clip_length=clip_length, frame_stride=stride)
    for index in range(30):
        inputs, targets = one[index]
        learned = (targets["scores"][0] >= 0).any(axis=1)
        # Each clip has something to learn from; a frame counts as a whole or not at all.
        assert learned.any() and np.abs(inputs["image"]).min() > 0
        for scores, boxes, counts in zip(targets["scores"][0], targets["boxes"][0], learned, strict=True):
            assert (scores >= 0).all() if counts else (scores == -1).all() and not boxes.any()
    starts = {start for _, start, _ in dataset.reads}
    assert starts <= {0, 5, 10, 15, 20} if clip_length == 1 else len(starts) > 5


def test_every_labelled_frame_is_drawn():
    dataset = sparse(23, {0, 7, 22})
    one = loader(dataset, steps=40, batch_size=1, clip_length=4, frame_stride=3, augment=False)
    one.encoder = None
    drawn = set()
    one._encode = lambda transform, labels: drawn.add(id(labels)) or (np.zeros((1, 5)), np.zeros(1))
    one.encoder = SimpleNamespace(anchors=np.zeros((1, 4)))
    for index in range(40):
        one[index]
    assert drawn == {id(dataset.labels(0)[n]) for n in (0, 7, 22)}


def test_a_fully_labelled_set_is_drawn_as_ever(sky):
    """The draw of unlabelled videos takes numbers of its own only."""
    dataset = sparse(12, range(12))
    assert not dataset.videos[0].unlabelled
    assert_equal(loader(dataset)[0], loader(still(length=12))[0])


def test_ignored_regions_follow_the_picture():
    dataset = Memory([np.zeros((5, 64, 80, 3), np.uint8)], np.zeros((0, 4)), [])
    region = np.float32([[0, 0, 40, 64]])
    dataset._labels = [
        [dataclasses.replace(one, ignored=region, ignored_classes=np.int32([0])) for one in dataset.labels(0)]
    ]
    for flip in (0.0, 1.0):
        augmentation = AugmentationConfig(flip=flip, zoom=(1.0, 1.0), shift=0.0)
        one = loader(dataset, augmentation=augmentation)
        scores = one[0][1]["scores"][0, 0]
        centers = one.encoder.anchors[:, 0]
        inside = (centers > 0.7) if flip else (centers < 0.3)
        small = one.encoder.anchors[:, 2] < 0.3
        assert (scores[inside & small] == -1).all() and (
            scores[~inside & small & (abs(centers - 0.5) > 0.2)] == 0
        ).all()


def test_the_ignore_band_is_off_unless_asked_for():
    plain, banded = (loader(still(), augment=False, ignore_iou=value)[0][1] for value in (None, 0.2))
    assert set(np.unique(plain["scores"])) == {0, 1}
    band = banded["scores"] == -1
    assert band.any() and not plain["scores"][band].any()
    np.testing.assert_array_equal(banded["boxes"], plain["boxes"])


@pytest.mark.parametrize("value", [0, 0.5, -0.1])
def test_an_ignore_band_out_of_range_is_refused(value):
    with pytest.raises(InputError, match=rf"training\.ignore_iou .*Received: {value}"):
        TrainingConfig(ignore_iou=value)


def test_a_loop_of_one_s_own_gets_batch_after_batch(sky):
    loader = ClipLoader(sky, tiny_config(), TrainingConfig(batch_size=2, clip_length=3), steps=2)
    batches = [targets["scores"] for _, targets in loader]
    assert len(batches) == 2
    for number, scores in enumerate(batches):
        np.testing.assert_array_equal(scores, loader[number][1]["scores"])


def test_a_loader_that_nobody_asks_does_not_remember_every_batch(sky, monkeypatch):
    monkeypatch.setattr("keras_sge.data.loader._REMEMBERED", 3)
    loader = ClipLoader(sky, tiny_config(), TrainingConfig(batch_size=1, clip_length=1))
    for number in range(6):
        loader[number]
    assert list(loader.ready) == [3, 4, 5]
