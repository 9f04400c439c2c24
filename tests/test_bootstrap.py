"""The paired bootstrap against naive copies, and the records that it reads."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from evaluated import random_frames, record, records_of

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.evaluation import DetectionRecords, average_precision, bootstrap, score_records

LENGTHS, SOURCES = [4, 3, 5, 2, 6, 4], ["s1", "s2", "s1", "s3", "s4", "s2"]


def worse(frames, seed=0):
    """The same objects, found less often and further off."""
    rng = np.random.default_rng(seed)
    result = []
    for frame in frames:
        kept = rng.random(len(frame.scores)) < 0.6
        boxes = frame.boxes[kept] + rng.normal(0, 1, (kept.sum(), 4)).astype(np.float32)
        scores = np.float32(rng.random(kept.sum()))
        result.append(dataclasses.replace(frame, boxes=boxes, scores=scores, classes=frame.classes[kept]))
    return result


@pytest.fixture(scope="module")
def pair():
    """Only one source shows cats, so that some draws have no such class."""
    frames = random_frames(5, sum(LENGTHS))
    for place, source in enumerate(np.repeat(SOURCES, LENGTHS)):
        kept = (frames[place].true_classes != 2) | (source == "s1")
        frame = frames[place]
        frames[place] = dataclasses.replace(
            frame, true_boxes=frame.true_boxes[kept], true_classes=frame.true_classes[kept]
        )
    return frames, worse(frames)


def test_equals_copying_frames(pair):
    records = [records_of(frames, LENGTHS, SOURCES) for frames in pair]
    result = bootstrap(*records, resamples=60, seed=3)
    draws = np.random.default_rng(3).multinomial(4, np.full(4, 1 / 4), size=60)
    of_frame = np.repeat(SOURCES, LENGTHS)
    expected = []
    for counts in draws:
        maps = []
        for frames in pair:
            # Copies of a source one behind the other, as equal scores are taken in that order.
            copies = [
                frame for name, frame in zip(of_frame, frames, strict=True) for _ in range(counts[int(name[1]) - 1])
            ]
            values = [average_precision(copies, number) for number in range(3)]
            maps.append(np.mean([value for value in values if not np.isnan(value)]))
        expected.append(maps[0] - maps[1])
    assert result.interval == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=1e-9)
    assert result.share_above_zero == np.mean(np.array(expected) > 0)
    assert (result.a, result.b) == pytest.approx([score_records(one).map50 for one in records], abs=1e-9)
    assert result.difference == result.a - result.b
    assert (result.sources, result.resamples, result.seed) == (4, 60, 3)


def test_identical_records_do_not_differ(pair):
    records = records_of(pair[0], LENGTHS, SOURCES)
    result = bootstrap(records, records, resamples=120)
    assert (result.difference, result.interval, result.share_above_zero) == (0, (0, 0), 0)


def test_a_better_model_is_recognized():
    frames = random_frames(11, 120)
    good, bad = (records_of(some, [6] * 20) for some in (frames, worse(worse(frames), 1)))
    better, reverse = bootstrap(good, bad, 500), bootstrap(bad, good, 500)
    assert better.interval[0] > 0 and better.share_above_zero > 0.99
    assert reverse.interval == pytest.approx((-better.interval[1], -better.interval[0]))


def test_same_seed_same_figures_and_chunks_do_not_matter(pair):
    records = [records_of(frames, LENGTHS, SOURCES) for frames in pair]
    assert bootstrap(*records, 130, 9) == bootstrap(*records, 130, 9)
    assert bootstrap(*records, 130, 9).interval != bootstrap(*records, 130, 8).interval


def test_classes_are_paired_by_name(pair):
    records = records_of(pair[0], LENGTHS, SOURCES)
    turned = records.with_labels(("cat", "ant", "bee"))
    assert turned.labels == ("cat", "ant", "bee") and turned.classes.tolist() != records.classes.tolist()
    assert bootstrap(records, turned, 50).interval == (0, 0)


def other_truth(frames):
    first = dataclasses.replace(frames[0], true_boxes=frames[0].true_boxes + 1)
    return [first, *frames[1:]]


CHANGES = {
    "classes": {"labels": ("ant", "bee", "dog")},
    "degraded frames": {"degrade": "bursts:1"},
    "videos": {"video_names": tuple("uvwxyz")},
    "scored frames": {"frame_ids": np.arange(sum(LENGTHS), dtype=np.int32)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_frames_are_refused(name, pair):
    records = records_of(pair[0], LENGTHS, SOURCES)
    with pytest.raises(InputError, match=f"differ in their {name}"):
        bootstrap(records, dataclasses.replace(records, **CHANGES[name]))


def test_other_objects_are_refused(pair):
    frames = next(pair[0][i:] + pair[0][:i] for i in range(9) if len(pair[0][i].true_classes))
    records = records_of(frames, [12, 12])
    with pytest.raises(InputError, match="objects"):
        bootstrap(records, records_of(other_truth(frames), [12, 12]))


def test_what_cannot_be_resampled_is_refused(pair):
    one = records_of(pair[0])
    with pytest.raises(InputError, match="at least 2"):
        bootstrap(one, one)
    empty = records_of([record()] * 2, [1, 1])
    with pytest.raises(InputError, match="no object"):
        bootstrap(empty, empty)
    two = records_of(pair[0], LENGTHS)
    for numbers in ((0, 1), (5, -1)):
        with pytest.raises(InputError, match="at least"):
            bootstrap(two, two, *numbers)


def test_records_come_back_as_they_were(pair, tmp_path):
    for records in (records_of(pair[0], LENGTHS, SOURCES, degrade="singly:7"), records_of([record()])):
        records.save(tmp_path / "a.npz")
        back = DetectionRecords.load(tmp_path / "a.npz")
        for field in dataclasses.fields(records):
            one, other = getattr(records, field.name), getattr(back, field.name)
            np.testing.assert_array_equal(one, other)
            assert type(one) is type(other) and getattr(one, "dtype", 0) == getattr(other, "dtype", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_records_are_a_sequence_of_frames(pair):
    records = records_of(pair[0], LENGTHS, SOURCES)
    assert len(records) == len(pair[0]) == len(list(records))
    np.testing.assert_array_equal(records[-1].boxes, pair[0][-1].boxes)
    assert [len(frame.scores) for frame in records[2:5]] == [len(frame.scores) for frame in pair[0][2:5]]
    with pytest.raises(IndexError):
        records[len(records)]


def damage(path, **changes):
    """Rewrites arrays of a records file; None leaves one out."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_records_of_version_0_1_are_read_in_the_words_of_now(pair, tmp_path):
    records = records_of(pair[0], LENGTHS, SOURCES)
    records.save(tmp_path / "old.npz")
    damage(tmp_path / "old.npz", protocol="linked at IoU .5; at most 100 detections a frame")
    assert DetectionRecords.load(tmp_path / "old.npz").protocol == "linked at IoU 0.5; at most 100 detections per frame"


