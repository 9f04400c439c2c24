"""Splits, errors, F1 and confusion, against slow twins and cases done by hand."""

import dataclasses
import math

import numpy as np
import pytest
from evaluated import iou, plain_area, plain_matches, random_frames, record, records_of

from keras_sge.evaluation import evaluation_pictures, score_records
from keras_sge.evaluation.matches import match
from keras_sge.evaluation.metrics import best_f1, confusion_matrix, error_breakdown
from keras_sge.evaluation.splits import (
    SPEEDS,
    frame_index_figures,
    motion_figures,
    speed_of,
    weighted_motion_figures,
)

RANGES = {"slow": (0.9000001, 1), "medium": (0.7, 0.9), "fast": (0, 0.6999999)}


def random_motion(frames, seed):
    """Of each object; some have none, some lie on a border."""
    rng = np.random.default_rng(seed)
    motion = rng.choice([0.3, 0.69, 0.7, 0.8, 0.9, 0.95, np.nan], sum(len(frame.true_classes) for frame in frames))
    return motion, np.split(motion, np.cumsum([len(frame.true_classes) for frame in frames])[:-1])


def mean(values):
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def false_weight(frame, which, wanted, inside, share):
    """The weight of a false positive, as the field's code works it out; `inside`: of each object of the frame."""
    same = [other for other, number in enumerate(frame.true_classes) if number == wanted]
    if not same:
        return share
    overlaps = [iou(frame.boxes[which].astype(float), frame.true_boxes[other].astype(float)) for other in same]
    counted = max([overlap for overlap, other in zip(overlaps, same, strict=True) if inside[other]], default=-1)
    ignored = max([overlap for overlap, other in zip(overlaps, same, strict=True) if not inside[other]], default=-1)
    if counted != ignored:
        return float(counted > ignored)
    return sum(not inside[other] for other in same) / len(same)


def plain_motion(frames, motion, bounds, weighted):
    low, high = bounds
    inside = [[low <= value <= high for value in of_frame] for of_frame in motion]
    every = [value for of_frame in inside for value in of_frame]
    share = sum(every) / len(every) or 1
    values = []
    for wanted in range(3):
        marks = []
        for place, which, other in plain_matches(frames, wanted):
            if other is not None:
                marks.append(("hit", 1) if inside[place][other] else ("ignored", 0))
            else:
                weight = false_weight(frames[place], which, wanted, inside[place], share) if weighted else 1
                marks.append(("false", weight))
        objects = sum(
            kept and number == wanted
            for frame, of_frame in zip(frames, inside, strict=True)
            for kept, number in zip(of_frame, frame.true_classes, strict=True)
        )
        values.append(plain_area(marks, objects))
    return mean(values)


@pytest.mark.parametrize("seed", range(5))
def test_motion_split_equals_the_slow_twin(seed):
    frames = random_frames(seed, 40)
    motion, of_frames = random_motion(frames, seed)
    matches = match(frames)
    plain = {name: plain_motion(frames, of_frames, bounds, False) for name, bounds in RANGES.items()}
    assert motion_figures(matches, 3, motion) == pytest.approx(plain, abs=1e-9)
    plain = {name: plain_motion(frames, of_frames, bounds, True) for name, bounds in RANGES.items()}
    assert weighted_motion_figures(matches, frames, 3, motion) == pytest.approx(plain, abs=1e-9)


def test_borders_of_speed():
    speeds = speed_of(np.array([0.9001, 0.9, 0.7, 0.6999, np.nan]))
    assert [(*SPEEDS, "none")[speed] for speed in speeds] == ["slow", "medium", "medium", "fast", "none"]


def test_a_match_with_an_object_of_another_speed_counts_neither_way():
    box, far = (0, 0, 10, 10), (50, 50, 60, 60)
    frames = [record([(far, 0.9, 0), (box, 0.8, 0)], [(box, 0), (far, 0)])]
    assert motion_figures(match(frames), 3, np.array([0.95, 0.5]))["slow"] == 1
    # Without its object the first detection is false, and false for every speed.
    frames = [record([(far, 0.9, 0), (box, 0.8, 0)], [(box, 0)]), record([], [(box, 0)])]
    figures = motion_figures(match(frames), 3, np.array([0.95, 0.5]))
    assert figures["slow"] == 0.5 and figures["fast"] == 0 and math.isnan(figures["medium"])


