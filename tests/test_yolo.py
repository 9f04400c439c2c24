"""YOLO folders as Ultralytics, Roboflow and CVAT write them, made from the synthetic set, read back frame for frame."""

import cv2
import numpy as np
import pytest
import yaml

from edge.errors import InputError
from keras_sge.data import SyntheticSky, open_videos
from keras_sge.data.formats.annotation_values import CLIPPED, NO_AREA
from keras_sge.data.formats.yolo import YoloFolder
from keras_sge.data.formats.yolo_labels import POLYGON, read_yolo_labels

SKY = SyntheticSky(videos=2, frames=4, size=64)


def rows(labels, tracks=True):
    for box, kind, track in zip(labels.boxes / 64, labels.classes, labels.tracks, strict=True):
        x1, y1, x2, y2 = box.tolist()
        end = f" {track + 1}" if tracks else ""
        yield f"{kind} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}{end}"


def write_frame(images, labels, stem, index, frame, tracks=True, bom=""):
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / f"{stem}.png"), SKY.read(index, frame, frame + 1)[0])
    text = "".join(line + "\n" for line in rows(SKY.labels(index)[frame], tracks))
    (labels / f"{stem}.txt").write_text(bom + text, encoding="utf-8")


def write_ultralytics(root):
    for index, split in enumerate(("train", "val")):
        for frame in range(4):
            folders = (root / part / split for part in ("images", "labels"))
            write_frame(*folders, f"clip_{frame:06d}", index, frame, bom="\ufeff")
    document = {"path": "/somewhere/else", "train": "images\\train", "val": ["images/val"]}
    document["names"] = dict(enumerate(SKY.classes))
    (root / "data.yaml").write_text("\ufeff" + yaml.safe_dump(document), encoding="utf-8")


def write_roboflow(root):
    for index, split in enumerate(("train", "valid")):
        for frame in range(4):
            stem = f"sky_mp4-{frame:04d}_jpg.rf.{frame}abc"
            write_frame(root / split / "images", root / split / "labels", stem, index, frame, tracks=False)
    document = {"train": "../train/images", "val": "../valid/images", "nc": 5, "names": list(SKY.classes)}
    (root / "data.yaml").write_text(yaml.safe_dump(document))


def write_cvat(root):
    for index, split in enumerate(("train", "valid")):
        folder, lines = root / f"obj_{split}_data", []
        for frame in range(4):
            write_frame(folder, folder, f"frame_{frame:06d}", index, frame, tracks=False)
            lines.append(f"data/obj_{split}_data/frame_{frame:06d}.png")
        (root / f"{split}.txt").write_text("\r\n".join(lines))
    (root / "obj.names").write_text("\n".join(SKY.classes) + "\n")
    lines = ["classes = 4", "train = data/train.txt", "valid = data/valid.txt", "names = data/obj.names"]
    (root / "obj.data").write_text("\n".join(lines))


WRITERS = {"ultralytics": write_ultralytics, "roboflow": write_roboflow, "cvat": write_cvat}


@pytest.mark.parametrize("name", WRITERS)
def test_an_export_is_read_back_frame_for_frame(name, tmp_path):
    WRITERS[name](tmp_path / "set")
    for index, split in enumerate(("train", "val")):
        dataset = open_videos(tmp_path, split)
        assert type(dataset) is YoloFolder and dataset.classes == SKY.classes and len(dataset) == 1
        np.testing.assert_array_equal(dataset.read(0), SKY.read(index))
        for found, expected in zip(dataset.labels(0), SKY.labels(index), strict=True):
            np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
            np.testing.assert_array_equal(found.classes, expected.classes)
            if name == "ultralytics":
                np.testing.assert_array_equal(found.tracks, expected.tracks + 1)
    assert "4 pictures are read as 1 videos and 0 single pictures" in dataset.notes[0]
    with pytest.raises(InputError, match="no split 'test'; splits found: train, val"):
        open_videos(tmp_path, "test")


def test_lines_of_every_kind(tmp_path):
    lines = [
        "0 .5 .5 .2 .2",
        "1 .5 .5 .2 .2 7",
        "1 .5 .5 .2 .2 0.93",
        "0 .5 .5 .2 .2 0.93 12",
        "0 .1 .1 .3 .1 .2 .4",
        "0 .1 .1 .3 .1 .2 .4 .15 .2",
    ]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    frame = read_yolo_labels(tmp_path / "x.txt", (100, 50), 2)
    assert [entry.kind for entry in frame.entries] == [0, 1, 1, 0, 0, 0]
    assert [entry.track for entry in frame.entries] == [None, 7, None, 12, None, None]
    np.testing.assert_allclose([entry.corners for entry in frame.entries[:4]], [[40, 20, 60, 30]] * 4)
    np.testing.assert_allclose([entry.corners for entry in frame.entries[4:]], [[10, 5, 30, 20]] * 2)
    assert frame.changes == [POLYGON] * 2


