"""ImageNet VID: exact labels and frames, nothing opened before it is asked for, mistakes named by file."""

import os
import shutil
import sys
import threading

import cv2
import numpy as np
import pytest
from video_trees import shades, vid_object, vid_xml, write_vid, write_vid_video

from edge.errors import InputError
from keras_sge.data import ImageNetVid
from keras_sge.data.formats.annotation_values import MERGED
from keras_sge.data.formats.imagenet_vid_files import VID_CLASSES, read_frame_labels

PARTS = ("Data", "Annotations")
_opened = []
_watching = False


def _watch(event, arguments):
    if _watching and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_watch)


def boxed(*box):
    return vid_xml(vid_object("n02391049", box))


@pytest.fixture
def opened():
    """Every file that Python opens within the test; clear it at will."""
    global _watching
    _opened.clear()
    _watching = True
    yield _opened
    _watching = False


@pytest.fixture
def tree(tmp_path):
    return write_vid(tmp_path / "ILSVRC2015")


def test_the_thirty_classes():
    assert len(VID_CLASSES) == 30 and list(VID_CLASSES.values()) == sorted(set(VID_CLASSES.values()))
    assert VID_CLASSES["n02958343"] == "car" and VID_CLASSES["n02062744"] == "whale"


def test_videos_are_sorted_and_named_without_their_package(tree):
    dataset = ImageNetVid(tree, "train")
    assert dataset.classes == tuple(VID_CLASSES.values())
    assert [(video.id, video.name) for video in dataset.videos] == [
        (0, "ILSVRC2015_train_00000000"),
        (1, "ILSVRC2015_train_00001000"),
    ]
    assert {(video.width, video.height, video.length) for video in dataset.videos} == {(64, 48, 4)}
    assert [video.name for video in ImageNetVid(tree, "val").videos] == ["ILSVRC2015_val_00000000"]
    assert dataset.videos[-1].id == 1 and [video.id for video in dataset.videos[:1]] == [0]


def test_labels_are_exact(tree):
    labels = ImageNetVid(tree, "train").labels(1)
    assert len(labels) == 4 and [len(one.boxes) for one in labels] == [1, 1, 2, 0]
    np.testing.assert_array_equal(labels[0].boxes, [[5, 6, 25, 30]])
    np.testing.assert_array_equal(labels[2].boxes, [[9, 6, 29, 30], [40, 10, 64, 47]])
    names = list(VID_CLASSES.values())
    assert [names[index] for index in labels[2].classes] == ["zebra", "car"] and labels[2].tracks.tolist() == [3, 1]
    assert labels[3].boxes.shape == (0, 4)
    for one in labels:
        assert (one.boxes.dtype, one.classes.dtype, one.tracks.dtype) == (np.float32, np.int32, np.int32)
    assert [len(one.boxes) for one in labels[1:3]] == [1, 2] and labels[-1] is labels[3]


def test_boxes_are_clipped_to_the_frame(tmp_path):
    write_vid_video(tmp_path, "val/v", [vid_xml(vid_object("n02084071", (-3, -0.5, 64.5, 60)))])
    np.testing.assert_array_equal(ImageNetVid(tmp_path, "val").labels(0)[0].boxes, [[0, 0, 64, 48]])


def test_frames_are_the_right_ones(tree):
    dataset = ImageNetVid(tree, "train")
    assert dataset.read(0).shape == (4, 48, 64, 3) and dataset.read(0).dtype == np.uint8
    assert shades(dataset.read(0)) == [0, 10, 20, 30]
    assert shades(dataset.read(1, 1, 3)) == [110, 120]
    assert shades(dataset.read(1, 3, 99)) == [130]
    with pytest.raises(InputError, match="0 to 3"):
        dataset.read(1, 4)


def test_only_what_is_asked_for_is_opened(tree, opened):
    dataset = ImageNetVid(tree, "train")
    assert len(dataset) == 2 and len(dataset.videos) == 2 and opened == []
    assert dataset.videos[1].width == 64
    assert [path[-37:] for path in opened] == ["VID_train_0001/ILSVRC2015_train_00001000/000000.xml"[-37:]]
    labels = dataset.labels(1)
    opened.clear()
    assert len(labels[2].boxes) == 2 and [os.path.basename(path) for path in opened] == ["000002.xml"]
    opened.clear()
    assert len(dataset.labels(1)[2].boxes) == 2 and opened == []