@pytest.mark.parametrize("seed", range(3))
def test_position_split_equals_the_figures_of_those_frames_alone(seed):
    lengths = [35, 3, 12, 1]
    frames = random_frames(seed, sum(lengths))
    ids = np.concatenate([np.arange(length) for length in lengths])
    figures = frame_index_figures(match(frames), 3, ids)
    for name, positions in {
        "1": range(1, 2),
        "2-5": range(2, 6),
        "6-10": range(6, 11),
        "11-30": range(11, 31),
        "31+": range(31, 99),
    }.items():
        part = [frame for frame, place in zip(frames, ids, strict=True) if place + 1 in positions]
        marks = [
            [("hit", 1) if other is not None else ("false", 1) for *_, other in plain_matches(part, wanted)]
            for wanted in range(3)
        ]
        objects = [sum(int((frame.true_classes == wanted).sum()) for frame in part) for wanted in range(3)]
        assert figures[name] == pytest.approx(mean(map(plain_area, marks, objects)), abs=1e-9)


BOX, SHIFTED, FAR = (0, 0, 10, 10), (0, 4, 10, 14), (60, 60, 90, 90)
HALF_OFF = (0, 6, 10, 16)
ERRORS = {
    "all right": ([(BOX, 0.9, 0)], [(BOX, 0)], {}),
    "missed": ([], [(BOX, 0)], {"missed": 1}),
    "wrong class": ([(BOX, 0.9, 1)], [(BOX, 0)], {"wrong_class": 1}),
    "wrong class beside the right one": ([(BOX, 0.9, 0), (BOX, 0.8, 1)], [(BOX, 0)], {"wrong_class": 1}),
    "localization": ([(HALF_OFF, 0.9, 0)], [(BOX, 0)], {"localization": 1}),
    "off in box and class": ([(HALF_OFF, 0.9, 1)], [(BOX, 0)], {"background": 1, "missed": 1}),
    "duplicate": ([(BOX, 0.9, 0), (BOX, 0.8, 0)], [(BOX, 0)], {"duplicate": 1}),
    "background": ([(BOX, 0.9, 0), (FAR, 0.9, 0)], [(BOX, 0)], {"background": 1}),
    "background of an empty frame": ([(FAR, 0.9, 0)], [], {"background": 1}),
    "localization comes before wrong class": (
        [(BOX, 0.9, 0)],
        [(BOX, 1), (HALF_OFF, 0)],
        {"localization": 1, "missed": 1},
    ),
    "below the threshold": ([(BOX, 0.4, 0), (FAR, 0.4, 0)], [(BOX, 0)], {"missed": 1}),
    "at the threshold": ([(BOX, 0.5, 0)], [(BOX, 0)], {}),
}
REGION = (0, 0, 20, 20)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_by_hand(name):
    found, truth, expected = ERRORS[name]
    # Frames before and after must not matter.
    frames = [record([(FAR, 0.9, 2)], [(FAR, 2)]), record(found, truth), record([(BOX, 0.9, 2)], [(BOX, 2)])]
    counts = error_breakdown(match(frames), frames, 0.5)
    assert {kind: number for kind, number in counts.items() if number} == expected
    assert set(counts) == {"missed", "wrong_class", "localization", "duplicate", "background"}


def test_what_lies_in_an_ignored_region_is_no_error():
    found = [(BOX, 0.9, 0), (SHIFTED, 0.8, 0), (FAR, 0.7, 0), (BOX, 0.6, 1)]
    frames = [record(found, [(BOX, 0)], [(REGION, 0)])]
    counts = error_breakdown(match(frames), frames, 0.5)
    assert {kind: number for kind, number in counts.items() if number} == {"background": 1, "wrong_class": 1}
    # Of three detections that count, one is right.
    assert best_f1(match(frames))["precision"] == pytest.approx(1)
    np.testing.assert_array_equal(confusion_matrix(frames, 2, 0.5), [[1, 0, 0], [0, 0, 0], [1, 0, 0]])


def test_regions_do_not_disturb_the_other_figures():
    """Regions without a detection in them change nothing, whatever the figure."""
    frames = random_frames(5, 30)
    regions = [record(ignored=[((200, 200, 300, 300), 0)])] * len(frames)
    with_regions = [
        dataclasses.replace(frame, ignored=region.ignored, ignored_classes=region.ignored_classes)
        for frame, region in zip(frames, regions, strict=True)
    ]
    plain, other = (dataclasses.asdict(score_records(records_of(part))) for part in (frames, with_regions))
    assert (plain.pop("ignored"), other.pop("ignored")) == (0, 30)
    assert plain == other