def test_what_is_not_taken_as_it_stands_is_counted(tmp_path):
    write_ultralytics(tmp_path)
    labels = tmp_path / "labels" / "train"
    (labels / "clip_000000.txt").write_text("0 .95 .5 .2 .2\n0 .5 .5 0 .2\n0 1.5 .5 .2 .2")
    (labels / "clip_000001.txt").write_text("")
    (labels / "clip_000002.txt").unlink()
    dataset = open_videos(tmp_path, "train")
    frames = dataset.labels(0)
    assert sorted(frames[0].changes) == [CLIPPED, NO_AREA, NO_AREA] and len(frames[0].boxes) == 1
    assert [len(frame.boxes) for frame in frames[1:3]] == [0, 0] and not dataset.videos[0].unlabelled


def test_files_at_every_third_frame_leave_the_others_unlabelled(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for frame in range(33):
        write_frame(images, labels, f"frame_{frame}", 0, frame % 4)
        if frame % 3:
            (labels / f"frame_{frame}.txt").unlink()
    (tmp_path / "data.yaml").write_text("names: [a, b, c, d, e]\ntrain: images\n")
    video = open_videos(tmp_path, "train").videos[0]
    assert video.unlabelled == frozenset(frame for frame in range(33) if frame % 3)


def test_pictures_of_other_sizes_are_videos_of_their_own(tmp_path):
    write_ultralytics(tmp_path)
    cv2.imwrite(str(tmp_path / "images" / "train" / "clip_000003.png"), np.zeros((30, 40, 3), np.uint8))
    dataset = open_videos(tmp_path, "train")
    assert [(video.width, video.height, video.length) for video in dataset.videos] == [(64, 64, 1)] * 3 + [(40, 30, 1)]
    assert dataset.read(3).shape == (1, 30, 40, 3)


def index(**changes):
    def edit(root):
        document = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8-sig"))
        (root / "data.yaml").write_text(yaml.safe_dump(document | changes))

    return edit


def line(text):
    return lambda root: (root / "labels" / "train" / "clip_000001.txt").write_text(f"0 .5 .5 .2 .2\n{text}\n")


def without_labels(root):
    for file in (root / "labels" / "train").iterdir():
        file.unlink()


WRONG = {
    "a class twice": (index(names=["a", "b", "a"]), "data.yaml.*a twice"),
    "numbers with a gap": (index(names={0: "a", 2: "b"}), "0, 1, 2.*0, 2"),
    "no names": (index(names=None), "names must be"),
    "no such folder": (index(train="images/gone"), "train is images/gone"),
    "an empty folder": (index(train="labels"), "no pictures"),
    "no YAML": (lambda root: (root / "data.yaml").write_text("names: [a"), "not readable YAML"),
    "no text": (lambda root: (root / "data.yaml").write_bytes(b"\xff\xfe\x00"), "no text in UTF-8"),
    "no labels": (without_labels, "no label file .*clip_000000.txt"),
    "a class too many": (line("9 .5 .5 .2 .2"), "clip_000001.txt:2 has class 9"),
    "half a class": (line("0.5 .5 .5 .2 .2"), "clip_000001.txt:2 has class 0.5"),
    "words": (line("plane .5 .5 .2 .2"), "clip_000001.txt:2 is not understood.*plane"),
    "four columns": (line("0 .5 .5 .2"), "clip_000001.txt:2 has 4 columns"),
    "half a point": (line("0 .1 .1 .2 .2 .3 .3 .4"), "clip_000001.txt:2 has 8 columns"),
    "NaN": (line("0 nan .5 .2 .2"), "clip_000001.txt:2"),
    "a damaged picture": (
        lambda root: (root / "images" / "train" / "clip_000000.png").write_bytes(b"x"),
        "clip_000000.png",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name, tmp_path):
    edit, words = WRONG[name]
    write_ultralytics(tmp_path)
    edit(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        open_videos(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_a_list_that_names_a_lost_picture(tmp_path):
    write_cvat(tmp_path)
    (tmp_path / "obj_train_data" / "frame_000002.png").unlink()
    with pytest.raises(InputError, match=r"train.txt:3: there is no picture"):
        open_videos(tmp_path, "train")