def test_a_bounded_number_of_videos_stays_in_memory(tmp_path, opened, monkeypatch):
    monkeypatch.setattr("keras_sge.data.formats.imagenet_vid._CACHED_VIDEOS", 2)
    for number in range(4):
        write_vid_video(tmp_path, f"val/v{number}", [vid_xml(), vid_xml()])
    dataset = ImageNetVid(tmp_path, "val")
    for index in (0, 1, 0, 2, 3):
        list(dataset.labels(index))
    assert len(dataset._cache) == 2
    opened.clear()
    list(dataset.labels(3))
    list(dataset.labels(2))
    assert opened == []
    list(dataset.labels(0))
    assert len(opened) == 2


def test_threads_see_the_same(tree, monkeypatch):
    monkeypatch.setattr("keras_sge.data.formats.imagenet_vid._CACHED_VIDEOS", 1)
    dataset, found, barrier = ImageNetVid(tree, "train"), [], threading.Barrier(8)

    def look(seed):
        rng = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(40):
            index, number = int(rng.integers(2)), int(rng.integers(4))
            found.append((number, len(dataset.labels(index)[number].boxes)))

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 320 and set(found) == {(0, 1), (1, 1), (2, 2), (3, 0)}


def test_progress_wraps_the_videos(tree):
    seen = []
    ImageNetVid(tree, "train", lambda videos: (seen.append(one) or one for one in videos))
    assert len(seen) == 2


def test_a_tree_of_the_size_of_vid_is_indexed_without_opening_a_file(tmp_path, opened):
    write_vid_video(tmp_path, "one", [boxed(5, 6, 25, 30), boxed(6, 6, 26, 30)])
    real = tmp_path / "Annotations" / "VID" / "one"
    for path in (tmp_path / "Data" / "VID" / "one").iterdir():
        path.rename(real / path.name)
    # Links, and one tree for both kinds: thousands of folders are slow to delete.
    os.symlink(tmp_path / "Annotations" / "VID" / "train", tmp_path / "Data" / "VID" / "train")
    for number in range(3862):
        package = real.parent / "train" / f"ILSVRC2015_VID_train_{number // 1000:04d}"
        package.mkdir(parents=True, exist_ok=True)
        os.symlink(real, package / f"ILSVRC2015_train_{number:08d}")
    opened.clear()
    dataset = ImageNetVid(tmp_path, "train")
    assert opened == [] and len(dataset) == 3862
    assert dataset.videos[3861].name == "ILSVRC2015_train_00003861" and len(opened) == 1
    assert len(dataset.labels(2000)[1].boxes) == 1 and len(opened) == 3


def remove(path):
    def edit(tree):
        target = tree / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return edit


def write(path, text):
    return lambda tree: (tree / path).write_text(text)


TRAIN = "VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
WRONG_TREES = {
    "no annotations": (remove("Annotations/VID/train"), "Annotations/VID/train.*splits found: val"),
    "no images": (remove("Data/VID/train"), "Data/VID/train.*splits found: val"),
    "no folder at all": (remove("Data"), "Data/VID/train.*splits found: none"),
    "a video without annotations": (remove(f"Annotations/{TRAIN}"), f"no folder .*Annotations/{TRAIN} .1 such"),
    "a video without images": (remove(f"Data/{TRAIN}"), f"no folder .*Data/{TRAIN} .1 such"),
    "a frame without annotation": (remove(f"Annotations/{TRAIN}/000002.xml"), f"Annotations/{TRAIN}/000002.xml .1 "),
    "a frame without image": (remove(f"Data/{TRAIN}/000001.JPEG"), f"Data/{TRAIN}/000001.JPEG .1 such"),
    "empty split": (
        lambda tree: [(shutil.rmtree(tree / part / "VID/val"), (tree / part / "VID/val").mkdir()) for part in PARTS],
        "holds no video",
    ),
    "empty video": (
        lambda tree: [(tree / part / "VID/val/ILSVRC2015_val_00000009").mkdir() for part in PARTS],
        "00000009 holds no frame",
    ),
    "a gap": (
        lambda tree: [
            (tree / part / "VID/val/ILSVRC2015_val_00000000" / name).unlink()
            for part, name in zip(PARTS, ("000001.JPEG", "000001.xml"), strict=True)
        ],
        "no 000001.xml.*without a gap",
    ),
    "one name twice": (
        lambda tree: [
            shutil.copytree(
                tree / part / TRAIN, tree / part / "VID/train/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000000"
            )
            for part in PARTS
        ],
        "two videos of one name",
    ),
}


