"""MOTChallenge: exact labels and frames, its own conventions, mistakes named by file and line."""

import numpy as np
import pytest
from video_trees import shades, write_sequence

from edge.errors import InputError
from keras_sge.data import MotChallenge
from keras_sge.data.formats.annotation_values import MERGED, NO_AREA

# MOT17's: a pedestrian, another beyond the frame's edge, a car that does not count, a distractor.
LINES = [
    "1,7,10,5,8,20,1,1,1",
    "3,7,12,5,8,20,1,1,0.5",
    "2,7,11,5,8,20,1,1,1",
    "1,2,-4,40,10,20,1,1,0.3",
    "1,3,30,30,10,10,0,3,1",
    "2,9,30,30,10,10,1,8,1",
]


@pytest.fixture
def sequence(tmp_path):
    return write_sequence(tmp_path, "MOT17-02", LINES)


def test_labels_are_exact(tmp_path, sequence):
    dataset = MotChallenge(tmp_path, "train")
    assert dataset.classes == ("pedestrian",) and len(dataset) == 1
    video = dataset.videos[0]
    assert (video.id, video.name, video.width, video.height, video.fps, video.length) == (0, "MOT17-02", 64, 48, 25, 4)
    labels = dataset.labels(0)
    assert [len(one.boxes) for one in labels] == [2, 1, 1, 0]
    np.testing.assert_array_equal(labels[0].boxes, [[10, 5, 18, 25], [0, 40, 6, 48]])
    np.testing.assert_array_equal(labels[2].boxes, [[12, 5, 20, 25]])
    assert labels[0].tracks.tolist() == [7, 2] and labels[0].classes.tolist() == [0, 0]
    for one in labels:
        assert (one.boxes.dtype, one.classes.dtype, one.tracks.dtype) == (np.float32, np.int32, np.int32)
        assert one.boxes.shape[1:] == (4,)


def test_frames_are_the_right_ones(tmp_path, sequence):
    dataset = MotChallenge(tmp_path, "train")
    assert shades(dataset.read(0)) == [0, 10, 20, 30] and shades(dataset.read(0, 2, 99)) == [20, 30]
    with pytest.raises(InputError, match="0 to 3"):
        dataset.read(0, 4)


def test_images_are_ordered_by_number(tmp_path):
    folder = write_sequence(tmp_path, "a", [], length=12)
    for path in sorted((folder / "img1").iterdir()):
        path.rename(path.with_name(f"frame_{int(path.stem) - 1}.jpg"))
    assert shades(MotChallenge(tmp_path, "train").read(0)) == [10 * number for number in range(12)]


def test_sequences_are_sorted_and_share_their_classes(tmp_path):
    write_sequence(tmp_path, "b", ["1,1,1,1,9,9,1,3,1"])
    write_sequence(tmp_path, "a", ["1,1,1,1,9,9,1,7,1"])
    seen = []
    dataset = MotChallenge(tmp_path, "train", lambda folders: (seen.append(one.name) or one for one in folders))
    assert [video.name for video in dataset.videos] == ["a", "b"] == seen
    assert dataset.classes == ("car", "static_person")
    assert [dataset.labels(index)[0].classes.tolist() for index in range(2)] == [[1], [0]]


@pytest.mark.parametrize("line", ["1,4,1,1,9,9,1,-1,-1,-1", "1,4,1,1,9,9,1", "1, 4, 1.0, 1.0, 9.0, 9.0, 1.0, -1"])
def test_without_classes_they_are_pedestrians(line, tmp_path):
    write_sequence(tmp_path, "MOT15", [line])
    dataset = MotChallenge(tmp_path, "train")
    assert dataset.classes == ("pedestrian",)
    np.testing.assert_array_equal(dataset.labels(0)[0].boxes, [[1, 1, 10, 10]])


def test_class_names_of_cvat(tmp_path):
    for name in ("a", "b"):
        write_sequence(tmp_path, name, ["1,1,1,1,9,9,1,3,1", "1,2,1,1,9,9,1,1,1"], labels="cat\ndog\n\nperson\n")
    dataset = MotChallenge(tmp_path, "train")
    assert dataset.classes == ("cat", "dog", "person") and dataset.labels(1)[0].classes.tolist() == [2, 0]


def test_boxes_wholly_outside_are_left_out(tmp_path):
    write_sequence(tmp_path, "a", ["1,1,70,1,9,9,1,1,1", "1,2,-9,1,9,9,1,1,1", "1,3,60,40,9,9,1,1,1"])
    labels = MotChallenge(tmp_path, "train").labels(0)[0]
    assert labels.tracks.tolist() == [3]
    np.testing.assert_array_equal(labels.boxes, [[60, 40, 64, 48]])


def test_a_sequence_without_objects_is_read(tmp_path):
    write_sequence(tmp_path, "a", [])
    assert [len(one.boxes) for one in MotChallenge(tmp_path, "train").labels(0)] == [0] * 4


