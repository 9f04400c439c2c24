"""The field's frame lists: every form is read, what is malformed is named by line."""

import pytest

from edge.errors import InputError
from keras_sge.data import read_frame_list

READ = {
    "val frames": (
        "val/ILSVRC2015_val_00000001/000000 1\nval/ILSVRC2015_val_00000001/000001 2\n\n"
        "val/ILSVRC2015_val_00000000/000463 3\n",
        {"ILSVRC2015_val_00000001": [0, 1], "ILSVRC2015_val_00000000": [463]},
    ),
    "the development kit's val": ("ILSVRC2015_val_00000000/000000 1\n", {"ILSVRC2015_val_00000000": [0]}),
    "15 frames a video": (
        "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 10 300\n"
        "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 30 300\n"
        "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000 1 0 6\n"
        "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000 1 0 6\r\n",
        {"ILSVRC2015_train_00000000": [10, 30], "ILSVRC2015_train_00001000": [0]},
    ),
    "one frame a video": ("train/p/a 1 5 9\ntrain/p/b 1 0 9\n", {"a": [5], "b": [0]}),
    "whole videos": (
        "val/ILSVRC2015_val_00000000 1 0 464\nval/ILSVRC2015_val_00000001 465 0 464\n",
        {"ILSVRC2015_val_00000000": None, "ILSVRC2015_val_00000001": None},
    ),
    "the development kit's train_1": (
        "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005003 1\n"
        "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005004 -1\n",
        {"ILSVRC2015_train_00005003": None, "ILSVRC2015_train_00005004": None},
    ),
    "names alone": ("a\nb", {"a": None, "b": None}),
    "out of order": ("v/000009 1\nv/000002 2\nv/000009 3", {"v": [2, 9]}),
}
MALFORMED = {
    "three columns": ("val/a 1 0\n", ":1 is not understood"),
    "five columns": ("val/a 1 0 3\nval/a 1 2 3 4\n", ":2 is not understood"),
    "index is text": ("val/a/000000 one\n", ":1: 'one' is no whole number"),
    "frame is text": ("val/a 1 ten 300\n", ":1: 'ten'"),
    "frame beyond the video": ("val/a 1 10 300\n\nval/a 1 300 300\n", ":3 has frame 300 of a video of 300"),
    "frame below zero": ("val/a 1 -1 300\n", ":1 has frame -1"),
    "no length": ("val/a 1 0 0\n", ":1 has frame 0 of a video of 0"),
    "a frame of no video": ("000001 1\n", ":1 is not understood"),
    "frame and number": ("val/a/000001 1 0 5\n", ":1 is not understood"),
    "a folder": ("val/a/ 1\n", ":1 is not understood"),
    "two forms": ("val/a/000000 1\nval/b 1 0 30\n", ":2 has another form than line 1"),
    "frames and videos": ("val/a/000000 1\nval/b 1\n", ":2 has another form"),
    "nothing": ("\n  \n", "lists nothing"),
}


@pytest.mark.parametrize("name", READ)
def test_every_form_is_read(name, tmp_path):
    text, expected = READ[name]
    path = tmp_path / "list.txt"
    path.write_text(text, newline="")
    found = read_frame_list(path)
    assert found == expected and list(found) == list(expected)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_lines_are_named(name, tmp_path):
    text, words = MALFORMED[name]
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_frame_list(path)
    assert "list.txt" in str(caught.value)


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "list.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="no text file"):
        read_frame_list(tmp_path / "list.txt")
    with pytest.raises(InputError, match=r"none\.txt"):
        read_frame_list(tmp_path / "none.txt")
