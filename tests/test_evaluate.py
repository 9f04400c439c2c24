"""Evaluation: frames in order, a state that is reset when it shall be, and the same figures for Keras and the file."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import CLASSES

from edge.errors import InputError
from edge.results import Detection
from keras_sge.config import Fold
from keras_sge.data import FrameLabels, SyntheticSky, Video, VideoDataset
from keras_sge.evaluation import (
    SCORE_THRESHOLD,
    DetectionRecords,
    EvaluationResult,
    Protocol,
    evaluate,
    open_detector,
    record_detections,
    score_records,
)


@pytest.fixture(scope="module")
def sky():
    return SyntheticSky(videos=3, frames=5, size=64, seed=1)


class FakeDetector:
    """Answers from a list, frame by frame; notes resets and frames."""

    runtime = SimpleNamespace(name="fake", version="1")
    metadata = SimpleNamespace(iou_threshold=0.45, max_detections=100, box_voting=False)

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


def test_a_data_set_may_have_some_of_the_classes(sky):
    labels = ("kite", *CLASSES, "kettle")
    # What is of no class of the data set counts for nothing.
    other = {"label": "kite", "class_id": 0, "score": 1.0}
    every = [[dataclasses.replace(one, **other) for one in frame] + frame for frame in truths(sky, labels)]
    result = evaluate(FakeDetector(every, labels), sky)
    assert result.map50 == 1 and set(result.ap50) == set(CLASSES)
    assert "left out" in result.protocol


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

    evaluate(FakeDetector(truths(sky)), sky, progress=progress)
    assert seen == [0, 1, 2]


def test_result_as_json_and_table(sky, tmp_path):
    result = evaluate(FakeDetector(truths(sky)), sky)
    result.write_json(tmp_path / "result.json")
    document = json.loads((tmp_path / "result.json").read_text())
    assert set(document) >= {"map50", "ap50", "boxes", "frames", "clips", "protocol", "runtime"}
    assert document["map50"] == 1 and document["frames"] == 15 and document["clips"] == 3
    assert set(document["ap50"]) == set(CLASSES)
    assert "IoU 0.5" in document["protocol"] and document["runtime"] == "fake 1"
    assert EvaluationResult(**document) == result
    table = result.table()
    assert all(name in table for name in CLASSES) and "1.000" in table
    assert "| motion" not in table.splitlines()[0] and len(table.splitlines()) < 40


def test_a_perfect_detector_makes_no_error(sky):
    result = evaluate(FakeDetector(truths(sky)), sky)
    assert result.errors == dict.fromkeys(result.errors, 0) and len(result.errors) == 5
    assert result.best_f1 == pytest.approx({"f1": 1, "threshold": 0.9, "precision": 1, "recall": 1})
    assert result.coco["ap"] == pytest.approx(1) and set(result.frame_index) == {"1", "2-5", "6-10", "11-30", "31+"}
    assert [result.frame_index[name] for name in ("1", "2-5", "6-10")] == [1, 1, None]
    assert {value for value in (*result.motion.values(), *result.motion_weighted.values())} <= {1, None}


def test_set_without_boxes_has_no_figure(sky, tmp_path):
    class Empty(SyntheticSky):
        def labels(self, index):
            none = FrameLabels(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32))
            return [none] * self.frames

    result = evaluate(FakeDetector([[]] * 5), Empty(videos=1, frames=5, size=64))
    assert math.isnan(result.map50)
    assert result.table()
    result.write_json(tmp_path / "x.json")
    # NaN is no JSON.
    document = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert document["map50"] is None and document["coco"]["ap"] is None


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
            labels[-1].append(FrameLabels(boxes, kinds, np.arange(len(kinds), dtype=np.int32)))
    dataset = Labelled(sky, labels)
    by_keras = evaluate(open_detector(tiny_keras, score_threshold=SCORE_THRESHOLD), dataset)
    by_file = evaluate(open_detector(tiny_tflite, score_threshold=SCORE_THRESHOLD), dataset)
    assert 0.05 < by_keras.map50 < 0.999
    assert by_file.map50 == pytest.approx(by_keras.map50, abs=0.002)
    for name in ("coco", "motion", "motion_weighted", "frame_index"):
        for key, value in getattr(by_keras, name).items():
            assert getattr(by_file, name)[key] == pytest.approx(value, abs=0.002), (name, key)
    assert by_keras.runtime.startswith("keras") and by_file.runtime.startswith(("ai-edge-litert", "tflite-runtime"))


def detections(detector, frame):
    return [(one.class_id, one.score, *one.box) for one in detector(frame).detections]


def test_reset_every_frame_is_a_fresh_detector_for_each_frame(sky, tiny_tflite):
    detector = open_detector(tiny_tflite, score_threshold=SCORE_THRESHOLD)
    carried = record_detections(detector, sky)
    reset = record_detections(detector, sky, Protocol(reset_every_frame=True))
    assert "state reset before each frame" in reset.protocol and "carried" in carried.protocol
    frames = np.concatenate([sky.read(index) for index in range(3)])
    for place, frame in enumerate(frames[:7]):
        fresh = detections(open_detector(tiny_tflite, score_threshold=SCORE_THRESHOLD), frame)
        found = reset[place]
        both = np.concatenate([found.classes[:, None], found.scores[:, None], found.boxes], axis=1)
        np.testing.assert_array_equal(both, np.array(fresh, np.float32))
        # The first frame of a clip knows no past either way.
        assert np.array_equal(found.scores, carried[place].scores) == (place in (0, 5))


class Frames(VideoDataset):
    """A frame's pixels are its number; objects appear where told."""

    classes = CLASSES

    def __init__(self, *present, names=None):
        names = names or [f"clip{number}" for number in range(len(present))]
        self.present, self.asked = present, []
        self.videos = [Video(7 + i, name, 32, 32, 30.0, len(present[i])) for i, name in enumerate(names)]

    def read(self, index, start=0, stop=None):
        self.asked.append((index, start, stop))
        numbers = np.arange(len(self.present[index]), dtype=np.uint8)[start:stop]
        return np.broadcast_to(numbers[:, None, None, None], (len(numbers), 32, 32, 3)).copy()

    def labels(self, index):
        box, none = np.float32([[4, 4, 20, 20]]), np.zeros((0, 4), np.float32)
        return [
            FrameLabels(box if here else none, np.zeros(here, np.int32), np.zeros(here, np.int32))
            for here in map(int, self.present[index])
        ]


