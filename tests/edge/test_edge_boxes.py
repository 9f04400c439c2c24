"""Anchors, box codes, overlap, suppression, voting and selection against plain twins."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from edge.boxes import (
    AnchorMap,
    anchor_boxes,
    centers_to_corners,
    corners_to_centers,
    decode_boxes,
    encode_boxes,
    iou_matrix,
    ssd_cell_boxes,
    suppress,
    vote,
)
from edge.postprocess import select_detections
from edge.results import Box

VARIANCES = (0.1, 0.2)


def random_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    low = generator.uniform(0, 0.7, (count, 2))
    return np.concatenate([low, low + generator.uniform(0.05, 0.3, (count, 2))], axis=1).astype(np.float32)


def plain_iou(first: np.ndarray, second: np.ndarray) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (sum(areas) - width * height)


def plain_suppress(boxes, scores, classes, threshold, limit) -> list[int]:
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(classes[i] != classes[j] or plain_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept[:limit]


def test_a_box_is_its_four_corners_and_what_follows_from_them():
    box = Box(1.0, 2.0, 4.0, 8.0)
    x1, y1, x2, y2 = box
    assert box == (1.0, 2.0, 4.0, 8.0) == (x1, y1, x2, y2) and json.loads(json.dumps(box)) == [1.0, 2.0, 4.0, 8.0]
    assert (box.width, box.height, box.area, box.center) == (3.0, 6.0, 18.0, (2.5, 5.0))
    for first, second in itertools.product(random_boxes(np.random.default_rng(4), 12).astype(float), repeat=2):
        assert Box(*first).iou(Box(*second)) == pytest.approx(plain_iou(first, second))
    assert Box(3, 3, 3, 3).iou(Box(3, 3, 3, 3)) == Box(5, 5, 2, 2).area == 0.0


def test_corners_and_centers_are_inverse():
    boxes = random_boxes(np.random.default_rng(0), 50)
    np.testing.assert_allclose(centers_to_corners(corners_to_centers(boxes)), boxes, atol=1e-6)


def plain_vote(boxes, scores, classes, kept, threshold) -> list[np.ndarray]:
    voted = []
    for k in kept:
        voters = [
            j
            for j in range(len(boxes))
            if classes[j] == classes[k]
            and scores[j] >= scores[k] / 4
            and (j == k or plain_iou(boxes[j], boxes[k]) > threshold)
        ]
        voted.append(sum(scores[j] * boxes[j] for j in voters) / sum(scores[j] for j in voters))
    return voted


def test_codes_round_trip():
    generator = np.random.default_rng(1)
    boxes, anchors = random_boxes(generator, 200), corners_to_centers(random_boxes(generator, 200))
    codes = encode_boxes(boxes, anchors, VARIANCES)
    np.testing.assert_allclose(decode_boxes(codes, anchors, VARIANCES), boxes, atol=1e-5)


def test_code_of_a_known_box():
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]])
    box = np.array([[0.42, 0.3, 0.62, 0.7]])
    np.testing.assert_allclose(encode_boxes(box, anchor, VARIANCES), [[1.0, 0, 0, 0]], atol=1e-9)


def test_absurd_codes_stay_finite():
    anchors = np.array([[0.5, 0.5, 0.2, 0.2]], np.float32)
    assert np.isfinite(decode_boxes(np.full((1, 4), 1e6, np.float32), anchors, VARIANCES)).all()


def test_iou_equals_its_twin():
    generator = np.random.default_rng(2)
    first, second = random_boxes(generator, 20), random_boxes(generator, 30)
    expected = [[plain_iou(a, b) for b in second] for a in first]
    np.testing.assert_allclose(iou_matrix(first, second), expected, atol=1e-6)


def test_iou_of_empty_boxes_and_empty_sets():
    empty = np.array([[0.5, 0.5, 0.5, 0.5]])
    assert iou_matrix(empty, empty).item() == 0
    assert iou_matrix(np.zeros((0, 4)), empty).shape == (0, 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.45, 1.0])
def test_suppression_equals_its_twin(seed, threshold):
    generator = np.random.default_rng(seed)
    boxes = random_boxes(generator, 80)
    # Coarse scores make ties; equal boxes make overlaps of exactly 1.
    scores = generator.integers(1, 6, 80).astype(np.float32) / 8
    boxes[40:50] = boxes[:10]
    classes = generator.integers(0, 3, 80)
    kept = suppress(boxes, scores, classes, threshold, 60)
    assert kept.tolist() == plain_suppress(boxes.astype(np.float64), scores, classes, threshold, 60)


def test_suppression_of_nothing():
    assert suppress(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5, 10).shape == (0,)


def test_suppression_keeps_other_classes():
    boxes = np.array([[0.1, 0.1, 0.5, 0.5]] * 3, np.float32)
    kept = suppress(boxes, np.array([0.5, 0.9, 0.7], np.float32), np.array([0, 1, 1]), 0.5, 10)
    assert kept.tolist() == [1, 0]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.45, 1.0])
def test_voting_equals_its_twin(threshold):
    generator = np.random.default_rng(7)
    boxes = random_boxes(generator, 80).astype(np.float64)
    scores, classes = generator.uniform(0.01, 1, 80), generator.integers(0, 3, 80)
    kept = suppress(boxes, scores, classes, threshold, 60)
    expected = plain_vote(boxes, scores, classes, kept, threshold)
    np.testing.assert_allclose(vote(boxes, scores, classes, kept, threshold), expected, atol=1e-9)


@pytest.mark.parametrize(("threshold", "suppressed"), [(0.25, True), (0.5, False), (0.75, False)])
def test_a_box_votes_where_it_is_suppressed_and_nowhere_else(threshold, suppressed):
    """One rule at the threshold itself: the two boxes overlap by exactly .5."""
    boxes = np.array([[0, 0, 1, 0.5], [0, 0, 0.5, 0.5]], np.float32)
    scores, classes = np.array([0.9, 0.8], np.float32), np.zeros(2, int)
    kept = suppress(boxes, scores, classes, threshold, 10)
    assert (len(kept) == 1) == suppressed
    moved = not np.allclose(vote(boxes, scores, classes, kept, threshold), boxes[kept])
    assert moved == suppressed


def test_voting_on_nothing():
    none = np.empty(0, np.int64)
    assert vote(np.zeros((0, 4)), np.zeros(0), none, none, 0.5).shape == (0, 4)


def test_anchors_are_ordered_by_map_row_column_box():
    maps = (AnchorMap(1, 2, ((0.1, 0.2), (0.3, 0.4))), AnchorMap(1, 1, ((0.9, 0.8),)))
    expected = [
        [0.25, 0.5, 0.1, 0.2],
        [0.25, 0.5, 0.3, 0.4],
        [0.75, 0.5, 0.1, 0.2],
        [0.75, 0.5, 0.3, 0.4],
        [0.5, 0.5, 0.9, 0.8],
    ]
    np.testing.assert_allclose(anchor_boxes(maps), expected, atol=1e-6)


def test_ssd_cell_boxes_follow_the_aspect_of_the_input():
    boxes = ssd_cell_boxes(60, 111, (2,), 300, 600)
    assert len(boxes) == 4
    np.testing.assert_allclose(boxes[0], (60 / 600, 60 / 300))
    np.testing.assert_allclose(boxes[2][0] * 600 / (boxes[2][1] * 300), 2)


def select(codes, logits, **changes):
    anchors = anchor_boxes([AnchorMap(2, 2, ((0.5, 0.5),))])
    settings = {"score_threshold": 0.4, "iou_threshold": 0.5, "limit": 10, **changes}
    return select_detections(codes, logits, anchors, VARIANCES, **settings)


def test_selection_gives_scores_of_the_softmax():
    logits = np.array([[5, 0, 0], [0, 5, 0], [5, 0, 0], [0, 0, 4]], np.float32)
    boxes, scores, classes = select(np.zeros((4, 4), np.float32), logits)
    assert classes.tolist() == [0, 1]
    np.testing.assert_allclose(scores, [np.exp(5) / (np.exp(5) + 2), np.exp(4) / (np.exp(4) + 2)], rtol=1e-5)
    np.testing.assert_allclose(boxes, [[0.5, 0, 1, 0.5], [0.5, 0.5, 1, 1]], atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_poisoned_outputs_detect_nothing(poison):
    logits = np.tile(np.array([0, 5, 0], np.float32), (4, 1))
    codes = np.zeros((4, 4), np.float32)
    assert len(select(np.full_like(codes, poison), logits)[0]) == 0
    assert len(select(codes, np.full_like(logits, poison))[0]) == 0


def test_selection_keeps_the_limit():
    logits = np.tile(np.array([0, 5, 4.5], np.float32), (4, 1))
    assert len(select(np.zeros((4, 4), np.float32), logits, score_threshold=0.1, limit=3)[0]) == 3


def crowded(generator):
    """Outputs of a map whose anchors all overlap, and its anchors."""
    anchors = anchor_boxes([AnchorMap(6, 6, ((0.5, 0.5), (0.4, 0.6)))])
    return (
        generator.normal(0, 0.3, (72, 4)).astype(np.float32),
        generator.normal(0, 2, (72, 3)).astype(np.float32),
        anchors,
    )


def test_voting_moves_boxes_only():
    codes, logits, anchors = crowded(np.random.default_rng(3))
    boxes, scores, classes = select_detections(codes, logits, anchors, VARIANCES, 0.3, 0.45, 100)
    moved, *same = select_detections(codes, logits, anchors, VARIANCES, 0.3, 0.45, 100, box_voting=True)
    assert len(boxes) > 1 and np.abs(moved - boxes).max() > 0.01
    np.testing.assert_array_equal(same[0], scores)
    np.testing.assert_array_equal(same[1], classes)


@pytest.mark.parametrize("seed", range(4))
def test_a_voted_box_does_not_depend_on_the_threshold(seed):
    codes, logits, anchors = crowded(np.random.default_rng(seed))
    few, high, _ = select_detections(codes, logits, anchors, VARIANCES, 0.6, 0.45, 100, box_voting=True)
    many, scores, _ = select_detections(codes, logits, anchors, VARIANCES, 0.05, 0.45, 100, box_voting=True)
    assert 0 < len(few) < len(many)
    np.testing.assert_allclose(many[scores > 0.6], few, atol=1e-6)
    np.testing.assert_array_equal(scores[scores > 0.6], high)
