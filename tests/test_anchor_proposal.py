"""Best-possible recall against all anchors one by one; proposals that fit better, the same each time."""

import dataclasses

import numpy as np
import pytest

from edge.boxes import anchor_boxes, centers_to_corners, iou_matrix
from edge.errors import InputError
from keras_sge.boxes import anchor_maps
from keras_sge.config import load_config
from keras_sge.data import propose_anchors
from keras_sge.data.anchors import anchor_fit, best_overlap

QUICK = load_config("quickstart").network
WIDE = dataclasses.replace(QUICK, input_size=(96, 160))


def boxes_of(width, height, seed=0, count=300, spread=0.25):
    """Boxes of about `width` x `height` px of a 128 x 128 input, as fractions, some at the edge."""
    rng = np.random.default_rng(seed)
    sides = np.array([width, height]) / 128 * np.exp(rng.normal(0, spread, (count, 2)))
    centers = rng.uniform(0, 1, (count, 2))
    corners = np.clip(np.concatenate([centers - sides / 2, centers + sides / 2], axis=1), 0, 1)
    return corners[(corners[:, 2:] - corners[:, :2] > 0.01).all(axis=1)]


@pytest.mark.parametrize("network", [QUICK, WIDE])
def test_the_best_overlap_is_that_of_all_anchors(network):
    boxes = np.concatenate([boxes_of(40, 40, 1), boxes_of(20, 60, 2), boxes_of(100, 90, 3)])
    maps = anchor_maps(network)
    for grid in maps:
        every = iou_matrix(boxes, centers_to_corners(anchor_boxes([grid]).astype(np.float64)))
        np.testing.assert_allclose(best_overlap(boxes, grid), every.max(axis=1), atol=1e-6)
    every = [iou_matrix(boxes, centers_to_corners(anchor_boxes([grid]).astype(np.float64))) for grid in maps]
    best = np.stack([overlap.max(axis=1) for overlap in every], axis=1)
    fit = anchor_fit(boxes, maps)
    assert fit.recall == np.mean(best.max(axis=1) >= 0.5)
    assert fit.mean_iou == pytest.approx(best.max(axis=1).mean(), abs=1e-6)
    assert sum(fit.by_map) == pytest.approx(fit.recall)
    answered = [np.mean((best.argmax(axis=1) == number) & (best.max(axis=1) >= 0.5)) for number in range(len(maps))]
    assert fit.by_map == pytest.approx(answered)


def test_boxes_that_are_anchors_are_met_exactly():
    maps = anchor_maps(QUICK)
    fit = anchor_fit(centers_to_corners(anchor_boxes(maps).astype(np.float64)), maps)
    assert fit.recall == 1 and fit.mean_iou == pytest.approx(1, abs=1e-5)


def test_no_boxes_have_no_fit():
    fit = anchor_fit(np.zeros((0, 4)), anchor_maps(QUICK))
    assert np.isnan([fit.recall, fit.mean_iou, *fit.by_map]).all()


@pytest.mark.parametrize("shape", [(14, 14), (16, 70), (80, 22), (110, 110)])
def test_proposals_fit_skewed_boxes_better(shape):
    boxes = boxes_of(*shape)
    proposal = propose_anchors(boxes, QUICK)
    before, after = (
        anchor_fit(boxes, anchor_maps(dataclasses.replace(QUICK, anchors=anchors)))
        for anchors in (QUICK.anchors, proposal)
    )
    assert after.recall >= before.recall + 0.05 or after.recall > 0.99
    assert after.mean_iou > before.mean_iou + 0.02
    assert len(proposal.sizes) == len(QUICK.anchors.sizes) and len(proposal.ratios) == 2
    assert proposal.variances == QUICK.anchors.variances
    assert propose_anchors(boxes, QUICK) == proposal


def test_a_proposal_is_not_improved_by_itself_much():
    boxes = boxes_of(16, 70)
    first = propose_anchors(boxes, QUICK)
    second = propose_anchors(boxes, dataclasses.replace(QUICK, anchors=first))
    fits = [anchor_fit(boxes, anchor_maps(dataclasses.replace(QUICK, anchors=a))) for a in (first, second)]
    assert 0 <= 5 * (fits[1].recall - fits[0].recall) + fits[1].mean_iou - fits[0].mean_iou < 0.1


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_the_number_of_ratios_can_be_chosen(count):
    proposal = propose_anchors(boxes_of(30, 60, count=80), QUICK, count)
    assert len(proposal.ratios) == count
    # A configuration takes it: sizes ascend, ratios are above 1.
    dataclasses.replace(QUICK, anchors=proposal)
    assert list(proposal.ratios) == sorted(proposal.ratios)


@pytest.mark.parametrize("boxes", [[[0, 0, 1, 1]], [[0.5, 0.5, 0.5001, 0.5001]], [[0, 0.4, 1, 0.401]] * 3])
def test_extreme_boxes_give_anchors_that_a_configuration_takes(boxes):
    dataclasses.replace(QUICK, anchors=propose_anchors(np.array(boxes, np.float64), QUICK))


def test_what_cannot_be_proposed_is_named():
    with pytest.raises(InputError, match="without boxes"):
        propose_anchors(np.zeros((0, 4)), QUICK)
    for count in (-1, 6):
        with pytest.raises(InputError, match=f"0 to 5.*{count}"):
            propose_anchors(boxes_of(30, 30), QUICK, count)
