"""Causal averaging of class scores against plain twins, and clips made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from evaluated import iou

from edge.boxes import AnchorMap, anchor_boxes, decode_boxes
from edge.metadata import Metadata
from edge.postprocess import select_detections
from edge.track_averager import TrackAverager
from keras_sge.data import FrameLabels, Video, VideoDataset
from keras_sge.evaluation import Protocol, evaluate, record_detections
from keras_sge.evaluation.rivals import ClipAverager

THRESHOLD = 0.05


def metadata(rows=4, columns=4, side=0.2, labels=("ant", "bee", "cat"), **changes):
    """Anchors in a grid; of .2 they do not overlap."""
    anchors = (AnchorMap(rows, columns, ((side, side),)),)
    return Metadata("made", labels, 64, 64, "float32", anchors, **changes)


def logits_of(probabilities):
    return np.log(np.float32(probabilities))


def random_outputs(rng, anchors, classes=3):
    """Most anchors are background, as a network's are."""
    logits = rng.normal(0, 1.5, (anchors, classes + 1)).astype(np.float32)
    logits[:, 0] += 3 * (rng.random(anchors) < 0.7)
    return rng.normal(0, 0.5, (anchors, 4)).astype(np.float32), logits


def plain_softmax(row):
    powers = [np.exp(float(value)) for value in row]
    return [power / sum(powers) for power in powers]


def as_dict(boxes, scores, classes):
    return {
        (round(float(box[0] + box[2]), 4), round(float(box[1] + box[3]), 4), int(kind)): float(score)
        for box, score, kind in zip(boxes, scores, classes, strict=True)
    }


def test_clip_equals_the_plain_twin():
    rng, settings = np.random.default_rng(1), metadata()
    averager, centers = ClipAverager(settings, THRESHOLD), anchor_boxes(settings.anchors)[:, :2]
    for _ in range(2):
        averager.reset()
        evidence = [0.0] * 3
        for _ in range(6):
            logits = random_outputs(rng, 16)[1]
            rows = [plain_softmax(row) for row in logits]
            for row in rows:
                if 1 - row[0] > THRESHOLD:
                    evidence = [sum_ + (1 - row[0]) * p for sum_, p in zip(evidence, row[1:], strict=True)]
            expected = {}
            for (x, y), row in zip(centers.tolist(), rows, strict=True):
                for kind in range(3):
                    score = (1 - row[0]) * evidence[kind] / sum(evidence)
                    if score > THRESHOLD:
                        expected[round(2 * x, 4), round(2 * y, 4), kind] = score
            found = averager(np.zeros((16, 4), np.float32), logits)
            assert as_dict(*found) == pytest.approx(expected, abs=1e-5)
            assert (np.diff(found[1]) <= 0).all()


def plain_suppressed(boxes, scores, limit):
    kept = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        if all(iou(boxes[row], boxes[other]) <= 0.45 for other in kept):
            kept.append(row)
    return kept[:limit]


def test_track_equals_the_plain_twin():
    # Overlapping anchors, so that suppression has work and boxes find their tracks.
    rng, settings = np.random.default_rng(2), metadata(5, 5, 0.4)
    averager, anchors = TrackAverager(settings, THRESHOLD), anchor_boxes(settings.anchors)
    linked = 0
    for _ in range(2):
        averager.reset()
        tracks = []
        for _ in range(12):
            codes, logits = random_outputs(rng, 25)
            rows = [plain_softmax(row) for row in logits]
            rows = [(row, number) for number, row in enumerate(rows) if 1 - row[0] > THRESHOLD]
            boxes = np.clip(decode_boxes(codes, anchors, settings.variances), 0, 1).astype(float)
            boxes = [boxes[number].tolist() for _, number in rows]
            kept = plain_suppressed(boxes, [1 - row[0] for row, _ in rows], 100)
            expected, used = [], []
            for place in kept:
                row, box = rows[place][0], boxes[place]
                distribution = np.array(row[1:]) / sum(row[1:])
                free = [track for track in tracks if not any(track is other for other in used)]
                best = max(free, key=lambda track: iou(track["box"], box), default=None)
                if best is not None and iou(best["box"], box) >= 0.5:
                    linked += 1
                else:
                    best = {"past": []}
                used.append(best)
                best["past"].append(distribution)
                best["next"] = box
                scores = (1 - row[0]) * np.mean(best["past"], axis=0)
                expected += [(score, kind, *box) for kind, score in enumerate(scores) if score > THRESHOLD]
            for track in used:
                track["box"] = track["next"]
            tracks += [track for track in used if not any(track is other for other in tracks)]
            boxes, scores, classes = averager(codes, logits)
            found = np.concatenate([scores[:, None], classes[:, None], boxes], axis=1)
            np.testing.assert_allclose(found, sorted(expected, reverse=True), atol=1e-5)
    assert linked > 40


SURE_ANT, SURE_BEE, UNSURE_BEE = [0.05, 0.9, 0.03, 0.02], [0.05, 0.03, 0.9, 0.02], [0.1, 0.4, 0.48, 0.02]
NOTHING = [0.999, 0.0004, 0.0003, 0.0003]


def one_anchor(averager, probabilities):
    """The best class and its score, or None."""
    _, scores, classes = averager(np.zeros((1, 4), np.float32), logits_of([probabilities]))
    return (("ant", "bee", "cat")[classes[0]], float(scores[0])) if len(scores) else None