def test_records_of_before_regions_were_ignored_are_read(pair, tmp_path):
    path = tmp_path / "old.npz"
    records = records_of(pair[0], LENGTHS, SOURCES)
    records.save(path)
    damage(path, ignored=None, ignored_classes=None, ignored_counts=None, unlabelled=None)
    old = DetectionRecords.load(path)
    assert old.ignored.shape == (0, 4) and not old.ignored_counts.any() and old.unlabelled == 0
    assert len(list(old)) == len(list(records))


def test_regions_and_counts_come_back(tmp_path):
    records = records_of(random_frames(1, 6, regions=2), unlabelled=3)
    records.save(tmp_path / "a.npz")
    back = DetectionRecords.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(back[4].ignored, records[4].ignored)
    assert back.unlabelled == 3 and len(back[4].ignored_classes) == 2


def test_records_of_other_regions_are_no_pair(pair):
    records = records_of(pair[0], LENGTHS, SOURCES)
    frames = [dataclasses.replace(frame, ignored=frame.boxes, ignored_classes=frame.classes) for frame in pair[0]]
    with pytest.raises(InputError, match="regions to ignore"):
        bootstrap(records, records_of(frames, LENGTHS, SOURCES))


DAMAGED = {
    "another version": {"format": "keras-sge records 99"},
    "an array left out": {"scores": None},
    "too few scores": {"scores": np.zeros(3, np.float32)},
    "text for scores": {"scores": np.array(["a", "b"])},
    "another shape": {"boxes": np.zeros((5, 3), np.float32)},
    "counts of more": {"counts": np.full(sum(LENGTHS), 50, np.int32)},
    "a video past the last": {"videos": np.full(sum(LENGTHS), 99, np.int32)},
    "fewer labels": {"labels": np.array(["ant"])},
    "objects": {"sources": np.array([None] * 6, object)},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_wrong_records_are_refused(name, pair, tmp_path):
    path = tmp_path / "wrong.npz"
    records_of(pair[0], LENGTHS, SOURCES).save(path)
    damage(path, **DAMAGED[name])
    with pytest.raises(InputError, match=r"wrong\.npz"):
        DetectionRecords.load(path)


def test_negative_counts_are_refused(pair, tmp_path):
    records = records_of(pair[0], LENGTHS, SOURCES)
    records.save(tmp_path / "wrong.npz")
    counts = records.counts.copy()
    counts[:2] = -1, counts[:2].sum() + 1
    damage(tmp_path / "wrong.npz", counts=counts)
    with pytest.raises(InputError, match="counts"):
        DetectionRecords.load(tmp_path / "wrong.npz")


def test_scores_that_are_no_numbers_are_refused(pair, tmp_path):
    records = records_of(pair[0], LENGTHS, SOURCES)
    records.save(tmp_path / "wrong.npz")
    damage(tmp_path / "wrong.npz", scores=records.scores * np.float32(np.nan))
    with pytest.raises(InputError, match="finite"):
        DetectionRecords.load(tmp_path / "wrong.npz")


@pytest.mark.parametrize("share", [0, 10, "half", "all but one"])
def test_cut_records_are_refused(share, pair, tmp_path):
    path = tmp_path / "cut.npz"
    records_of(pair[0], LENGTHS, SOURCES).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: {"half": len(content) // 2, "all but one": len(content) - 1}.get(share, share)])
    with pytest.raises(InputError, match=r"cut\.npz"):
        DetectionRecords.load(path)


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello, these are no records")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("other.txt", "hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for name in ("text.npz", "other.npz", "array.npz", "none.npz"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            DetectionRecords.load(tmp_path / name)
    with pytest.raises(InputError, match=r"records\.json"):
        records_of([record()]).save(tmp_path / "records.json")


def test_command(pair, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, frames in zip(("a.npz", "b.npz"), pair, strict=True):
        records_of(frames, LENGTHS, SOURCES, protocol=f"protocol of {name}").save(name)
    command = ["bootstrap", "a.npz", "b.npz", "--resamples", "70", "--seed", "2", "--json", "x.json"]
    assert main(command) == 0
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["resamples"] == 70 and document["seed"] == 2 and document["sources"] == 4
    assert document["interval"][0] <= document["difference"] <= document["interval"][1]
    assert document["protocol_b"] == "protocol of b.npz"
    text = capsys.readouterr().out
    assert "95% interval" in text and "4 source videos" in text
    # How both were run is long: only that it differs is always said.
    assert "protocol of a.npz" not in text and "not run alike" in text
    assert main([*command, "--verbose"]) == 0
    assert "protocol of a.npz" in capsys.readouterr().out


BAD = {
    "no file": (["a.npz", "none.npz"], ["none.npz", "sge evaluate"]),
    "no records": (["a.npz", "text.npz"], ["text.npz"]),
    "other frames": (["a.npz", "other.npz"], ["objects", "--split"]),
    "no resamples": (["a.npz", "a.npz", "--resamples", "0"], ["resamples", "0"]),
    "a negative seed": (["a.npz", "a.npz", "--seed", "-1"], ["seed", "-1"]),
    "into nowhere": (["a.npz", "a.npz", "--json", "no/x.json"], ["no/x.json"]),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_named_and_leave_nothing(name, pair, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    records_of(pair[0], LENGTHS, SOURCES).save("a.npz")
    records_of(random_frames(99, sum(LENGTHS)), LENGTHS, SOURCES).save("other.npz")
    (tmp_path / "text.npz").write_text("hello")
    arguments, words = BAD[name]
    assert main(["bootstrap", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sge: error: ")
    assert all(word in lines[0] for word in words), lines[0]
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "other.npz", "text.npz"}