def run_frames(dataset, **protocol):
    detector = FakeDetector(iter(lambda: [], 1))
    records = record_detections(detector, dataset, Protocol(**protocol))
    seen = [entry if isinstance(entry, str) else int(entry[0, 0, 0]) for entry in detector.log]
    return records, seen


def test_reference_frames_are_scored_and_those_before_them_run():
    dataset = Frames("0110100", "000", "1" * 30)
    records, seen = run_frames(dataset, frames="reference")
    assert records.frame_ids.tolist() == [1, 2, 4, *range(20)] and records.videos.tolist() == [0] * 3 + [2] * 20
    assert seen == ["reset", *range(5), "reset", *range(20)]
    assert "first <= 20 frames with objects" in records.protocol
    assert score_records(records).clips == 2


def sparse(*present):
    """Videos whose every third frame is labelled."""
    dataset = Frames(*present)
    dataset.videos = [
        dataclasses.replace(video, unlabelled=frozenset(n for n in range(video.length) if n % 3))
        for video in dataset.videos
    ]
    return dataset


@pytest.mark.parametrize("protocol", [{}, {"degrade": 1}, {"reset_every_frame": True}])
def test_unlabelled_frames_are_run_and_not_scored(protocol):
    dataset = sparse("1001001", "000")
    records, seen = run_frames(dataset, **protocol)
    assert records.frame_ids.tolist() == [0, 3, 6, 0] and records.videos.tolist() == [0, 0, 0, 1]
    assert len(seen) - seen.count("reset") == 8
    # A frame behind the last labelled one is not run.
    assert records.unlabelled == 4
    # All objects move slowly, as far as they are seen.
    assert np.isfinite(records.true_motion).all() and len(records.true_motion) == 3
    assert score_records(records).unlabelled == 4 and score_records(records).frames == 4


def test_unlabelled_frames_of_a_list_are_not_scored(tmp_path):
    (tmp_path / "list.txt").write_text("val/clip0/000002 1\nval/clip0/000003 2\n")
    records, _ = run_frames(sparse("1001001"), frames=str(tmp_path / "list.txt"))
    assert records.frame_ids.tolist() == [3]


def test_a_detection_in_an_ignored_region_is_neither_right_nor_wrong():
    class Crowded(Frames):
        def labels(self, index):
            region = np.float32([[0, 0, 30, 30]])
            return [
                dataclasses.replace(frame, ignored=region, ignored_classes=np.int32([1]))
                for frame in super().labels(index)
            ]

    # The same boxes as birds, class 1, and as airplanes, class 0.
    for kind, precision in ((1, 1), (0, 0.5)):
        answers = [
            [Detection(CLASSES[0], 0, 0.5, (4, 4, 20, 20)), Detection(CLASSES[kind], kind, 0.9, (1, 1, 9, 9))]
        ] * 4
        result = evaluate(FakeDetector(answers), Crowded("1111"))
        assert result.map50 == pytest.approx(precision, abs=0.1) and result.ignored == 4


