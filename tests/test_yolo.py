"""YOLO folders as Ultralytics, Roboflow and CVAT write them, made from the synthetic set, read back frame for frame."""

import cv2
import numpy as np
import pytest
import yaml
from video_files import write_frames

from edge.errors import InputError
from keras_sge.data import SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.formats.annotation_values import CLIPPED, NO_AREA
from keras_sge.data.formats.yolo import FORM, YoloFolder

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
    document = {"train": "../train/images", "val": "../valid/images", "test": "../test/images"}
    document |= {"nc": len(SKY.classes), "names": list(SKY.classes)}
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
    with pytest.raises(InputError, match=r"no split .test.; splits found: train, val|test is ../test/images, but"):
        open_videos(tmp_path, "test")


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
    assert dataset.notes[1:3] == (
        "Lines of 6 columns end in a track.",
        "1 pictures have no label file: nothing is in them, as YOLO has it.",
    )


def test_files_at_every_third_frame_leave_the_others_unlabelled(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for frame in range(33):
        write_frame(images, labels, f"frame_{frame}", 0, frame % 4)
        if frame % 3:
            (labels / f"frame_{frame}.txt").unlink()
    (tmp_path / "data.yaml").write_text("names: [a, b, c, d, e]\ntrain: images\n")
    dataset = open_videos(tmp_path, "train")
    assert dataset.videos[0].unlabelled == frozenset(frame for frame in range(33) if frame % 3)
    assert dataset.notes[-2:] == (
        "Where label files stand at every frame in 3 only, those between are unlabelled.",
        "22 of 33 frames are unlabelled: they are run, but neither learned nor scored.",
    )


def test_pictures_of_other_sizes_are_videos_of_their_own(tmp_path):
    write_ultralytics(tmp_path)
    cv2.imwrite(str(tmp_path / "images" / "train" / "clip_000003.png"), np.zeros((30, 40, 3), np.uint8))
    dataset = open_videos(tmp_path, "train")
    assert [(video.width, video.height, video.length) for video in dataset.videos] == [(64, 64, 1)] * 3 + [(40, 30, 1)]
    assert dataset.read(3).shape == (1, 30, 40, 3)


@pytest.mark.parametrize("name", WRITERS)
def test_videos_of_one_name_in_two_splits_are_converted(name, tmp_path):
    WRITERS[name](tmp_path / "set")
    for split in ("train", "val"):
        write_coco_vid(open_videos(tmp_path / "set", split), tmp_path / "out", split)
    names = [open_videos(tmp_path / "out", split).videos[0].name for split in ("train", "val")]
    assert [name.partition("/")[0] for name in names] == ["train", "val"]


def move(root, old, new):
    (root / new).parent.mkdir(parents=True, exist_ok=True)
    (root / old).rename(root / new)


def list_pictures(prefix):
    def edit(root):
        names = sorted(path.name for path in (root / "images" / "train").iterdir())
        (root / "lists").mkdir()
        (root / "lists" / "train.txt").write_text("".join(f"{prefix}images/train/{name}\n" for name in names))
        index(train="lists/train.txt")(root)

    return edit


def below_a_folder_called_images(root):
    for path in sorted((root / "labels" / "train").iterdir()):
        path.rename(root / "images" / "train" / path.name)


def index(**changes):
    def edit(root):
        document = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8-sig"))
        (root / "data.yaml").write_text(yaml.safe_dump(document | changes))

    return edit


FOUND = {
    "a test split that was never written": index(test="../test/images"),
    "no test split": index(test=None),
    "paths as Roboflow's package writes them": index(train="Birds-1/images/train"),
    "paths of another machine": index(train="/content/data/images/train"),
    "a list in a folder of its own": list_pictures(""),
    "a list of another machine": list_pictures("C:\\data\\"),
    "labels beside pictures in a folder called images": below_a_folder_called_images,
}


@pytest.mark.parametrize("name", FOUND)
def test_pictures_and_labels_are_found(name, tmp_path):
    write_ultralytics(tmp_path)
    FOUND[name](tmp_path)
    assert FORM.splits(tmp_path) == ["train", "val"]
    dataset = open_videos(tmp_path, "train")
    np.testing.assert_array_equal(dataset.read(0), SKY.read(0))
    for found, expected in zip(dataset.labels(0), SKY.labels(0), strict=True):
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)