@pytest.mark.parametrize("kind", [ClipAverager, TrackAverager])
def test_a_wrong_class_is_repaired_by_the_past(kind):
    averager = kind(metadata(1, 1, 0.5), THRESHOLD)
    assert one_anchor(averager, UNSURE_BEE)[0] == "bee"
    averager.reset()
    for _ in range(3):
        name, score = one_anchor(averager, SURE_ANT)
        assert name == "ant" and score == pytest.approx(0.9, abs=1e-3)
    name, score = one_anchor(averager, UNSURE_BEE)
    assert name == "ant" and 0.7 < score < 0.8
    averager.reset()
    name, score = one_anchor(averager, UNSURE_BEE)
    assert name == "bee" and score == pytest.approx(0.48, abs=1e-3)
    assert one_anchor(averager, NOTHING) is None


@pytest.mark.parametrize(("pause", "remembers"), [(0, True), (30, True), (31, False)])
def test_a_track_lives_thirty_frames_without_a_box(pause, remembers):
    averager = TrackAverager(metadata(1, 1, 0.5), THRESHOLD)
    for _ in range(3):
        one_anchor(averager, SURE_ANT)
    for _ in range(pause):
        assert one_anchor(averager, NOTHING) is None
    assert one_anchor(averager, SURE_BEE)[0] == ("ant" if remembers else "bee")


def test_two_tracks_keep_their_classes_where_a_clip_has_one():
    settings = metadata(1, 2, 0.3)
    frame = np.zeros((2, 4), np.float32), logits_of([SURE_ANT, SURE_BEE])
    track, clip = TrackAverager(settings, THRESHOLD), ClipAverager(settings, THRESHOLD)
    for _ in range(3):
        boxes, scores, classes = track(*frame)
        by_clip = clip(*frame)
    assert scores[:2] == pytest.approx([0.9, 0.9], abs=1e-3)
    assert {(box[0] > 0.5, kind) for box, kind in zip(boxes[:2], classes[:2], strict=True)} == {(False, 0), (True, 1)}
    assert by_clip[1].max() < 0.5


@pytest.mark.parametrize("kind", [ClipAverager, TrackAverager])
def test_boxes_vote_as_they_do_without_averages(kind):
    rng = np.random.default_rng(5)
    settings = metadata(6, 6, 0.5, labels=("ant",), box_voting=True)
    codes, logits = random_outputs(rng, 36, classes=1)
    anchors = anchor_boxes(settings.anchors)
    # With one class and one frame there is nothing to average.
    expected, scores, _ = select_detections(codes, logits, anchors, settings.variances, THRESHOLD, 0.45, 100, True)
    plain, *_ = select_detections(codes, logits, anchors, settings.variances, THRESHOLD, 0.45, 100, False)
    found, found_scores, _ = kind(settings, THRESHOLD)(codes, logits)
    # Below four times the threshold some voters are out of a tracker's sight.
    sure = scores > 4 * THRESHOLD
    assert sure.sum() > 2 and np.abs(expected - plain)[sure].max() > 0.01
    np.testing.assert_allclose(found_scores[found_scores > 4 * THRESHOLD], scores[sure], rtol=1e-4)
    np.testing.assert_allclose(found[found_scores > 4 * THRESHOLD], expected[sure], atol=1e-4)


@pytest.mark.parametrize("kind", [ClipAverager, TrackAverager])
def test_a_poisoned_frame_leaves_no_trace(kind):
    averager = kind(metadata(1, 1, 0.5), THRESHOLD)
    one_anchor(averager, SURE_ANT)
    for bad in (np.nan, np.inf):
        assert len(averager(np.zeros((1, 4), np.float32), np.full((1, 4), bad, np.float32))[1]) == 0
        assert len(averager(np.full((1, 4), np.nan, np.float32), logits_of([SURE_ANT]))[1]) == 0
    name, score = one_anchor(averager, SURE_ANT)
    assert name == "ant" and score == pytest.approx(0.9, abs=1e-3)


class Still(VideoDataset):
    """Clips of black frames with one object each, an ant in the first, a bee in the second."""

    classes = ("ant", "bee", "cat")
    videos = tuple(Video(number, f"v{number}", 64, 64, 30.0, 4) for number in range(2))

    def read(self, index, start=0, stop=None):
        return np.zeros((4, 64, 64, 3), np.uint8)[start:stop]

    def labels(self, index):
        return [FrameLabels(np.float32([[16, 16, 48, 48]]), np.int32([index]), np.int32([0]))] * 4


class FakeDetector:
    """Answers `raw` from a list of probabilities of its one anchor."""

    runtime = SimpleNamespace(name="fake", version="1")
    labels = ("ant", "bee", "cat")

    def __init__(self, answers):
        self.answers, self.metadata, self.resets = iter(answers), metadata(1, 1, 0.5), 0

    def reset(self):
        self.resets += 1

    def raw(self, frame):
        return np.zeros((1, 4), np.float32), logits_of([next(self.answers)])


ANSWERS = [SURE_ANT, SURE_ANT, UNSURE_BEE, SURE_ANT, SURE_BEE, SURE_BEE, [0.1, 0.48, 0.4, 0.02], SURE_BEE]


@pytest.mark.parametrize("kind", ["clip", "track"])
def test_evaluation_averages_within_a_clip_and_forgets_between_clips(kind):
    detector = FakeDetector(ANSWERS)
    result = evaluate(detector, Still(), protocol=Protocol(rival=kind))
    assert result.map50 == 1 and detector.resets == 2
    assert ("track" if kind == "track" else "clip's running") in result.protocol


def test_a_network_that_forgets_may_still_be_averaged():
    detector = FakeDetector(ANSWERS)
    records = record_detections(detector, Still(), Protocol(rival="clip", reset_every_frame=True))
    assert detector.resets == 2 + 8
    best = [frame.classes[0] for frame in records]
    assert best == [0] * 4 + [1] * 4