WRONG_LINES = {
    "six columns": ("1,1,1,1,9,9", "has 6 columns"),
    "eleven columns": ("1,1,1,1,9,9,1,1,1,0,0", "has 11 columns"),
    "no commas": ("1 1 1 1 9 9 1", "not understood"),
    "text": ("1,1,left,1,9,9,1,1,1", "not understood.*left"),
    "frame zero": ("0,1,1,1,9,9,1,1,1", "frame 0. The sequence has frames 1 to 4"),
    "frame beyond the sequence": ("5,1,1,1,9,9,1,1,1", "frame 5. The sequence has frames 1 to 4"),
    "half a frame": ("1.5,1,1,1,9,9,1,1,1", "frame must be a whole number.*1.5"),
    "NaN for a frame": ("nan,1,1,1,9,9,1,1,1", "frame must be a whole number"),
    "NaN in a box": ("1,1,nan,1,9,9,1,1,1", "box nan, 1, 9, 9.*left, top"),
    "infinite box": ("1,1,1,1,inf,9,1,1,1", "box 1, 1, inf, 9"),
    "unknown class": ("1,2,1,1,9,9,1,14,1", "class 14.*1 to 13"),
    "half an id": ("1,1.5,1,1,9,9,1,1,1", "id must be a whole number"),
    "one object in two places": ("1,1,30,1,9,9,1,1,1", "frame 1 and id 1 of line 1"),
    "one object of two classes": ("1,1,1,1,9,9,1,3,1", "frame 1 and id 1 of line 1"),
}


@pytest.mark.parametrize("name", WRONG_LINES)
def test_wrong_lines_are_named(name, tmp_path):
    line, words = WRONG_LINES[name]
    write_sequence(tmp_path, "a", ["1,1,1,1,9,9,1,1,1", "", line])
    with pytest.raises(InputError, match=words) as caught:
        MotChallenge(tmp_path, "train")
    assert "gt.txt:3" in str(caught.value)


def cut(key):
    def edit(folder):
        path = folder / "seqinfo.ini"
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(key)))

    return edit


def put(old, new):
    return lambda folder: (folder / "seqinfo.ini").write_text((folder / "seqinfo.ini").read_text().replace(old, new))


WRONG_SEQUENCES = {
    "no seqinfo and no images": (
        lambda folder: [path.unlink() for path in (folder / "seqinfo.ini", *(folder / "img1").iterdir())],
        r"no seqinfo\.ini, no pictures.*--media PATH.*frameRate",
    ),
    "no section": (put("[Sequence]", ""), r"seqinfo\.ini is not understood"),
    "another section": (put("[Sequence]", "[Video]"), "lacks 'Sequence'"),
    "no rate": (cut("frameRate"), r"seqinfo\.ini lacks 'framerate'|lacks 'frameRate'"),
    "no length": (cut("seqLength"), "(?i)lacks 'seqlength'"),
    "no width": (cut("imWidth"), "(?i)lacks 'imwidth'"),
    "length is text": (put("seqLength=4", "seqLength=four"), r"seqinfo\.ini is not understood.*four"),
    "no frames": (put("seqLength=4", "seqLength=0"), "above 0"),
    "binary": (lambda folder: (folder / "seqinfo.ini").write_bytes(bytes(range(128, 256))), "not understood"),
    "no image folder": (put("imDir=img1", "imDir=frames"), r"no folder .*frames"),
    "too few images": (lambda folder: (folder / "img1" / "000002.jpg").unlink(), "holds 3 images.*seqLength=4"),
    "no ground truth": (lambda folder: (folder / "gt" / "gt.txt").unlink(), r"cannot read .*gt\.txt"),
    "binary ground truth": (lambda folder: (folder / "gt" / "gt.txt").write_bytes(b"\xff\xfe\x00"), "no text in UTF-8"),
    "class names in one only": (lambda folder: (folder / "gt" / "labels.txt").write_text("cat\n"), "no file .*labels"),
}


@pytest.mark.parametrize("name", WRONG_SEQUENCES)
def test_wrong_sequences_are_named(name, tmp_path, sequence):
    edit, words = WRONG_SEQUENCES[name]
    write_sequence(tmp_path, "MOT17-04", LINES)
    edit(sequence)
    with pytest.raises(InputError, match=words) as caught:
        MotChallenge(tmp_path, "train")
    assert "MOT17-0" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "words"),
    [("", "distinct class names"), ("cat\ncat\n", "distinct class names"), ("cat\n", "class 3.*1 to 1")],
)
def test_wrong_class_names_are_named(labels, words, tmp_path):
    write_sequence(tmp_path, "a", ["1,1,1,1,9,9,1,3,1"], labels=labels)
    with pytest.raises(InputError, match=words):
        MotChallenge(tmp_path, "train")


def test_other_class_names_are_named(tmp_path):
    write_sequence(tmp_path, "a", [], labels="cat\ndog")
    write_sequence(tmp_path, "b", [], labels="dog\ncat")
    with pytest.raises(InputError, match="other classes"):
        MotChallenge(tmp_path, "train")


