"""Evaluation: every frame in order, a fresh state for each clip, and the same figures for Keras and the file."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import CLASSES

from edge.detection import Detection
from edge.errors import InputError
from keras_sge.data import FrameLabels, SyntheticSky, VideoDataset
from keras_sge.evaluation import SCORE_THRESHOLD, evaluate, open_detector


@pytest.fixture(scope="module")
def sky():
    return SyntheticSky(videos=3, frames=5, size=64, seed=1)


class FakeDetector:
    """Answers from a list, frame by frame; notes resets and frames."""

    runtime = SimpleNamespace(name="fake", version="1")

    def __init__(self, answers, labels=CLASSES):
        self.answers, self.labels, self.log = iter(answers), labels, []

    def reset(self):
        self.log.append("reset")

    def __call__(self, frame):
        self.log.append(frame)
        return SimpleNamespace(detections=next(self.answers))


def truths(dataset, labels=CLASSES):
    """What a perfect detector says."""
    for index in range(len(dataset)):
        for frame in dataset.labels(index):
            names = [dataset.classes[kind] for kind in frame.classes]
            yield [
                Detection(name, labels.index(name), 0.9, tuple(box))
                for name, box in zip(names, frame.boxes.tolist(), strict=True)
            ]


def test_perfect_detector_is_worth_one(sky):
    result = evaluate(FakeDetector(truths(sky)), sky)
    assert result.map50 == 1
    present = {CLASSES[kind] for index in range(3) for frame in sky.labels(index) for kind in frame.classes}
    assert {name for name, value in result.ap50.items() if value == 1} == present
    assert {name for name, value in result.ap50.items() if value is None} == set(CLASSES) - present
    assert sum(result.boxes.values()) == sum(len(f.boxes) for index in range(3) for f in sky.labels(index))
    assert (result.frames, result.clips) == (15, 3)


def test_silent_detector_is_worth_nothing(sky):
    result = evaluate(FakeDetector([[]] * 15), sky)
    assert result.map50 == 0


def test_classes_are_matched_by_name(sky):
    labels = tuple(reversed(CLASSES))
    assert evaluate(FakeDetector(truths(sky, labels), labels), sky).map50 == 1


def test_other_classes_are_refused(sky):
    with pytest.raises(InputError, match=r"helicopter.*kite"):
        evaluate(FakeDetector([], ("kite",)), sky)


def test_state_is_reset_before_each_clip_only(sky):
    detector = FakeDetector(truths(sky))
    evaluate(detector, sky)
    assert [place for place, entry in enumerate(detector.log) if isinstance(entry, str)] == [0, 6, 12]
    frames = [entry for entry in detector.log if not isinstance(entry, str)]
    np.testing.assert_array_equal(frames, np.concatenate([sky.read(index) for index in range(3)]))


def test_progress_wraps_the_clips(sky):
    seen = []

    def progress(clips):
        for clip in clips:
            seen.append(clip)
            yield clip

    evaluate(FakeDetector(truths(sky)), sky, progress)
    assert seen == [0, 1, 2]


def test_result_as_json_and_table(sky, tmp_path):
    result = evaluate(FakeDetector(truths(sky)), sky)
    result.write_json(tmp_path / "result.json")
    document = json.loads((tmp_path / "result.json").read_text())
    assert set(document) >= {"map50", "ap50", "boxes", "frames", "clips", "protocol", "runtime"}
    assert document["map50"] == 1 and document["frames"] == 15 and document["clips"] == 3
    assert set(document["ap50"]) == set(CLASSES)
    assert "IoU .5" in document["protocol"] and document["runtime"] == "fake 1"
    table = result.table()
    assert all(name in table for name in CLASSES) and "1.000" in table


def test_set_without_boxes_has_no_figure(sky):
    class Empty(SyntheticSky):
        def labels(self, index):
            none = FrameLabels(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32))
            return [none] * self.frames

    result = evaluate(FakeDetector([[]] * 5), Empty(videos=1, frames=5, size=64))
    assert math.isnan(result.map50)
    assert result.table()


class Labelled(VideoDataset):
    """A data set's frames with labels of one's own."""

    def __init__(self, dataset, labels):
        self.classes, self.videos, self._dataset, self._labels = dataset.classes, dataset.videos, dataset, labels

    def read(self, index, start=0, stop=None):
        return self._dataset.read(index, start, stop)

    def labels(self, index):
        return self._labels[index]


def test_keras_and_file_have_the_same_figures(sky, tiny_keras, tiny_tflite):
    """The Keras model's own best boxes, moved a little, are the truth: figures well off 0 and 1."""
    rng = np.random.default_rng(0)
    detector = open_detector(tiny_keras, score_threshold=SCORE_THRESHOLD)
    labels = []
    for index in range(len(sky)):
        detector.reset()
        labels.append([])
        for frame in sky.read(index):
            best = [one for one in detector(frame).detections if np.ptp(np.reshape(one.box, (2, 2)), axis=0).min() > 4]
            boxes = np.array([one.box for one in best[:8]], np.float32).reshape(-1, 4)
            boxes = np.clip(boxes + rng.normal(0, 2, boxes.shape), 0, 64).astype(np.float32)
            kinds = np.array([one.class_id for one in best[:8]], np.int32)
            labels[-1].append(FrameLabels(boxes, kinds, np.zeros_like(kinds)))
    dataset = Labelled(sky, labels)
    by_keras = evaluate(open_detector(tiny_keras, score_threshold=SCORE_THRESHOLD), dataset)
    by_file = evaluate(open_detector(tiny_tflite, score_threshold=SCORE_THRESHOLD), dataset)
    assert 0.05 < by_keras.map50 < 0.999
    assert by_file.map50 == pytest.approx(by_keras.map50, abs=0.002)
    assert by_keras.runtime.startswith("keras") and by_file.runtime.startswith(("ai-edge-litert", "tflite-runtime"))


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    for path in (tmp_path / "config.yaml", tmp_path / "no.keras", tmp_path / "no.tflite", tmp_path):
        with pytest.raises(InputError):
            open_detector(path)
