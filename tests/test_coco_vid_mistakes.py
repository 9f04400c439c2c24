"""Mistakes in COCO-VID data are named by place."""

import json

import cv2
import numpy as np
import pytest
from video_trees import change_coco

from edge.errors import InputError
from keras_sge.data import CocoVid


def test_missing_split_lists_what_is_there(coco_tree):
    with pytest.raises(InputError, match=r"test\.json.*train, val"):
        CocoVid(coco_tree, "test")
    with pytest.raises(InputError, match="none"):
        CocoVid(coco_tree / "nowhere", "val")


@pytest.mark.parametrize("text", ["{", "", "\x00\x01", '{"videos": [}'])
def test_broken_json_is_named(coco_tree, text):
    (coco_tree / "annotations" / "val.json").write_text(text)
    with pytest.raises(InputError, match=r"val\.json"):
        CocoVid(coco_tree, "val")


def test_binary_json_is_named(coco_tree):
    (coco_tree / "annotations" / "val.json").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match=r"val\.json"):
        CocoVid(coco_tree, "val")


@pytest.mark.parametrize("document", [[], 3, None, "text", {}])
def test_json_of_another_kind_is_named(coco_tree, document):
    (coco_tree / "annotations" / "val.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"val\.json lacks"):
        CocoVid(coco_tree, "val")


def drop(part, key):
    return lambda document: document[part][0].pop(key)


def put(part, **values):
    return lambda document: document[part][0].update(values)


BAD = {
    "no videos": (lambda document: document.pop("videos"), "videos"),
    "no categories": (lambda document: document.pop("categories"), "categories"),
    "no bbox": (drop("annotations", "bbox"), "bbox"),
    "no image_id": (drop("annotations", "image_id"), "image_id"),
    "no video_id": (drop("images", "video_id"), "video_id"),
    "no frame_id": (drop("images", "frame_id"), "frame_id"),
    "no category name": (drop("categories", "name"), "name"),
    "no file name at all": (drop("videos", "file_name"), "file_name"),
    "unknown category": (put("annotations", id=41, category_id=77), "annotation 41.*77.*1, 2, 3, 4"),
    "unknown image": (put("annotations", id=41, image_id=9999), "annotation 41.*9999"),
    "unknown video": (put("images", video_id=88), "88"),
    "box of three": (put("annotations", id=41, bbox=[5, 5, 9]), "41"),
    "box of text": (put("annotations", id=41, bbox="5 5 9 9"), "41"),
    "box of NaN": (put("annotations", id=41, bbox=[float("nan"), 5, 9, 9]), "annotation 41"),
    "frame twice": (lambda document: document["images"][3].update(frame_id=2), "frame 2 of video 1.*twice"),
    "more frames than the video's length": (
        lambda document: [image.update(frame_id=image["frame_id"] + 1) for image in document["images"]],
        "video 1 has length 8, but an image of frame_id 8.*from 0 to 7",
    ),
    "frames from 1": (
        lambda document: [
            entry.update(frame_id=entry["frame_id"] + 1) if "frame_id" in entry else entry.pop("length")
            for entry in document["images"] + document["videos"]
        ],
        "numbered from 1.*from 0",
    ),
    "category id twice": (put("categories", id=2), "'airplane' and 'bird' have the same id 2"),
    "category name twice": (put("categories", name="drone"), "category 3.*'drone'"),
    "category without a name": (put("categories", name=None), "category 1 needs a name"),
    "video id twice": (put("videos", id=2), "video 2 twice"),
    "image id twice": (put("images", id=2), "image 2 twice"),
    "text for a track": (put("annotations", id=41, instance_id="abc"), "annotation 41: instance_id must be.*'abc'"),
    "half a track": (put("annotations", id=41, instance_id=1.5), "annotation 41: instance_id must be.*1.5"),
    "truth for a track": (put("annotations", id=41, instance_id=True), "annotation 41: instance_id"),
    "text for a category": (put("annotations", id=41, category_id="bird"), "annotation 41: category_id.*'bird'"),
    "text for a category's id": (put("categories", id="1"), "category's id must be.*'1'"),
    "text for a frame": (put("images", id=5, frame_id="0"), "image 5: frame_id must be.*'0'"),
    "frame below 0": (put("images", id=5, frame_id=-1), "image 5: frame_id must be.*-1"),
    "half an image": (put("images", id=0.5), "image's id must be.*0.5"),
    "video below 0": (put("videos", id=-1), "video's id must be.*-1"),
    "a video of 71 bits": (put("videos", id=2**70), "video's id must be"),
    "text for a width": (put("videos", width="64"), "video 1: width must be.*'64'"),
    "half a height": (put("videos", height=64.5), "video 1: height must be.*64.5"),
    "a frame wider than anything": (put("videos", width=10**9), "video 1: width must be.*1000000000"),
    "text for a rate": (put("videos", fps="fast"), "video 1: fps must be.*'fast'"),
    "a rate of 0": (put("videos", fps=0), "video 1: fps must be a number above 0"),
    "text for a length": (put("videos", length="8"), "video 1: length must be.*'8'"),
    "a name that is a number": (put("videos", name=7), "video 1: name must be text.*7"),
    "a file name that is a list": (put("videos", file_name=["a"]), "video 1: file_name must be text"),
    "a crowd of text": (put("annotations", id=41, iscrowd="yes"), "annotation 41: iscrowd.*'yes'"),
    "a box of 400 digits": (put("annotations", id=41, bbox=[10**400, 5, 9, 9]), "annotation 41.*number"),
    "a box of thousands of digits": (put("annotations", id=41, bbox=[float("inf"), 5, 9, 9]), "annotation 41.*inf"),
    "an image of another size": (put("images", id=5, width=32), "image 5 is said to have 32 x 64 px, video 1 64 x 64"),
    "no size": (
        lambda document: [entry.pop("width", 0) for part in ("videos", "images") for entry in document[part]],
        "video 1.*width",
    ),
    "no images": (lambda document: document.update(images=[], annotations=[]), "no video with frames"),
    "a video that is no mapping": (lambda document: document.update(videos=[1, 2]), "COCO-VID"),
    "videos that are no list": (lambda document: document.update(videos=7), "COCO-VID"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_annotations_are_named(coco_tree, name):
    edit, words = BAD[name]
    change_coco(coco_tree, edit)
    with pytest.raises(InputError, match=words) as caught:
        CocoVid(coco_tree, "val")
    assert "val.json" in str(caught.value)


def video_file(coco_tree):
    return sorted((coco_tree / "videos").glob("synthetic_2_*.mp4"))[0]


def test_missing_video_is_named(coco_tree):
    path = video_file(coco_tree)
    path.unlink()
    with pytest.raises(InputError, match=path.name):
        CocoVid(coco_tree, "val").read(0)


def test_video_cut_in_its_bytes_is_named(coco_tree):
    path = video_file(coco_tree)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=path.name):
        CocoVid(coco_tree, "val").read(0)


def write_gray_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (64, 64))
    for shade in range(frames):
        writer.write(np.full((64, 64, 3), 10 * shade, np.uint8))
    writer.release()


def test_video_with_fewer_frames_than_labels_is_named(coco_tree):
    path = video_file(coco_tree)
    write_gray_video(path, 5)
    dataset = CocoVid(coco_tree, "val")
    assert len(dataset.read(0, 0, 5)) == 5
    for start in (0, 3, 6):
        with pytest.raises(InputError, match=f"{path.name}.*frame 8"):
            dataset.read(0, start)


def test_video_with_more_frames_than_declared_is_named(coco_tree):
    path = video_file(coco_tree)
    write_gray_video(path, 14)
    dataset = CocoVid(coco_tree, "val")
    for _ in range(2):
        with pytest.raises(InputError, match=rf"has 8 frames.*{path.name} holds 14"):
            dataset.read(0, 0, 1)
    # Who says no number may have looked at the beginning only.
    change_coco(coco_tree, lambda document: [video.pop("length") for video in document["videos"]])
    assert len(CocoVid(coco_tree, "val").read(0)) == 8


def test_wrong_frame_size_is_named(coco_tree):
    def edit(document):
        for entry in document["videos"] + document["images"]:
            entry.update(width=128, height=96)

    change_coco(coco_tree, edit)
    with pytest.raises(InputError, match=r"64 x 64.*128 x 96"):
        CocoVid(coco_tree, "val").read(0)