def test_names_are_texts(tmp_path):
    write_ultralytics(tmp_path)
    text = "names:\n  '1': 007\n  0: no\n  2: 2024-13-45\n  3: a\n  4: b\ntrain: images/train\ntest: null\n"
    (tmp_path / "data.yaml").write_text(text)
    assert FORM.splits(tmp_path) == ["train"]
    assert open_videos(tmp_path, "train").classes == ("no", "007", "2024-13-45", "a", "b")


@pytest.mark.parametrize("name", ["ultralytics", "cvat"])
def test_labels_without_pictures(name, tmp_path):
    """CVAT's exports have none unless one asks, and pays, for them."""
    WRITERS[name](tmp_path / "set")
    folder = "images/train" if name == "ultralytics" else "obj_train_data"
    pictures = sorted((tmp_path / "set" / folder).glob("*.png"))
    (tmp_path / "pictures").mkdir()
    video = write_frames(tmp_path / "sky.mp4", [cv2.imread(str(picture)) for picture in pictures], 25)
    for picture in pictures:
        picture.rename(tmp_path / "pictures" / picture.name)
    with pytest.raises(InputError, match=r"no picture .*000000.*--media"):
        open_videos(tmp_path / "set", "train")
    for media in (tmp_path / "pictures", video):
        dataset = open_videos(tmp_path / "set", "train", frames=media)
        assert len(dataset) == 1 and dataset.videos[0].length == 4 and dataset.read(0).shape == (4, 64, 64, 3)
        for found, expected in zip(dataset.labels(0), SKY.labels(0), strict=True):
            np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    assert dataset.videos[0].fps == 25 and not dataset.videos[0].unlabelled
    with pytest.raises(InputError, match="no file or folder"):
        open_videos(tmp_path / "set", "train", frames=tmp_path / "gone")


def test_frames_of_a_video_that_are_not_listed_are_unlabelled(tmp_path):
    write_cvat(tmp_path)
    video = write_frames(tmp_path / "sky.mp4", list(SKY.read(0)), 30)
    for picture in (tmp_path / "obj_train_data").glob("*.png"):
        picture.unlink()
    names = "\n".join(f"data/obj_train_data/frame_{frame:06d}.png" for frame in (0, 2))
    (tmp_path / "train.txt").write_text(names)
    assert open_videos(tmp_path, "train", frames=video).videos[0].unlabelled == {1, 3}
    (tmp_path / "train.txt").write_text(names + "\ndata/obj_train_data/frame_000009.png")
    with pytest.raises(InputError, match=r"has 4 frames, but .*frame_000009.png is number 9"):
        open_videos(tmp_path, "train", frames=video)


def test_a_picture_is_not_taken_for_two(tmp_path):
    for index in range(2):
        write_frame(tmp_path / f"images/{index}", tmp_path / f"labels/{index}", "frame_1", index, 0)
    (tmp_path / "data.yaml").write_text("names: [a, b, c, d, e]\ntrain: images\n")
    (tmp_path / "images" / "0").rename(tmp_path / "media")
    (tmp_path / "images" / "1" / "frame_1.png").unlink()
    with pytest.raises(InputError, match=r"are both .*media.frame_1.png by their names"):
        open_videos(tmp_path, "train", frames=tmp_path / "media")


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
    "another number of classes": (index(nc=3), "nc is 3, but there are 4 names"),
    "a number twice": (lambda root: (root / "data.yaml").write_text("names:\n  0: a\n  0: b\n"), "0 is there twice"),
    "a class that is no text": (index(names=[["a"]]), "names must be different texts"),
    "a place that is no text": (index(train={"a": 1}), "train must be a text"),
    "keypoints without a shape": (index(kpt_shape=17), "kpt_shape must be"),
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
    with pytest.raises(InputError, match=r"no picture .*frame_000002.png \(1 such frames"):
        open_videos(tmp_path, "train")
