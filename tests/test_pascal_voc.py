"""Pascal VOC as the devkit, CVAT, LabelImg and Roboflow lay it out, made from the synthetic set, read back."""

import shutil

import cv2
import numpy as np
import pytest
from video_trees import vid_xml, write_vid

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.data import NO_TRACK, SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.formats.annotation_values import CLIPPED, MERGED, NO_AREA
from keras_sge.data.formats.pascal_voc import PascalVoc
from keras_sge.data.open import find_source

SKY = SyntheticSky(videos=2, frames=4, size=64)


def voc_object(name, box, track=None, difficult=0):
    x1, y1, x2, y2 = (f"{side}" for side in box)
    value = "" if track is None else f"<attribute><name>track_id</name><value>{track}</value></attribute>"
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult><occluded>0</occluded>"
        f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        f"<attributes><attribute><name>keyframe</name><value>True</value></attribute>{value}</attributes></object>"
    )


def voc_xml(objects, filename="", size=(64, 64)):
    sides = "" if size is None else f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><folder/><filename>{filename}</filename>{sides}<segmented>0</segmented>{objects}</annotation>"


def sky_objects(index, frame, tracks=True):
    labels = SKY.labels(index)[frame]
    rows = zip(labels.boxes.tolist(), labels.classes, labels.tracks, strict=True)
    return "".join(voc_object(SKY.classes[kind], box, track if tracks else None) for box, kind, track in rows)


def write_frame(xml, picture, index, frame, filename=None, **options):
    for path in (xml, picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), SKY.read(index, frame, frame + 1)[0])
    text = voc_xml(sky_objects(index, frame, **options), picture.name if filename is None else filename)
    xml.write_text("\ufeff<?xml version='1.0' encoding='utf-8'?>\n" + text, encoding="utf-8")


def write_cvat(root, splits=("default",)):
    """CVAT's: paths with folders, a list of labels, lists of frames with names in quotes, lists of each class."""
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\n" + "".join(f"{name}:1,2,3::\n" for name in SKY.classes)
    )
    for index in range(2):
        names = [f"sky {index}/frame_{frame:06d}" for frame in range(4)]
        for frame, name in enumerate(names):
            write_frame(root / f"Annotations/{name}.xml", root / f"JPEGImages/{name}.png", index, frame, f"{name}.png")
        split = splits[index % len(splits)]
        with (lists / f"{split}.txt").open("a") as file:
            file.write("".join(f'"{name}"\n' for name in names))
        (lists / f"bird_{split}.txt").write_text("".join(f"{name} 1\n" for name in names))


def write_devkit(root):
    """A pair of videos in one folder; `filename` is stale and without a suffix."""
    for index in range(2):
        for frame in range(4):
            name = f"sky{index}_{frame + 1}"
            write_frame(root / f"Annotations/{name}.xml", root / f"JPEGImages/{name}.png", index, frame, "old")


def write_beside(root):
    """LabelImg's: pictures beside their files, in a folder of a video each."""
    for index in range(2):
        for frame in range(4):
            path = root / f"video{index}" / f"{frame}.png"
            write_frame(path.with_suffix(".xml"), path, index, frame, tracks=False)


def write_backslash(root):
    """Pictures of other names than their files, with Windows' slashes, below `images`."""
    for index in range(2):
        for frame in range(4):
            name = f"v{index}\\f_{frame}.png"
            picture = root / "images" / name.replace("\\", "/")
            write_frame(root / f"annotations/a{index}_{frame}.xml", picture, index, frame, f"C:\\me\\{name}")