def test_missing_splits_are_named(tmp_path, sequence):
    with pytest.raises(InputError, match="splits found: train"):
        MotChallenge(tmp_path, "test")
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match="holds no sequence"):
        MotChallenge(tmp_path, "test")


def test_wrong_images_are_refused(tmp_path, sequence):
    (sequence / "img1" / "000002.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"000002\.jpg"):
        MotChallenge(tmp_path, "train").read(0)


def test_boxes_without_area_are_left_out_and_counted(tmp_path):
    boxes = ["1,1,9,9", "1,1,0,9", "1,1,9,-9", "1000,1,9,9", "-20,1,9,9"]
    write_sequence(tmp_path, "a", [f"1,{track},{box},1,1,1" for track, box in enumerate(boxes)])
    labels = MotChallenge(tmp_path, "train").labels(0)[0]
    assert labels.boxes.tolist() == [[1, 1, 10, 10]] and labels.changes == (NO_AREA,) * 4


def test_lines_that_repeat_another_are_taken_once(tmp_path):
    lines = [f"{number},7,{number},5,8,20,1,1,1" for number in range(1, 41)]
    write_sequence(tmp_path, "a", lines + lines, length=40)
    labels = MotChallenge(tmp_path, "train").labels(0)
    assert [len(one.boxes) for one in labels] == [1] * 40
    assert [one.changes for one in labels] == [(MERGED,)] * 40


def test_entries_without_identity_are_different_objects(tmp_path):
    write_sequence(tmp_path, "a", ["1,-1,1,1,9,9,1,1,1", "1,-1,30,1,9,9,1,1,1"])
    assert len(MotChallenge(tmp_path, "train").labels(0)[0].boxes) == 2


def test_ids_of_any_size_are_tracks(tmp_path):
    big, bigger = 2**60, 2**60 + 1
    lines = [f"{t},{track},{5 + track % 2},1,9,9,1,1,1" for t in (1, 2) for track in (big, bigger)]
    write_sequence(tmp_path, "a", [*lines, "3,1e12,1,1,9,9,1,1,1"])
    first, second, third, _ = (one.tracks.tolist() for one in MotChallenge(tmp_path, "train").labels(0))
    assert first == second and len({*first, *third}) == 3


def test_what_mot_does_not_count_is_ignored_where_it_looks_alike(tmp_path):
    """Flag 0, a distractor and a crowd are regions to ignore; a car that does not count and an occluder are nothing."""
    lines = [
        "1,1,1,1,9,9,1,1,1",
        "1,2,11,1,9,9,0,1,1",
        "1,3,21,1,9,9,1,8,1",
        "1,4,31,1,9,9,0,7,1",
        "1,5,41,1,9,9,1,13,1",
    ]
    write_sequence(tmp_path, "a", [*lines, "1,6,1,11,9,9,0,3,1", "1,7,11,11,9,9,1,9,1"])
    dataset = MotChallenge(tmp_path, "train")
    labels = dataset.labels(0)[0]
    assert dataset.classes == ("pedestrian",) and labels.boxes[:, 0].tolist() == [1]
    assert labels.ignored[:, 0].tolist() == [11, 21, 31, 41] and labels.ignored_classes.tolist() == [0] * 4
    assert labels.changes == ("left out: not among what MOT16 evaluates",) * 2
    assert (labels.ignored.dtype, labels.ignored_classes.dtype) == (np.float32, np.int32)


def test_lines_of_flag_0_may_be_anything(tmp_path):
    write_sequence(tmp_path, "a", ["1,1,1,1,0,9,0,1,1", "99,1,1,1,9,9,0,1,1", "1,1,1,1,9,9,0,99,1"])
    assert [len(one.boxes) + len(one.ignored) for one in MotChallenge(tmp_path, "train").labels(0)] == [0] * 4


def test_entries_on_every_fifth_frame_only_leave_the_others_unlabelled(tmp_path):
    lines = [f"{number},7,{number},5,8,20,1,1,1" for number in range(3, 60, 5) if number != 23]
    write_sequence(tmp_path, "a", lines, length=60)
    write_sequence(tmp_path, "empty", [], length=4)
    dataset = MotChallenge(tmp_path, "train")
    # Frame 23 is one of those that were looked at: it is empty.
    assert dataset.videos[0].unlabelled == frozenset(range(60)) - frozenset(range(2, 60, 5))
    assert dataset.videos[1].unlabelled == frozenset() and "48 of 64 frames are unlabelled" in dataset.notes[0]


def test_a_byte_order_mark_is_no_content(tmp_path):
    write_sequence(tmp_path, "a", ["1,1,1,1,9,9,1,2,1"], labels="cat\ndog\n")
    for name in ("gt/gt.txt", "gt/labels.txt", "seqinfo.ini"):
        path = tmp_path / "train" / "a" / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    dataset = MotChallenge(tmp_path, "train")
    assert dataset.classes == ("cat", "dog") and dataset.labels(0)[0].classes.tolist() == [1]