@pytest.mark.parametrize("name", WRONG_TREES)
def test_wrong_trees_are_refused(name, tree):
    edit, words = WRONG_TREES[name]
    edit(tree)
    with pytest.raises(InputError, match=words):
        for split in ("train", "val"):
            ImageNetVid(tree, split)


WRONG_XML = {
    "broken": ("<annotation><size>", "not readable XML"),
    "empty": ("", "not readable XML"),
    "unknown encoding": ("<?xml version='1.0' encoding='none-such'?><a/>", "not readable XML"),
    "no size": ("<annotation/>", "lacks size/width"),
    "size is text": (vid_xml(width="wide"), "size/width must be a whole number.*wide"),
    "no width": (vid_xml(width=0), "1 to 32767 px.*0 x 48"),
    "unknown wnid": (vid_xml(vid_object("n00000001", (1, 1, 9, 9))), "object 1 has the name 'n00000001'"),
    "no name": (boxed(1, 1, 9, 9).replace("name>", "nom>"), "object 1 has the name ''"),
    "no picture has that width": (vid_xml(width=10**9), "1 to 32767 px.*1000000000 x 48"),
    "box of NaN": (boxed("nan", 1, 9, 9), "bndbox/xmin must be a number.*nan"),
    "box without end": (boxed(1, 1, "inf", 9), "bndbox/xmax must be a number.*inf"),
    "track of 40 bits": (boxed(1, 1, 9, 9).replace("<trackid>0<", f"<trackid>{2**40}<"), "trackid must fit"),
    "box of text": (boxed("left", 1, 9, 9), "bndbox/xmin must be a number.*left"),
    "no box": (boxed(1, 1, 9, 9).replace("bndbox>", "box>"), "lacks bndbox/xmin"),
    "no ymax": (boxed(1, 1, 9, 9).replace("ymax>", "bottom>"), "lacks bndbox/ymax"),
    "no track": (boxed(1, 1, 9, 9).replace("trackid>", "id>"), "lacks trackid"),
    "track is text": (boxed(1, 1, 9, 9).replace("<trackid>0<", "<trackid>a<"), "trackid must be a whole number"),
}


@pytest.mark.parametrize("name", WRONG_XML)
def test_wrong_annotations_are_refused(name, tree):
    text, words = WRONG_XML[name]
    path = tree / "Annotations" / TRAIN / "000000.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        list(ImageNetVid(tree, "train").labels(0))
    assert str(path) in str(caught.value)


def test_an_annotation_that_has_gone_is_named(tree):
    labels = ImageNetVid(tree, "train").labels(0)
    (tree / "Annotations" / TRAIN / "000001.xml").unlink()
    with pytest.raises(InputError, match=r"no annotation .*000001\.xml"):
        labels[1]


def test_wrong_images_are_refused(tree):
    dataset, folder = ImageNetVid(tree, "train"), tree / "Data" / TRAIN
    (folder / "000000.JPEG").write_bytes(b"no picture")
    (folder / "000001.JPEG").unlink()
    cv2.imwrite(str(folder / "000002.JPEG"), np.zeros((20, 30, 3), np.uint8))
    for number, words in enumerate((r"decode .*000000\.JPEG", r"no image .*000001\.JPEG", r"30 x 20.*64 x 48")):
        with pytest.raises(InputError, match=words):
            dataset.read(0, number, number + 1)
    assert shades(dataset.read(0, 3)) == [30]


@pytest.mark.parametrize("box", [(9, 1, 9, 9), (1, 5, 9, 5)])
def test_a_box_whose_sides_coincide_is_left_out(box, tmp_path):
    path = tmp_path / "000000.xml"
    path.write_text(vid_xml(vid_object("n02391049", box) + vid_object("n02391049", (1, 2, 9, 8))))
    assert read_frame_labels(path, 64, 48).boxes.tolist() == [[1, 2, 9, 8]]


def test_an_object_that_repeats_another_is_taken_once(tmp_path):
    cat = vid_object("n02084071", (0, 0, 10, 10), track=1)
    text = "\ufeff" + vid_xml(cat + vid_object("n02084071", (0, 0, 10, 10), track=2) + cat)
    write_vid_video(tmp_path, "val/v", [text])
    labels = ImageNetVid(tmp_path, "val").labels(0)[0]
    assert labels.tracks.tolist() == [1, 2] and labels.changes == (MERGED,)