LAYOUTS = {
    "cvat": (write_cvat, ["sky 0", "sky 1"], SKY.classes),
    "devkit": (write_devkit, ["sky0", "sky1"], None),
    "beside": (write_beside, ["video0", "video1"], None),
    "backslash": (write_backslash, ["a0", "a1"], None),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_box_is_back(name, tmp_path):
    write, names, classes = LAYOUTS[name]
    write(tmp_path)
    assert find_source(tmp_path)[0].name == "voc"
    dataset = open_videos(tmp_path, "all")
    assert [video.name for video in dataset.videos] == names
    assert dataset.classes == (classes or tuple(sorted(dataset.classes)))
    for index, video in enumerate(dataset.videos):
        assert (video.width, video.height, video.length, video.fps) == (64, 64, 4, 30) and not video.unlabelled
        np.testing.assert_array_equal(dataset.read(index), SKY.read(index))
        for ours, theirs in zip(dataset.labels(index), SKY.labels(index), strict=True):
            np.testing.assert_array_equal(ours.boxes, theirs.boxes)
            assert [dataset.classes[kind] for kind in ours.classes] == [SKY.classes[kind] for kind in theirs.classes]
            tracks = np.full_like(theirs.tracks, NO_TRACK) if name == "beside" else theirs.tracks
            assert ours.tracks.tolist() == tracks.tolist() and ours.changes == ()
    assert dataset.notes == ("8 pictures are read as 2 videos and 0 single pictures.",)


def test_splits_are_lists_or_folders(tmp_path):
    write_cvat(tmp_path / "lists", ("train", "val"))
    for index, split in enumerate(("train", "valid")):
        for frame in range(4):
            path = tmp_path / "folders" / split / f"sky_mp4-{frame:04d}_jpg.rf.{frame}ab.jpg"
            write_frame(path.with_suffix(".xml"), path, index, frame)
    for folder, splits in (("lists", ["train", "val"]), ("folders", ["train", "valid"])):
        form, source = find_source(tmp_path / folder)
        assert form.splits(source) == splits
        for index, split in enumerate(splits):
            dataset = open_videos(source, split)
            assert [video.length for video in dataset.videos] == [4]
            # Videos of one name in two splits do not write over each other.
            assert dataset.videos[0].name.startswith(f"{split}/")
            np.testing.assert_array_equal(dataset.labels(0)[3].boxes, SKY.labels(index)[3].boxes)
    with pytest.raises(InputError, match="no split 'test'; splits found: train, val"):
        open_videos(tmp_path / "lists", "test")


def write_one(root, objects, **options):
    """One frame of VOC with these objects."""
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "JPEGImages").mkdir(exist_ok=True)
    (root / "Annotations" / "a.xml").write_text(voc_xml(objects, "a.png", **options))
    cv2.imwrite(str(root / "JPEGImages" / "a.png"), np.zeros((64, 64, 3), np.uint8))
    return root


def test_the_one_reading_rule(tmp_path):
    objects = [
        voc_object(" cat ", (1, 1, 9, 9), "left one"),
        voc_object("cat", (1, 1, 9, 9), "left one"),
        voc_object("cat", (60, 1, 70.5, 9)),
        voc_object("cat", (9, 9, 9, 20)),
        voc_object("dog", (30, 30, 40, 40), difficult=1),
        "<object><name>cat</name><polygon><x1>1</x1></polygon></object>",
        "<object><name>cat</name><robndbox><cx>9</cx></robndbox></object>",
    ]
    dataset = PascalVoc(write_one(tmp_path, "".join(objects), size=(0, 0)))
    labels = dataset.labels(0)[0]
    np.testing.assert_array_equal(labels.boxes, [[1, 1, 9, 9], [60, 1, 64, 9]])
    np.testing.assert_array_equal(labels.ignored, [[30, 30, 40, 40]])
    assert dataset.classes == ("cat", "dog") and labels.tracks.tolist() == [1, NO_TRACK]
    assert sorted(labels.changes) == sorted([*["left out: no bndbox"] * 2, MERGED, CLIPPED, NO_AREA])
    assert (dataset.videos[0].name, dataset.videos[0].width) == ("a", 64)


def test_unlabelled_frames_and_pictures(tmp_path):
    write_cvat(tmp_path)
    shutil.rmtree(tmp_path / "ImageSets")
    for number in (1, 3):
        (tmp_path / f"Annotations/sky 0/frame_00000{number}.xml").unlink()
    (tmp_path / "JPEGImages/sky 1/frame_000001.png").unlink()
    (tmp_path / "Annotations/sky 1/frame_000001.xml").unlink()
    for name in ("x.png", "y.png"):
        cv2.imwrite(str(tmp_path / "JPEGImages" / name), np.zeros((9, 9, 3), np.uint8))
    dataset = open_videos(tmp_path, "all")
    assert [video.unlabelled for video in dataset.videos] == [{1, 3}, set()]
    assert [(video.length, video.fps) for video in dataset.videos] == [(4, 30), (3, 20)]
    assert "2 pictures without an XML file, whose videos have none, are left out." in dataset.notes


def test_pictures_of_different_sizes_are_no_video(tmp_path):
    for number in range(3):
        (tmp_path / f"p{number}.xml").write_text(voc_xml(voc_object("cat", (1, 1, 9, 9)), size=(64, 60 + number)))
    dataset = open_videos(tmp_path, "all")
    assert [(video.name, video.height) for video in dataset.videos] == [("p_0", 60), ("p_1", 61), ("p_2", 62)]
    with pytest.raises(InputError, match="--media"):
        dataset.read(0)


def test_pictures_elsewhere(folder, capsys):
    write_devkit(folder / "voc")
    (folder / "voc" / "JPEGImages").rename(folder / "pictures")
    assert [len(frame.boxes) for frame in open_videos("voc", "all").labels(0)] == [
        len(frame.boxes) for frame in SKY.labels(0)
    ]
    assert main(["data", "convert", "voc", "--media", "pictures", "--out", "new"]) == 0
    for ours, theirs in zip(open_videos("new", "all").labels(1), SKY.labels(1), strict=True):
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-2)
    with pytest.raises(InputError, match="no video and no folder"):
        open_videos("voc", "all", frames="pictures/sky0_1.png")


