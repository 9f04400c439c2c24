"""Average precision against a slow twin and cases done by hand."""

import math

import numpy as np
import pytest

from keras_sge.evaluation import FrameRecord, average_precision


def record(found=(), truth=()):
    """found: (box, score, class); truth: (box, class)."""
    return FrameRecord(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([number for _, _, number in found], np.int64),
        np.array([box for box, _ in truth], np.float32).reshape(-1, 4),
        np.array([number for _, number in truth], np.int64),
    )


def iou(a, b):
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)


def plain_average_precision(frames, wanted, threshold=0.5):
    objects = sum(int(number == wanted) for frame in frames for number in frame.true_classes)
    ranked = [
        (-float(score), place, box)
        for place, frame in enumerate(frames)
        for box, score, number in zip(frame.boxes, frame.scores, frame.classes, strict=True)
        if number == wanted
    ]
    taken, hits = set(), []
    for _, place, box in sorted(ranked, key=lambda item: item[0]):
        frame = frames[place]
        free = [
            (iou(box, truth), which)
            for which, truth in enumerate(frame.true_boxes)
            if frame.true_classes[which] == wanted and (place, which) not in taken
        ]
        overlap, which = max(free, default=(0, None))
        hits.append(overlap >= threshold)
        if hits[-1]:
            taken.add((place, which))
    points = [(sum(hits[:n]) / objects, sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    area = previous = 0.0
    for recall, _ in points:
        area += (recall - previous) * max(precision for other, precision in points if other >= recall)
        previous = recall
    return area


def random_frames(seed, frames=12):
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(frames):
        corners = rng.uniform(0, 60, (rng.integers(0, 5), 2))
        truth = [((x, y, x + 20, y + 20), int(rng.integers(3))) for x, y in corners]
        found = [
            (tuple(np.add(box, rng.normal(0, 3, 4))), rng.random(), number if rng.random() < 0.8 else 0)
            for box, number in truth * 2
            if rng.random() < 0.7
        ]
        found += [((x, y, x + 20, y + 20), rng.random(), int(rng.integers(3))) for x, y in rng.uniform(0, 60, (2, 2))]
        result.append(record(found, truth))
    return result


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_equals_the_slow_twin(seed, threshold):
    frames = random_frames(seed)
    for number in range(3):
        expected = plain_average_precision(frames, number, threshold)
        assert average_precision(frames, number, threshold) == pytest.approx(expected, abs=1e-9)


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
