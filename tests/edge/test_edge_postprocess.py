"""Outputs to detections: scores, limits, voting, and outputs that are not finite."""

from __future__ import annotations

import numpy as np
import pytest

from edge.boxes import (
    AnchorMap,
    anchor_boxes,
)
from edge.postprocess import select_detections
from edge.scores import SCORE_FORMS, class_scores, logits_of, may_exceed, objectness

VARIANCES = (0.1, 0.2)


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


def test_selection_gives_each_class_its_own_sigmoid():
    logits = np.array([[5, 4], [-5, -5], [-3, 2], [-0.5, -0.3]], np.float32)
    boxes, scores, classes = select(np.zeros((4, 4), np.float32), logits, form="sigmoid")
    # Without a background, and an anchor may be of two classes.
    assert classes.tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-np.array([5, 4, 2, -0.3]))), rtol=1e-5)
    np.testing.assert_allclose(boxes[:2], [[0, 0, 0.5, 0.5]] * 2, atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", SCORE_FORMS)
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_poisoned_outputs_detect_nothing(poison, form):
    logits = np.tile(np.array([0, 5, 0], np.float32), (4, 1))
    codes = np.zeros((4, 4), np.float32)
    assert len(select(np.full_like(codes, poison), logits, form=form)[0]) == 0
    assert len(select(codes, np.full_like(logits, poison), form=form)[0]) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", SCORE_FORMS)
def test_logits_give_back_their_scores(form):
    logits = np.random.default_rng(2).normal(0, 4, (50, 4)).astype(np.float32)
    logits[0] = 200, -200, 3, -200
    scores = class_scores(logits, form)
    np.testing.assert_allclose(class_scores(logits_of(scores, form), form), scores, rtol=1e-3, atol=1e-6)
    best = {"softmax": scores.sum(axis=1), "sigmoid": scores.max(axis=1)}[form]
    np.testing.assert_array_equal(objectness(scores, form), best)
    for threshold in (0.0, 0.01, 0.4, 0.99, 1.0):
        assert may_exceed(logits, threshold, form)[scores > threshold].all()


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
