"""Average precision against a slow twin, against pycocotools, and cases done by hand."""

import contextlib
import dataclasses
import io
import math

import numpy as np
import pytest
from evaluated import plain_area, plain_matches, random_frames, record

from keras_sge.evaluation import average_precision
from keras_sge.evaluation.metrics import coco_evaluation, coco_figures


def plain_average_precision(frames, wanted, threshold=0.5):
    matched = plain_matches(frames, wanted, threshold)
    objects = sum(int((frame.true_classes == wanted).sum()) for frame in frames)
    return plain_area([("hit", 1) if other is not None else ("false", 1) for *_, other in matched], objects)


def coco_average_precision(frames, wanted, threshold=0.5):
    """pycocotools' AP at every recall that can be attained: the whole area instead of 101 samples of it."""
    objects = sum(int((frame.true_classes == wanted).sum()) for frame in frames)
    evaluation = coco_evaluation(frames, wanted)
    evaluation.params.iouThrs = np.array([threshold])
    evaluation.params.recThrs = np.arange(1, objects + 1) / objects
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, 0].mean())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_equals_the_slow_twin(seed, threshold):
    frames = random_frames(seed)
    for number in range(3):
        expected = plain_average_precision(frames, number, threshold)
        assert average_precision(frames, number, threshold) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_equals_pycocotools(levels, threshold):
    """With scores that differ, with many equal ones, with all equal."""
    for seed in range(4):
        frames = random_frames(seed, 30, levels)
        for number in range(3):
            expected = coco_average_precision(frames, number, threshold)
            assert average_precision(frames, number, threshold) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_equals_pycocotools_with_crowds(levels, threshold):
    changed = 0
    for seed in range(4):
        frames = random_frames(seed, 30, levels, regions=2)
        bare = [record_without_regions(frame) for frame in frames]
        for number in range(3):
            found = average_precision(frames, number, threshold)
            assert found == pytest.approx(coco_average_precision(frames, number, threshold), abs=1e-4)
            changed += found > average_precision(bare, number, threshold) + 1e-3
    assert changed > 6


def record_without_regions(frame):
    return dataclasses.replace(frame, ignored=frame.ignored[:0], ignored_classes=frame.ignored_classes[:0])


