"""Stability of tracks against a plain twin, and tracks made by hand."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from evaluated import iou, random_frames, record, records_of

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.data import NO_TRACK
from keras_sge.evaluation import bootstrap, score_records
from keras_sge.evaluation.stability import STABILITY, stability_figures, track_records

BOX, ELSEWHERE = (10.0, 10.0, 50.0, 50.0), (100.0, 100.0, 140.0, 140.0)


def clip_of(answers, true=0, fps=10.0, **changes):
    """One track in one clip. `answers`: a letter a frame, `a`, `b`, `c` for a class and `.` for no answer."""
    frames = [record([] if one == "." else [(BOX, 0.9, "abc".index(one))], [(BOX, true)]) for one in answers]
    tracks = np.zeros(len(frames), np.int32)
    return records_of(frames, true_tracks=tracks, fps=np.float32([fps]), **changes)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # Switches, losses, seconds, most of the answers wrong, never right.
        ("aaaa", (0, 0, 0.0, False, False)),
        ("abab", (3, 0, 0.0, False, False)),
        ("bbba", (1, 0, 0.3, True, False)),
        ("..a.", (0, 1, 0.2, False, False)),
        # A label that comes back as another one has changed, however long it was gone.
        ("a..b", (1, 1, 0.0, False, False)),
        ("a.a.a", (0, 2, 0.0, False, False)),
        # Never right: it counts with its whole length.
        ("bb.c", (1, 1, 0.4, True, True)),
        ("....", (0, 0, 0.4, False, True)),
    ],
)
def test_tracks_made_by_hand(answers, expected):
    records = clip_of(answers)
    tracks, figures = track_records(records), stability_figures(records)
    found = tracks.switches[0], tracks.losses[0], tracks.seconds[0], tracks.wrong[0], tracks.never_right[0]
    assert found == pytest.approx(expected) and tracks.frames.tolist() == [len(answers)]
    assert figures["label_switches"] == pytest.approx(100 * expected[0] / len(answers))
    assert figures["losses"] == pytest.approx(100 * expected[1] / len(answers))
    assert [figures["wrong_tracks"], figures["never_right"]] == [*map(float, expected[3:])]


def test_an_answer_is_the_best_of_any_class_and_answers_once():
    weak, strong = (BOX, 0.29, 1), (BOX, 0.31, 0)
    aside = (12.0, 12.0, 52.0, 52.0)
    frames = [
        # Too weak to be an answer; the stronger of two; far away; one detection for two objects.
        record([weak], [(BOX, 0)]),
        record([weak, strong, (BOX, 0.3, 2)], [(BOX, 0)]),
        record([(ELSEWHERE, 0.9, 0)], [(BOX, 0)]),
        record([(BOX, 0.9, 0)], [(aside, 1), (BOX, 0)]),
    ]
    records = records_of(frames, true_tracks=np.int32([0, 0, 0, 1, 0]), fps=np.float32([10]))
    tracks = track_records(records)
    assert tracks.frames.tolist() == [4, 1]
    assert tracks.losses.tolist() == [1, 0] and tracks.never_right.tolist() == [False, True]
    assert tracks.seconds == pytest.approx([0.1, 0.1])
    # Objects whose labels name no track are in none.
    some = records_of(frames, true_tracks=np.int32([0, 0, 0, NO_TRACK, 0]), fps=np.float32([10]))
    assert track_records(some).frames.tolist() == [4]
    nobody = records_of(frames, true_tracks=np.full(5, NO_TRACK, np.int32), fps=np.float32([10]))
    assert not len(track_records(nobody).frames) and all(map(np.isnan, stability_figures(nobody).values()))


def plain_figures(frames, lengths, tracks, fps):
    """The definitions, one after the other, in plain Python."""
    places = [(video, number) for video, length in enumerate(lengths) for number in range(length)]
    rows, first = {}, 0
    for (video, number), frame in zip(places, frames, strict=True):
        answers, used = {}, set()
        for which in sorted(range(len(frame.scores)), key=lambda which: -frame.scores[which]):
            if frame.scores[which] < 0.3:
                continue
            overlaps = [
                (iou(frame.boxes[which].astype(float), box.astype(float)), place)
                for place, box in enumerate(frame.true_boxes)
                if place not in used
            ]
            overlap, place = max(overlaps, default=(0, None))
            if overlap >= 0.5:
                used.add(place)
                answers[place] = int(frame.classes[which])
        for place, true in enumerate(frame.true_classes):
            rows.setdefault((video, int(tracks[first + place])), []).append((number, int(true), answers.get(place)))
        first += len(frame.true_classes)
    switches = losses = frames_of_tracks = wrong = never = 0
    seconds = []
    for (video, _), steps in rows.items():
        frames_of_tracks += len(steps)
        given = [answer for _, _, answer in steps if answer is not None]
        switches += sum(one != other for one, other in itertools.pairwise(given))
        losses += sum(a[2] is not None and b[2] is None for a, b in itertools.pairwise(steps))
        right = [number for number, true, answer in steps if answer == true]
        wrong += 2 * sum(answer not in (None, true) for _, true, answer in steps) > len(given)
        never += not right
        end = right[0] if right else steps[-1][0] + 1
        seconds.append((end - steps[0][0]) / fps[video])
    return {
        "label_switches": 100 * switches / frames_of_tracks,
        "losses": 100 * losses / frames_of_tracks,
        "seconds_to_right": sum(seconds) / len(seconds),
        "wrong_tracks": wrong / len(rows),
        "never_right": never / len(rows),
    }


def tracked(seed, lengths, sources=None, **changes):
    """Random frames whose objects belong to a few tracks of their clips."""
    frames = random_frames(seed, sum(lengths))
    rng = np.random.default_rng(seed)
    tracks = np.concatenate([rng.permutation(9)[: len(frame.true_classes)] for frame in frames]).astype(np.int32)
    fps = np.float32(rng.choice([10, 25, 30], len(lengths)))
    return frames, records_of(frames, lengths, sources, true_tracks=tracks, fps=fps, **changes)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_twin(seed):
    lengths = [12, 30, 1, 25]
    frames, records = tracked(seed, lengths)
    expected = plain_figures(frames, lengths, records.true_tracks, records.fps.astype(float))
    assert stability_figures(records) == pytest.approx(expected)
    assert score_records(records).stability == pytest.approx(expected)
    assert expected["label_switches"] > 0 and expected["losses"] > 0 and 0 < expected["never_right"] < 1


def test_nothing_to_measure():
    empty = records_of([record([(BOX, 0.9, 0)])])
    assert all(math.isnan(value) for value in stability_figures(empty).values())
    assert score_records(empty).stability == dict.fromkeys(STABILITY)
    unknown = stability_figures(clip_of("ab", fps=np.nan))
    assert math.isnan(unknown["seconds_to_right"]) and unknown["label_switches"] == 50


LENGTHS, SOURCES = [20, 30, 25, 10, 15], ["s1", "s2", "s1", "s3", "s4"]


@pytest.mark.parametrize("metric", STABILITY)
def test_the_bootstrap_compares_it_as_copies_would(metric):
    a = tracked(1, LENGTHS, SOURCES)[1]
    weaker = dataclasses.replace(a, scores=a.scores * np.float32(0.6))
    result = bootstrap(a, weaker, resamples=80, seed=5, metric=metric)
    figures = [stability_figures(records)[metric] for records in (a, weaker)]
    assert (result.a, result.b, result.metric) == (*map(pytest.approx, figures), metric)
    names = sorted(set(SOURCES))
    terms = []
    for records in (a, weaker):
        tracks = track_records(records)
        source = np.array([names.index(SOURCES[video]) for video in tracks.videos])
        terms.append([[part[source == number].sum() for number in range(4)] for part in tracks.terms(metric)])
    draws = np.random.default_rng(5).multinomial(4, np.full(4, 1 / 4), size=80)
    expected = [np.subtract(*[np.dot(over, draw) / np.dot(under, draw) for over, under in terms]) for draw in draws]
    assert result.interval == pytest.approx(np.percentile(expected, [2.5, 97.5]))


def test_the_command_compares_what_it_is_told_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    records = tracked(1, LENGTHS, SOURCES)[1]
    records.save("a.npz")
    assert main(["bootstrap", "a.npz", "a.npz", "--metric", "losses", "--resamples", "50", "--json", "x.json"]) == 0
    assert "losses per 100 frames of A minus B: +0.000" in capsys.readouterr().out
    assert json.loads((tmp_path / "x.json").read_text())["metric"] == "losses"
    assert main(["bootstrap", "a.npz", "a.npz", "--metric", "beauty"]) == 2
    error = capsys.readouterr().err
    assert "beauty" in error and "label_switches" in error and error.count("\n") == 1


def test_times_need_the_frames_per_second():
    records = tracked(1, LENGTHS, SOURCES)[1]
    unknown = dataclasses.replace(records, fps=np.full(len(LENGTHS), np.nan, np.float32))
    with pytest.raises(InputError, match="frames per second"):
        bootstrap(unknown, unknown, metric="seconds_to_right")
    assert bootstrap(unknown, unknown, 20, metric="losses").difference == 0