def test_figures_are_made_with_regions_in_every_frame():
    result = score_records(records_of(random_frames(6, 30, regions=2), unlabelled=7))
    assert result.ignored == 60 and result.unlabelled == 7
    assert "| not scored | unlabelled frames | ignored regions |" in result.table()
    assert result.coco["ap50"] == pytest.approx(result.map50, abs=0.02)


def test_without_a_threshold_everything_is_missed():
    frames = random_frames(0)
    counts = error_breakdown(match(frames), frames, math.nan)
    assert counts.pop("missed") == sum(len(frame.true_classes) for frame in frames) and not any(counts.values())


@pytest.mark.parametrize("levels", [None, 5])
def test_best_f1_is_the_best_of_all_thresholds(levels):
    frames = random_frames(3, 30, levels)
    objects = sum(len(frame.true_classes) for frame in frames)
    matched = [one for wanted in range(3) for one in plain_matches(frames, wanted)]
    figures = []
    for threshold in sorted({float(score) for frame in frames for score in frame.scores}, reverse=True):
        kept = [other for place, which, other in matched if frames[place].scores[which] >= threshold]
        right = sum(other is not None for other in kept)
        figures.append((2 * right / (len(kept) + objects), threshold, right / len(kept), right / objects))
    # The first of equals is the highest threshold.
    expected = max(figures, key=lambda item: item[0])
    assert best_f1(match(frames)) == pytest.approx(
        dict(zip(("f1", "threshold", "precision", "recall"), expected, strict=True))
    )


def test_f1_without_detections_and_without_objects():
    assert best_f1(match([record([], [(BOX, 0)])]))["f1"] == 0
    assert math.isnan(best_f1(match([record([], [(BOX, 0)])]))["threshold"])
    assert math.isnan(best_f1(match([record([(BOX, 0.9, 0)])]))["f1"])
    assert math.isnan(best_f1(match([]))["f1"])


def test_confusion_by_hand():
    frames = [
        record([(BOX, 0.9, 1), (FAR, 0.9, 0), (SHIFTED, 0.2, 0)], [(BOX, 0)]),
        record([(BOX, 0.9, 1), (BOX, 0.8, 1)], [(BOX, 1), (FAR, 2)]),
    ]
    expected = [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(frames, 3, 0.5), expected)
    np.testing.assert_array_equal(confusion_matrix(frames, 3, math.nan)[:, 3], [1, 1, 1, 0])


@pytest.mark.parametrize(
    ("frames", "drawn"),
    [
        (random_frames(1, 20), ["precision_recall.png", "confusion.png", "splits.png"]),
        ([record([], [(BOX, 0)])], ["precision_recall.png", "confusion.png", "splits.png"]),
        ([record([(BOX, 0.9, 0)])], []),
        ([record()], []),
    ],
)
def test_pictures_of_anything(frames, drawn, tmp_path):
    records = records_of(frames)
    result = score_records(records)
    paths = evaluation_pictures(records, result, tmp_path / "pictures")
    # What there is nothing of is not drawn.
    assert [path.name for path in paths] == drawn
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == sorted(drawn)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert all(name in result.table() for name in records.labels)


@pytest.mark.parametrize(("frames", "known", "names"), [(3, False, ["1", "2-5"]), (40, True, ["slow", "fast"])])
def test_splits_show_what_was_measured(frames, known, names, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    shown = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: shown.append(figure) or save(figure, *a, **k))
    made = random_frames(1, frames)
    objects = sum(len(frame.true_classes) for frame in made)
    motion = np.tile([0.95, 0.1], objects)[:objects] if known else np.full(objects, np.nan)
    records = records_of(made, true_motion=motion.astype(np.float32))
    evaluation_pictures(records, score_records(records), tmp_path)
    panels = shown[-1].axes
    assert len(panels) == 1 + known
    assert [label.get_text() for label in panels[0].get_xticklabels()] == names


def test_pictures_of_many_classes(tmp_path):
    records = records_of(random_frames(1, 10), labels=tuple(f"class number {number}" for number in range(30)))
    assert len(evaluation_pictures(records, score_records(records), tmp_path)) == 3
