"""Track numbers: stable through crossings, gaps, weak detections and flickering classes; new after a reset."""

from __future__ import annotations

import numpy as np
import pytest

from edge.draw import draw_detections
from edge.results import Detection, FrameResult
from edge.tracker import Tracker


def found(x, y, score=0.9, class_id=0, side=20):
    return Detection("drone", class_id, score, (x, y, x + side, y + side))


def numbers(tracker, frames, fps=30):
    """The numbers of each frame's detections."""
    return [[one.track_id for one in tracker(frame, k / fps)] for k, frame in enumerate(frames)]


def test_one_object_keeps_its_number_and_nothing_else_changes():
    tracker = Tracker()
    for step in range(20):
        before = found(4 * step, 10, score=0.6)
        [after] = tracker([before], step / 30)
        assert after.track_id == 1
        assert (after.label, after.class_id, after.score, after.box) == ("drone", 0, 0.6, before.box)


def test_two_objects_that_cross_keep_their_numbers():
    left = [found(6 * step, 50) for step in range(40)]
    right = [found(240 - 6 * step, 54) for step in range(40)]
    # The order of detections changes from frame to frame, as scores do.
    frames = [[a, b] if step % 2 else [b, a] for step, (a, b) in enumerate(zip(left, right, strict=True))]
    seen = [dict(zip(frame, ids, strict=True)) for frame, ids in zip(frames, numbers(Tracker(), frames), strict=True)]
    assert len({ids[a] for ids, a in zip(seen, left, strict=True)}) == 1
    assert len({ids[b] for ids, b in zip(seen, right, strict=True)}) == 1


def test_a_fast_small_object():
    """Its boxes in neighbouring frames do not overlap at all."""
    ids = numbers(Tracker(), [[found(14 * step, 10, side=12)] for step in range(10)])
    assert ids == [[1]] * 10


def test_a_gap_of_frames_in_movement():
    frames = [[found(5 * step, 20)] if not 10 <= step < 22 else [] for step in range(40)]
    assert {number for ids in numbers(Tracker(), frames) for number in ids} == {1}
    # 12 frames without it are longer than this one's patience.
    ids = numbers(Tracker(patience=0.3), frames)
    assert ids[9] == [1] and ids[22] == [2]


def test_dropped_frames_move_it_on_by_time():
    tracker = Tracker()
    times = [0, 1, 2, 3, 9, 10, 17, 18]
    assert [tracker([found(10 * k, 20)], k / 30)[0].track_id for k in times] == [1] * 8


def test_a_weak_detection_continues_but_never_starts():
    frames = [[found(5 * step, 20, score=0.9 if step < 3 else 0.2)] for step in range(10)]
    assert numbers(Tracker(0.5), frames) == [[1]] * 10
    assert numbers(Tracker(0.5), [[found(0, 0, score=0.49)]] * 5) == [[None]] * 5
    # Whatever a detector gives has passed its threshold.
    assert numbers(Tracker(), [[found(0, 0, score=0.05)]] * 5) == [[1]] * 5


def test_a_strong_detection_comes_before_a_weak_one():
    tracker = Tracker(0.5)
    tracker([found(50, 50)], 0.0)
    weak, strong = tracker([found(50, 50, score=0.3), found(56, 50, score=0.8)], 1 / 30)
    assert strong.track_id == 1 and weak.track_id is None


def test_a_class_that_flickers_keeps_the_number_and_a_neighbour_of_its_own_class_is_preferred():
    assert numbers(Tracker(), [[found(50, 50, class_id=step % 2)] for step in range(6)]) == [[1]] * 6
    tracker = Tracker()
    tracker([found(50, 50, class_id=0), found(62, 50, class_id=1)], 0.0)
    first, second = tracker([found(57, 50, class_id=1), found(55, 50, class_id=0)], 1 / 30)
    assert (first.track_id, second.track_id) == (2, 1)


def test_forget_goes_on_counting_and_reset_starts_over():
    tracker = Tracker()
    assert tracker([found(0, 0)], 5.0)[0].track_id == 1
    tracker.forget()
    # A source's clock may start again after a reset.
    assert tracker([found(0, 0)], 0.0)[0].track_id == 2
    tracker.reset()
    assert tracker([found(0, 0)], 0.0)[0].track_id == 1
    assert Tracker(last_number=7)([found(0, 0)])[0].track_id == 8


def test_a_clock_that_starts_again_is_another_recording():
    tracker = Tracker()
    assert [tracker([found(0, 0)], time)[0].track_id for time in (7.0, 7.1, 7.05, 0.0, 0.1)] == [1, 1, 1, 2, 2]


@pytest.mark.filterwarnings("error")
def test_frames_without_times_and_times_that_stand_still():
    for time in (None, 0.0, 7.0):
        tracker = Tracker()
        assert [tracker([found(8 * step, 0)], time)[0].track_id for step in range(8)] == [1] * 8
        assert tracker([], time) == ()


def test_equal_input_gives_equal_numbers():
    generator = np.random.default_rng(0)
    frames = [
        [found(*generator.uniform(0, 200, 2).tolist(), score=float(generator.uniform(0.3, 1))) for _ in range(8)]
        for _ in range(40)
    ]
    assert numbers(Tracker(), frames) == numbers(Tracker(), frames)
    assert all(len({n for n in ids if n}) == sum(n is not None for n in ids) for ids in numbers(Tracker(), frames))


def test_the_synthetic_set_with_lost_and_shaken_boxes():
    """Exact labels, a fifth of them lost and the rest moved by a twentieth of their size: hardly an id switches."""
    synthetic = pytest.importorskip("keras_sge.data.synthetic")
    sky = synthetic.SyntheticSky(videos=10, frames=60, size=128, seed=2)
    switches = seen = 0
    for index in range(len(sky)):
        generator, tracker, last = np.random.default_rng(index), Tracker(), {}
        for step, labels in enumerate(sky.labels(index)):
            kept = np.flatnonzero(generator.random(len(labels.boxes)) > 0.2)
            boxes = labels.boxes[kept]
            boxes = boxes + generator.normal(0, 0.05, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
            detections = [
                Detection("", int(labels.classes[k]), 0.9, tuple(box))
                for k, box in zip(kept, boxes.tolist(), strict=True)
            ]
            for row, detection in zip(kept, tracker(detections, step / 30), strict=True):
                track = int(labels.tracks[row])
                switches += last.get(track, detection.track_id) != detection.track_id
                last[track] = detection.track_id
                seen += 1
    assert seen > 300 and switches <= 2


def test_the_number_is_reported_and_drawn_where_there_is_one():
    assert found(0, 0).to_dict()["track_id"] is None
    [numbered] = Tracker()([found(0, 0)])
    assert numbered.to_dict()["track_id"] == 1
    frame = np.zeros((120, 160, 3), np.uint8)
    plain, with_number = (draw_detections(frame, FrameResult(0, 0.0, (one,))) for one in (found(9, 60), numbered))
    assert (plain != with_number).any()