def test_listed_frames_are_scored(tmp_path):
    dataset = Frames("0110100", "1111", "111", names=["V_A_1_1", "V_A_2_1", "V_A_3_1"])
    (tmp_path / "list.txt").write_text("val/V_A_1_1/000003 1\nval/V_A_1_1/000000 2\nval/V_A_3_1/000001 3\n")
    records, seen = run_frames(dataset, frames=str(tmp_path / "list.txt"))
    assert list(zip(records.videos.tolist(), records.frame_ids.tolist(), strict=True)) == [(0, 0), (0, 3), (2, 1)]
    assert seen == ["reset", *range(4), "reset", *range(2)]
    assert "frames listed in list.txt" in records.protocol and str(tmp_path) not in records.protocol
    # A fold lacks listed videos by design.
    records, _ = run_frames(dataset, frames=str(tmp_path / "list.txt"), fold=Fold(0))
    assert len(records) < 3
    for line, words in (("val/V_B_9_1/000000 1", "V_B_9_1"), ("val/V_A_3_1/000003 1", "0 to 2")):
        (tmp_path / "list.txt").write_text(f"{line}\n")
        with pytest.raises(InputError, match=words):
            run_frames(dataset, frames=str(tmp_path / "list.txt"))
    with pytest.raises(InputError, match="sometimes"):
        run_frames(dataset, frames="sometimes")


def test_long_videos_are_read_in_parts():
    dataset = Frames("1" * 250)
    records, seen = run_frames(dataset)
    assert seen == ["reset", *range(250)] and records.frame_ids.tolist() == list(range(250))
    assert max(stop - start for _, start, stop in dataset.asked) < 250


def test_a_fold_and_degraded_frames_are_what_the_protocol_says():
    dataset = Frames(*["1" * 12] * 4, names=["V_A_1_1", "V_A_1_2", "V_A_2_1", "V_A_3_1"])
    records, seen = run_frames(dataset, fold=Fold(0), degrade=3, data="made, val")
    assert len(set(records.sources)) == 1 and len(records) == 12 * len(records.video_names)
    assert records.protocol.startswith("made, val; fold 0/4, held back; degraded frames, singly, seed 3")
    assert records.degrade == "singly:3" and seen != run_frames(dataset, fold=Fold(0))[1]
    assert run_frames(dataset)[0].degrade is None


def test_figures_of_blocks_and_their_spread(tmp_path):
    # Eight recordings of one class, of which the last two are never found: a block each.
    names = [f"V_A_{number}_{window}" for number in range(1, 9) for window in (1, 2)]
    dataset = Frames(*["1" * 3] * 16, names=names)
    answers = [*truths(dataset)][:36] + [[]] * 12
    records = record_detections(FakeDetector(answers), dataset)
    assert records.blocks.tolist() == [n // 2 for n in range(16)] and records.fps.tolist() == [30.0] * 16
    result = score_records(records)
    assert result.map50_by_block == {str(n): float(n < 6) for n in range(8)} and result.map50 == 0.75
    assert result.map50_spread == {"std": pytest.approx(np.std([1] * 6 + [0] * 2, ddof=1)), "smallest": 0, "largest": 1}
    assert "**0.750** +- 0.463 over blocks, 0.000 to 1.000" in result.table()
    # Of a few recordings the spread would be a guess; that of the blocks of a fold is one too.
    few = score_records(record_detections(FakeDetector(answers[:6]), Frames("111", "111", names=names[1:3])))
    assert len(few.map50_by_block) == 2 and few.map50_spread and "blocks" not in few.table(details=False)
    # A fold's clips keep the blocks that they have in the whole split.
    assert record_detections(FakeDetector(answers), dataset, Protocol(fold=Fold(3))).blocks.tolist() == [6, 6, 7, 7]
    records.save(tmp_path / "blocks.npz")
    back = DetectionRecords.load(tmp_path / "blocks.npz")
    np.testing.assert_array_equal(back.blocks, records.blocks)
    # Records of before know no block.
    with np.load(tmp_path / "blocks.npz") as archive:
        former = {name: archive[name] for name in archive if name not in ("blocks", "fps")}
    np.savez(tmp_path / "former.npz", **former)
    former = score_records(DetectionRecords.load(tmp_path / "former.npz"))
    assert former.map50_by_block == former.map50_spread == {} and former.map50 == 0.75


@pytest.mark.parametrize("wrong", [{"degrade": -1}, {"rival": "video"}])
def test_protocols_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        Protocol(**wrong)


def test_records_hold_what_the_figures_need(sky, tmp_path):
    records = record_detections(FakeDetector(truths(sky, CLASSES[::-1]), CLASSES[::-1]), sky)
    records.save(tmp_path / "a.npz")
    back = DetectionRecords.load(tmp_path / "a.npz")
    assert dataclasses.asdict(score_records(back)) == dataclasses.asdict(score_records(records))
    assert back.labels == CLASSES[::-1] and back.video_names == tuple(video.name for video in sky.videos)
    names = [sky.classes[kind] for index in range(3) for frame in sky.labels(index) for kind in frame.classes]
    assert [back.labels[kind] for kind in back.true_classes] == names


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    for path in (tmp_path / "config.yaml", tmp_path / "no.keras", tmp_path / "no.tflite", tmp_path):
        with pytest.raises(InputError):
            open_detector(path)