LEFT, RIGHT, BOTH = (0, 0, 10, 10), (10, 0, 20, 10), (0, 0, 20, 10)
FAR = (70, 70, 90, 90)
NEAR, NEARER = (0, 0, 10, 9), (0, 0, 10, 11)
ADVERSARIAL = {
    "overlaps two alike, the second one is wanted by another": [
        record([(BOTH, 0.9, 0), (RIGHT, 0.8, 0), (LEFT, 0.7, 0)], [(LEFT, 0), (RIGHT, 0)])
    ],
    "overlaps two alike, the first one is wanted by another": [
        record([(BOTH, 0.9, 0), (LEFT, 0.8, 0)], [(LEFT, 0), (RIGHT, 0)])
    ],
    "two detections for the same best object": [record([(LEFT, 0.9, 0), (LEFT, 0.8, 0)], [(NEAR, 0), (NEARER, 0)])],
    "duplicates of equal score": [record([(LEFT, 0.5, 0)] * 4, [(LEFT, 0)]), record([(RIGHT, 0.5, 0)], [(LEFT, 0)])],
    "equal scores across frames": [
        record([(RIGHT, 0.5, 0)], [(LEFT, 0)]),
        record([(LEFT, 0.5, 0), (RIGHT, 0.5, 0)], [(LEFT, 0)]),
        record([(RIGHT, 0.5, 0), (LEFT, 0.5, 0)], [(LEFT, 0)]),
    ],
    "empty frames between": [record(), record([(LEFT, 0.3, 0)]), record(), record([(LEFT, 0.2, 0)], [(LEFT, 0)])],
    "no detection": [record([], [(LEFT, 0), (RIGHT, 0)])],
    "overlap of exactly one half": [record([((0, 0, 10, 5), 0.9, 0), (LEFT, 0.8, 1)], [(LEFT, 0)])],
    "alone in a crowd": [record([(LEFT, 0.9, 0), (RIGHT, 0.8, 0)], [(RIGHT, 0)], [(BOTH, 0)])],
    "an object in a crowd": [record([(LEFT, 0.9, 0), (LEFT, 0.8, 0)], [(LEFT, 0)], [(BOTH, 0)])],
    "many in a crowd": [record([(LEFT, 0.9, 0), (RIGHT, 0.8, 0), (FAR, 0.1, 0)], [(FAR, 0)], [(BOTH, 0)])],
    "half in a crowd": [record([(BOTH, 0.9, 0), (FAR, 0.8, 0)], [(FAR, 0)], [(LEFT, 0)])],
    "less than half in a crowd": [record([((0, 0, 21, 10), 0.9, 0), (FAR, 0.8, 0)], [(FAR, 0)], [(LEFT, 0)])],
    "a crowd of another class": [record([(LEFT, 0.9, 0), (FAR, 0.8, 0)], [(FAR, 0)], [(BOTH, 1)])],
    "another class at the best place": [record([(LEFT, 0.9, 1), (NEAR, 0.8, 0)], [(LEFT, 0), (RIGHT, 1)])],
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_equals_pycocotools_where_rules_could_differ(name):
    frames = ADVERSARIAL[name]
    expected = coco_average_precision(frames, 0)
    assert average_precision(frames, 0) == pytest.approx(expected, abs=1e-4)
    if not any(len(frame.ignored) for frame in frames):
        assert plain_average_precision(frames, 0) == pytest.approx(expected, abs=1e-4)


def test_coco_figures_of_cases_done_by_hand():
    """Boxes of 100 px whose detections lie shifted: IoU 1, .9 and .6 are right at 10, 9 and 3 of the 10 thresholds."""
    big = (0, 0, 100, 100)
    for box, ap, ap75 in (((0, 0, 100, 100), 1, 1), ((0, 0, 100, 90), 0.9, 1), ((0, 0, 100, 60), 0.3, 0)):
        figures = coco_figures([record([(box, 0.9, 0)], [(big, 0)])], 2)
        assert [figures[name] for name in ("ap", "ap50", "ap75")] == pytest.approx([ap, 1, ap75])
        assert math.isnan(figures["ap_small"]) and math.isnan(figures["ap_medium"])
        assert figures["ap_large"] == pytest.approx(ap)
    assert all(math.isnan(value) for value in coco_figures([record([(big, 0.9, 0)])], 2).values())


def test_coco_figures_are_means_over_classes_with_objects():
    frames = random_frames(7, 30)
    ap50 = coco_figures(frames, 3)["ap50"]
    assert ap50 == pytest.approx(np.mean([average_precision(frames, number) for number in range(3)]), abs=0.02)
    assert coco_figures(frames, 9)["ap50"] == ap50


A, B = (0, 0, 10, 10), (20, 20, 40, 40)


def test_perfect_is_one():
    frames = [record([(A, 0.9, 0), (B, 0.2, 0)], [(A, 0), (B, 0)])] * 3
    assert average_precision(frames, 0) == 1


def test_a_duplicate_is_false():
    found = [(A, 0.9, 0), (A, 0.8, 0), (B, 0.7, 0)]
    assert average_precision([record(found, [(A, 0), (B, 0)])], 0) == pytest.approx((1 + 2 / 3) / 2)


def test_a_duplicate_behind_everything_costs_nothing():
    found = [(A, 0.9, 0), (B, 0.8, 0), (A, 0.1, 0)]
    assert average_precision([record(found, [(A, 0), (B, 0)])], 0) == 1


def test_wrong_class_is_worth_nothing():
    assert average_precision([record([(A, 0.9, 1)], [(A, 0)])], 0) == 0


def test_right_box_in_another_frame_is_false():
    assert average_precision([record([(A, 0.9, 0)]), record([], [(A, 0)])], 0) == 0


def test_half_found_is_half():
    assert average_precision([record([(A, 0.9, 0)], [(A, 0), (B, 0)])], 0) == 0.5


def test_no_detections_is_zero():
    assert average_precision([record([], [(A, 0)])], 0) == 0


def test_class_without_boxes_is_nan():
    assert math.isnan(average_precision([record([(A, 0.9, 1)], [(A, 0)])], 1))
    assert math.isnan(average_precision([], 0))


def test_overlap_of_exactly_the_threshold_counts():
    assert average_precision([record([((0, 0, 10, 5), 0.9, 0)], [(A, 0)])], 0) == 1
    assert average_precision([record([((0, 0, 10, 4.99), 0.9, 0)], [(A, 0)])], 0) == 0


def test_scores_rank_across_frames():
    false_first = [record([(B, 0.9, 0)]), record([(A, 0.5, 0)], [(A, 0)])]
    true_first = [record([(B, 0.4, 0)]), record([(A, 0.5, 0)], [(A, 0)])]
    assert average_precision(false_first, 0) == 0.5
    assert average_precision(true_first, 0) == 1
