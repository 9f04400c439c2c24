"""Held outputs against a plain twin, and what becomes of them in streams."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edge.cli.main import main
from edge.detector import Detector
from edge.hold import hold
from edge.pipeline import Pipeline
from edge.scores import softmax


def plain_hold(steps):
    """One anchor in plain Python: pairs of codes and class scores in, the same out."""
    kept, held = [], None
    for codes, scores in steps:
        if held is not None and sum(scores) < 0.7 * sum(held[1]):
            codes, scores = held[0], [0.9 * score for score in held[1]]
        held = codes, scores
        kept.append(held)
    return kept


def test_hold_equals_the_plain_twin():
    rng = np.random.default_rng(1)
    steps = []
    for _ in range(60):
        logits = rng.normal(0, 2, (40, 4)).astype(np.float32)
        logits[:, 0] += 6 * (rng.random(40) < 0.6)
        steps.append((rng.normal(0, 1, (40, 4)).astype(np.float32), logits))
    expected = []
    for anchor in range(40):
        powers = [[math.exp(value) for value in logits[anchor].tolist()] for _, logits in steps]
        scores = [[power / sum(row) for power in row[1:]] for row in powers]
        expected.append(
            plain_hold([(codes[anchor].tolist(), row) for (codes, _), row in zip(steps, scores, strict=True)])
        )
    held, used = None, 0
    for step, given in enumerate(steps):
        before = [array.copy() for array in given]
        codes, logits, held = hold(*given, held)
        np.testing.assert_allclose(codes, [anchor[step][0] for anchor in expected], rtol=1e-6)
        np.testing.assert_allclose(
            softmax(logits)[:, 1:], [anchor[step][1] for anchor in expected], rtol=2e-4, atol=1e-6
        )
        # Whoever holds nothing keeps what the network said, bit for bit.
        same = (logits == given[1]).all(axis=1)
        used += (~same).sum()
        np.testing.assert_array_equal(codes[same], given[0][same])
        for array, copy in zip(given, before, strict=True):
            np.testing.assert_array_equal(array, copy)
    assert 300 < used < 2000


def frame_of(objectness, code=0.0):
    """One anchor of two classes, the first of which has all of the objectness."""
    return np.full((1, 4), code, np.float32), np.log(np.float32([[1 - objectness, objectness, 1e-9]]))


def objectness_of(logits):
    return pytest.approx(softmax(logits)[0, 1:].sum(), abs=1e-5)


def test_of_sigmoids_the_best_class_decides():
    def logits(*scores):
        return np.log(np.float32([scores])) - np.log1p(-np.float32([scores]))

    codes = np.ones((1, 4), np.float32)
    _, _, held = hold(codes, logits(0.8, 0.3), None, "sigmoid")
    # The sum is as large as before, the best is not.
    kept, given, held = hold(2 * codes, logits(0.5, 0.49), held, "sigmoid")
    np.testing.assert_allclose(1 / (1 + np.exp(-given)), [[0.72, 0.27]], rtol=1e-5)
    assert (kept == 1).all()
    kept, given, _ = hold(2 * codes, logits(0.1, 0.6), held, "sigmoid")
    np.testing.assert_allclose(1 / (1 + np.exp(-given)), [[0.1, 0.6]], rtol=1e-5)
    assert (kept == 2).all()


def test_an_anchor_holds_until_it_sees_as_much_again():
    _, _, held = hold(*frame_of(0.8, 1.0), None)
    for frame, expected in enumerate((0.72, 0.648, 0.5832), start=1):
        codes, logits, held = hold(*frame_of(0.05, 2.0), held)
        assert expected == objectness_of(logits) and (codes == 1).all(), frame
    # 0.7 of what is held by then is enough, and a little less is not.
    for seen, code in ((0.40, 1.0), (0.42, 2.0)):
        codes, logits, _ = hold(*frame_of(seen, 2.0), held)
        assert (codes == code).all() and (0.42 if code == 2 else 0.52488) == objectness_of(logits)
    # An object that comes is no matter of the past.
    codes, logits, _ = hold(*frame_of(0.99, 2.0), held)
    assert (codes == 2).all() and objectness_of(logits) == 0.99


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_poisoned_frame_leaves_no_trace(bad):
    _, _, held = hold(*frame_of(0.8, 1.0), None)
    for codes, logits in ((np.full((1, 4), bad), frame_of(0.8)[1]), (frame_of(0.8)[0], np.full((1, 3), bad))):
        given = codes.astype(np.float32), logits.astype(np.float32)
        found_codes, found_logits, held = hold(*given, held)
        np.testing.assert_array_equal(found_codes, given[0])
        np.testing.assert_array_equal(found_logits, given[1])
    codes, logits, _ = hold(*frame_of(0.05, 2.0), held)
    assert (codes == 1).all() and objectness_of(logits) == 0.72
    # Nor in a stream's first frame.
    _, _, held = hold(*(np.full((1, size), bad, np.float32) for size in (4, 3)), None)
    assert (hold(*frame_of(0.1, 2.0), held)[0] == 2).all()


@pytest.fixture
def holding(model_file):
    return Detector(model_file, score_threshold=0.3, hold=True)


def lost_and_found(frames):
    """Objects that are there, not there, and there again."""
    return [*frames[:4], *[np.full_like(frames[0], 70)] * 4, *frames[4:7]]


def test_a_detector_holds_what_its_network_loses(model_file, holding, frames):
    plain, held, differing = Detector(model_file, score_threshold=0.3), None, 0
    for frame in lost_and_found(frames):
        codes, logits = plain.raw(frame)
        without = plain.decode(codes, logits, *frame.shape[:2])
        codes, logits, held = hold(codes, logits, held)
        found = holding(frame).detections
        assert found == plain.decode(codes, logits, *frame.shape[:2])
        differing += found != without
    assert differing > 2


def test_streams_hold_for_themselves_and_forget_with_the_state(holding, frames):
    clip, dark = lost_and_found(frames), np.full_like(frames[0], 70)
    alone = [holding.open("alone", scene_cut=False)(frame).detections for frame in clip[:1]]
    one, other = holding.open("one", scene_cut=False), holding.open("other", scene_cut=False)
    fresh = holding.open("fresh", scene_cut=False)(dark).detections
    assert one(clip[0]).detections == alone[0]
    # What one has seen the other does not hold.
    assert other(dark).detections == fresh
    # A reset, another size and a gap in time forget.
    for forget in (lambda: one.reset(), lambda: one(np.full((24, 32, 3), 70, np.uint8))):
        one(clip[0])
        forget()
        assert one(dark).reset in ("request", "frame_size")
    one.reset()
    one(clip[0], time=0.0)
    late = one(dark, time=9.0)
    assert (late.reset, late.detections) == ("time_gap", fresh)


def test_a_scene_cut_forgets(holding, frames):
    looking, dark = holding.open("looking"), np.full_like(frames[0], 250)
    fresh = holding.open("fresh")(dark).detections
    looking(frames[0])
    result = looking(dark)
    assert (result.reset, result.detections) == ("scene_cut", fresh)


def test_a_closed_stream_keeps_nothing(holding, frames):
    stream = holding.open("camera")
    stream(frames[0])
    assert stream._held is not None
    stream.close()
    assert stream._held is None


def test_a_pipeline_holds_as_the_detector_does(model_file, holding, clip):
    expected = [result.detections for result in holding.stream(str(clip))]
    with Pipeline(Detector(model_file, score_threshold=0.3, hold=True), str(clip)) as results:
        assert [result.detections for result in results] == expected


def test_the_command_holds_where_it_is_told_to(model_file, holding, clip, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    found = []
    for option in ([], ["--hold"]):
        assert main(["detect", str(clip), "--model", str(model_file), "--score", "0.3", "--jsonl", "-", *option]) == 0
        lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()[1:]]
        found.append([[one["label"] for one in line["detections"]] for line in lines if "detections" in line])
    expected = [[one.label for one in result.detections] for result in holding.stream(str(clip))]
    assert found[1] == expected and found[0] != expected
