"""Targets, anchors, and that the network's outputs stand in the anchors' order."""

import numpy as np
import pytest
from tiny import outputs_of, randomize, tiny_config

from edge.boxes import anchor_boxes, centers_to_corners, decode_boxes, iou_matrix
from keras_sge.boxes import IGNORED, LabelEncoder, anchor_maps, boxes_per_cell
from keras_sge.config import load_config
from keras_sge.models import build_step_model

VARIANCES = (0.1, 0.2)


@pytest.fixture(scope="module")
def encoder():
    return LabelEncoder(anchor_maps(tiny_config()), VARIANCES)


def random_boxes(number, seed):
    rng = np.random.default_rng(seed)
    center, size = rng.uniform(0.2, 0.8, (number, 2)), rng.uniform(0.02, 0.35, (number, 2))
    return np.concatenate([center - size / 2, center + size / 2], axis=1).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_every_object_gets_an_anchor_and_decodes_to_itself(encoder, seed):
    boxes, classes = random_boxes(6, seed), np.arange(6)
    codes, labels = encoder.encode(boxes, classes)
    assert codes.dtype == np.float32 and codes.shape == (len(encoder.anchors), 5)
    assert labels.dtype == np.int32 and labels.shape == (len(encoder.anchors),)
    matched = labels > 0
    np.testing.assert_array_equal(codes[:, 4] == 1, matched)
    assert not codes[~matched].any()
    assert set(labels[matched] - 1) == set(range(6))
    decoded = decode_boxes(codes[matched, :4], encoder.anchors[matched], VARIANCES)
    np.testing.assert_allclose(decoded, boxes[labels[matched] - 1], atol=1e-5)


def test_anchors_that_overlap_enough_answer_for_the_object_they_overlap_most(encoder):
    boxes = random_boxes(4, 9)
    labels = encoder.encode(boxes, np.arange(4))[1]
    overlap = iou_matrix(boxes, centers_to_corners(encoder.anchors))
    best = overlap.argmax(axis=1)
    for anchor in range(len(encoder.anchors)):
        if anchor not in best:
            expected = overlap[:, anchor].argmax() + 1 if overlap[:, anchor].max() >= 0.5 else 0
            assert labels[anchor] == expected