def test_other_trees_are_not_claimed(tmp_path):
    write_vid(tmp_path / "vid")
    (tmp_path / "cvat").mkdir()
    (tmp_path / "cvat" / "annotations.xml").write_text("<?xml version='1.0'?>\n<annotations><version/></annotations>")
    assert find_source(tmp_path / "vid")[0].name == "imagenet-vid"
    form = find_source(write_one(tmp_path / "one", ""))[0]
    assert [list(form.splits(tmp_path / name)) for name in ("vid", "cvat", "gone")] == [[], [], []]
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.xml").write_text(vid_xml())
    assert form.splits(tmp_path / "flat") == ["all"]


CAT = voc_object("cat", (1, 1, 9, 9))
WRONG = {
    "no number": (CAT.replace(">9<", ">nine<", 1), "a.xml: object 1: bndbox/xmax must be a number. Received: 'nine'"),
    "NaN": (CAT.replace(">9<", ">nan<", 1), "object 1: bndbox/xmax must be a number"),
    "no side": (CAT.replace("<ymin>1</ymin>", ""), "object 1 lacks bndbox/ymin"),
    "no name": (CAT.replace("cat", " "), "object 1 lacks its name"),
    "no XML": ("<object>", "a.xml is not readable XML"),
    "no object": ("", "no object with a bndbox"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_get_one_line(name, tmp_path):
    objects, words = WRONG[name]
    with pytest.raises(InputError, match=words) as caught:
        open_videos(write_one(tmp_path, objects), "all")
    assert "\n" not in str(caught.value)


def drop_picture(root):
    (root / "JPEGImages/sky 1/frame_000002.png").unlink()


def same_picture(root):
    (root / "Annotations/sky 1/b.xml").write_text(voc_xml("", "sky 1/frame_000002.png"))
    shutil.rmtree(root / "ImageSets")


def unknown_class(root):
    (root / "labelmap.txt").write_text("cat:1,2,3::")


def class_twice(root):
    (root / "labelmap.txt").write_text("cat:1,2,3::\ncat :1,2,3::")


def unknown_frame(root):
    (root / "ImageSets/Main/default.txt").write_text("sky 0/frame_000000\ngone\n")


def wrong_size(root):
    path = root / "Annotations/sky 1/frame_000002.xml"
    path.write_text(voc_xml("", size=(64, 1.5)))


WRONG_TREES = {
    drop_picture: "frame_000002.xml has no picture .1 such frames of sky 1..*--media",
    same_picture: "are both of .*frame_000002.png",
    unknown_class: "which is not in .*labelmap.txt",
    class_twice: "labelmap.txt has the class 'cat' twice",
    unknown_frame: "default.txt names gone, which has no XML file and no picture",
    wrong_size: "sides must be whole numbers.* 64 x 1.5",
}


@pytest.mark.parametrize("change", WRONG_TREES)
def test_wrong_trees_get_one_line(change, tmp_path):
    write_cvat(tmp_path)
    change(tmp_path)
    with pytest.raises(InputError, match=WRONG_TREES[change]) as caught:
        open_videos(tmp_path, "all")
    assert "\n" not in str(caught.value)


def test_files_without_pictures_are_of_frames_of_the_video_that_media_names(tmp_path):
    """As CVAT exports by default; a frame that has no file is unlabelled."""
    write_coco_vid(SKY, tmp_path / "films", "all")
    films = tmp_path / "films" / "videos"
    for index, frames in enumerate(((0, 2, 3), (0, 1, 2, 3))):
        for frame in frames:
            path = tmp_path / "set" / "Annotations" / SKY.videos[index].name / f"frame_{frame:06d}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(voc_xml(sky_objects(index, frame)))
    assert len(open_videos(tmp_path / "set", "all").labels(0)) == 3
    dataset = open_videos(tmp_path / "set", "all", frames=films)
    assert [(video.length, video.fps, video.unlabelled) for video in dataset.videos] == [(4, 30, {1}), (4, 30, set())]
    assert dataset.notes == ("1 of 8 frames are unlabelled: they are run, but neither learned nor scored.",)
    for index in range(2):
        np.testing.assert_array_equal(dataset.labels(index)[3].boxes, SKY.labels(index)[3].boxes)
        assert dataset.read(index, 1, 3).shape == (2, 64, 64, 3)
    # One video alone needs no name.
    shutil.rmtree(tmp_path / "set" / "Annotations" / SKY.videos[1].name)
    assert open_videos(tmp_path / "set", "all", frames=films / f"{SKY.videos[1].name}.mp4").videos[0].unlabelled == {1}
    (path.parent.parent / SKY.videos[0].name / "frame_000009.xml").write_text(voc_xml(sky_objects(0, 3)))
    with pytest.raises(InputError, match=r"has 4 frames, but .*frame_000009.xml is number 9"):
        open_videos(tmp_path / "set", "all", frames=films)
    with pytest.raises(InputError, match="no video and no folder"):
        open_videos(tmp_path / "set", "all", frames=tmp_path / "nothing")
