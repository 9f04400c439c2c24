"""Motion IoU against a plain reference."""

import numpy as np
import pytest

from keras_sge.data import FrameLabels, motion_iou


def frame(*objects):
    """Labels of (track, x1, y1, x2, y2)."""
    table = np.array(objects, np.float64).reshape(-1, 5)
    return FrameLabels(table[:, 1:].astype(np.float32), np.zeros(len(table), np.int32), table[:, 0].astype(np.int32))


def plain_iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_motion(labels):
    result = []
    for t, now in enumerate(labels):
        row = []
        for box, track in zip(now.boxes.tolist(), now.tracks, strict=True):
            overlaps = []
            for other in range(max(0, t - 10), min(len(labels), t + 11)):
                if other != t:
                    pairs = zip(labels[other].boxes.tolist(), labels[other].tracks, strict=True)
                    overlaps += [plain_iou(box, far) for far, far_track in pairs if far_track == track]
            row.append(sum(overlaps) / len(overlaps) if overlaps else float("nan"))
        result.append(row)
    return result


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_agrees(seed):
    rng = np.random.default_rng(seed)
    corner, labels = rng.uniform(0, 60, (5, 2)), []
    for _ in range(40):
        corner += rng.normal(0, 2, (5, 2))
        # Tracks come and go, in any order.
        there = [track for track in rng.permutation(5) if rng.random() < (0.9, 0.6, 0.3, 0.04, 1)[track]]
        labels.append(frame(*((10 * track, *corner[track], *(corner[track] + (20, 30))) for track in there)))
    found, expected = motion_iou(labels), plain_motion(labels)
    assert len(found) == 40
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_stands_still_is_one_and_what_jumps_is_zero():
    found = motion_iou([frame((1, 0, 0, 9, 9), (2, 20 * t, 0, 20 * t + 9, 9)) for t in range(5)])
    np.testing.assert_allclose(np.stack(found), [[1, 0]] * 5)


def test_the_window_is_ten_frames_either_way():
    still, moved = frame((1, 0, 0, 10, 10)), frame((1, 5, 0, 15, 10))
    found = motion_iou([still, *[frame()] * 9, moved, *[frame()] * 10, still])
    # 0 and 10 see each other; 21 is 11 frames from 10.
    np.testing.assert_allclose([found[0][0], found[10][0]], 1 / 3)
    assert np.isnan(found[21][0]) and [len(one) for one in found] == [1, *[0] * 9, 1, *[0] * 10, 1]


def test_lonely_and_ambiguous_tracks_are_unknown():
    two = frame((1, 0, 0, 9, 9), (1, 5, 5, 9, 9), (2, 0, 0, 9, 9))
    found = motion_iou([two, frame((1, 0, 0, 9, 9), (2, 0, 0, 9, 9)), frame((3, 0, 0, 9, 9))])
    np.testing.assert_array_equal(found[0], [np.nan, np.nan, 1])
    np.testing.assert_array_equal(found[1], [np.nan, 1])
    assert np.isnan(found[2]).all()


def test_nothing_gives_nothing():
    assert motion_iou([]) == [] and [len(one) for one in motion_iou([frame(), frame()])] == [0, 0]