def test_empty_frame(encoder):
    codes, labels = encoder.encode(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    assert not codes.any() and not labels.any()


def test_two_objects_competing_for_an_anchor_both_get_one(encoder):
    corners = centers_to_corners(encoder.anchors)
    # Both are nearest to the same anchor; the second overlaps it less.
    anchor = 100
    boxes = np.stack([corners[anchor], corners[anchor] + np.float32(0.004)])
    assert iou_matrix(boxes, corners).argmax(axis=1).tolist() == [anchor, anchor]
    labels = encoder.encode(boxes, np.array([2, 3]))[1]
    assert labels[anchor] == 3
    assert 4 in labels


def test_anchors_in_an_ignored_region_do_not_count(encoder):
    boxes, region = np.float32([[0.2, 0.2, 0.5, 0.5]]), np.float32([[0.1, 0.1, 0.9, 0.9]])
    plain = encoder.encode(boxes, np.array([2]))
    codes, labels = encoder.encode(boxes, np.array([2]), region)
    np.testing.assert_array_equal(codes, plain[0])
    np.testing.assert_array_equal(labels > 0, plain[1] > 0)
    corners = centers_to_corners(encoder.anchors).astype(np.float64)
    sides = np.minimum(corners[:, 2:], 0.9) - np.maximum(corners[:, :2], 0.1)
    inside = np.maximum(sides, 0).prod(axis=1) >= 0.5 * (corners[:, 2:] - corners[:, :2]).prod(axis=1) - 1e-6
    np.testing.assert_array_equal(labels == -1, inside & (plain[1] == 0))
    assert (labels == -1).any() and (labels == 0).any()
    assert set(encoder.encode(boxes[:0], np.array([], int), region)[1]) == {-1, 0}


@pytest.mark.parametrize("seed", range(3))
def test_anchors_in_the_ignore_band_count_neither_way(seed):
    boxes, classes = random_boxes(6, seed), np.arange(6)
    plain_codes, plain = LabelEncoder(anchor_maps(tiny_config()), VARIANCES).encode(boxes, classes)
    encoder = LabelEncoder(anchor_maps(tiny_config()), VARIANCES, ignore_iou=0.2)
    codes, labels = encoder.encode(boxes, classes)
    best = iou_matrix(boxes.astype(np.float64), centers_to_corners(encoder.anchors)).max(axis=0)
    band = (best >= 0.2) & (best < 0.5) & (plain == 0)
    assert band.any()
    np.testing.assert_array_equal(labels, np.where(band, IGNORED, plain))
    np.testing.assert_array_equal(codes, plain_codes)


def test_an_object_s_only_anchor_is_matched_even_in_the_ignore_band(encoder):
    """An object that overlaps no anchor by 0.5 keeps its best one."""
    banded = LabelEncoder(anchor_maps(tiny_config()), VARIANCES, ignore_iou=0.01)
    corners = centers_to_corners(encoder.anchors)
    thin = corners[[7]] + [[0, 0, 0, 0]]
    thin[0, 3] = thin[0, 1] + 0.3 * (thin[0, 3] - thin[0, 1])
    thin = np.clip(thin, 0, 1)
    assert iou_matrix(thin.astype(np.float64), corners).max() < 0.5
    labels = banded.encode(thin, np.array([1]))[1]
    assert (labels == 2).sum() == 1 and (labels == IGNORED).any()


def test_identical_objects_both_get_an_anchor(encoder):
    boxes = np.repeat(random_boxes(1, 3), 2, axis=0)
    assert set(encoder.encode(boxes, np.array([0, 1]))[1]) >= {1, 2}


def test_paper_s_anchors():
    network = load_config("paper320").network
    maps = anchor_maps(network)
    assert [(grid.rows, grid.columns) for grid in maps] == [(side, side) for side in (20, 10, 5, 3, 2, 1)]
    anchors = anchor_boxes(maps)
    assert anchors.shape == (3234, 4)
    np.testing.assert_allclose(anchors[0], [8 / 320, 8 / 320, 60 / 320, 60 / 320], rtol=1e-5)
    np.testing.assert_allclose(anchors[1, 2:], [np.sqrt(60 * 105) / 320] * 2, rtol=1e-5)
    # Ratio 2: wider than high, then its inverse.
    np.testing.assert_allclose(anchors[2, 2] / anchors[2, 3], 2, rtol=1e-5)
    np.testing.assert_allclose(anchors[3, 3] / anchors[3, 2], 2, rtol=1e-5)
    # The next cell is one column to the right, the next row twenty cells on.
    np.testing.assert_allclose(anchors[6, :2], [24 / 320, 8 / 320], rtol=1e-5)
    np.testing.assert_allclose(anchors[20 * 6, :2], [8 / 320, 24 / 320], rtol=1e-5)
    np.testing.assert_allclose(anchors[-1, :2], [0.5, 0.5])


@pytest.fixture(scope="module")
def wide():
    """A single-frame step whose maps have more columns than rows."""
    config = tiny_config(input_size=(64, 96), memory=None, entropy=None)
    return config, randomize(build_step_model(config))


def test_outputs_stand_in_the_order_of_maps_boxes_and_values(wide):
    """With kernels at zero a head answers its bias, which says: map, box of the cell, value."""
    config, model = wide
    kept = model.get_weights()
    boxes = boxes_per_cell(config)
    maps = anchor_maps(config)
    for name, values in (("boxes", 4), ("scores", len(config.classes) + 1)):
        for number in range(len(maps)):
            kernel, bias = model.get_layer(f"{name}{number + 1}_pointwise").weights
            kernel.assign(np.zeros(kernel.shape))
            tags = [1000 * number + 10 * box + value for box in range(boxes[number]) for value in range(values)]
            bias.assign(np.array(tags, np.float32))
    answer = outputs_of(model, {"image": np.zeros((1, *config.input_size, 3), np.float32)})
    model.set_weights(kept)
    for name, values in (("boxes", 4), ("scores", len(config.classes) + 1)):
        expected = [
            [1000 * number + 10 * box + value for value in range(values)]
            for number, grid in enumerate(maps)
            for _ in range(grid.rows * grid.columns)
            for box in range(boxes[number])
        ]
        np.testing.assert_array_equal(answer[name][0], expected)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 5), (3, 0), (2, 4), (1, 3)])
def test_a_bright_spot_is_answered_where_it_is(wide, row, column):
    """Every kernel passes its center on: of the finest map only the cell at the spot may answer."""
    config, model = wide
    kept = model.get_weights()
    for weight in model.weights:
        kind, shape = weight.path.split("/")[-1], tuple(weight.shape)
        value = np.full(shape, float(kind in ("gamma", "moving_variance")))
        if kind == "kernel":
            value[shape[0] // 2, shape[1] // 2] = 1 if "depthwise" in weight.path else 1 / shape[2]
        weight.assign(value)
    image = np.zeros((1, *config.input_size, 3), np.float32)
    image[0, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 1
    answer = outputs_of(model, {"image": image})
    model.set_weights(kept)
    grid = anchor_maps(config)[0]
    finest = grid.rows * grid.columns * len(grid.boxes)
    anchors = anchor_boxes(anchor_maps(config))[:finest]
    for name in ("boxes", "scores"):
        loud = anchors[answer[name][0, :finest, 0] > 0.5]
        assert len(loud) == len(grid.boxes)
        np.testing.assert_allclose(loud[:, :2], [[(16 * column + 8) / 96, (16 * row + 8) / 64]] * len(loud), atol=1e-6)
