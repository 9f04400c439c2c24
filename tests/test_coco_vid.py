"""Reading COCO-VID: the right frames from videos and from images, and mistakes named by place."""

import json
import shutil

import cv2
import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data import CocoVid, SyntheticSky


@pytest.fixture
def tree(tiny_coco, tmp_path):
    """A copy to break."""
    return shutil.copytree(tiny_coco, tmp_path / "coco")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The same kind of data with a png for each frame."""
    directory = tmp_path_factory.mktemp("images")
    dataset = SyntheticSky(videos=2, frames=5, size=64, seed=3)
    content = {
        "categories": [{"id": 10 * number, "name": name} for number, name in enumerate(dataset.classes, 1)],
        "videos": [{"id": 7 + index, "width": 64, "height": 64} for index in range(2)],
        "images": [],
        "annotations": [],
    }
    for index in range(2):
        (directory / f"clip{index}").mkdir()
        for number, frame in enumerate(dataset.read(index)):
            name = f"clip{index}/{number:03d}.png"
            cv2.imwrite(str(directory / name), frame)
            image = {"id": len(content["images"]), "video_id": 7 + index, "frame_id": number, "file_name": name}
            content["images"].append(image)
            labels = dataset.labels(index)[number]
            for box, kind, track in zip(labels.boxes.tolist(), labels.classes, labels.tracks, strict=True):
                x1, y1, x2, y2 = box
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]),
                        "image_id": image["id"],
                        "category_id": 10 * (int(kind) + 1),
                        "instance_id": int(track),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                    }
                )
    # Order in the file must not matter.
    content["images"].reverse()
    content["categories"].reverse()
    (directory / "annotations").mkdir()
    (directory / "annotations" / "val.json").write_text(json.dumps(content))
    return directory, dataset


def change(tree, edit, split="val"):
    path = tree / "annotations" / f"{split}.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def assert_same_labels(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=2e-3)
        assert one.boxes.dtype == np.float32
        np.testing.assert_array_equal(one.classes, other.classes)
        np.testing.assert_array_equal(one.tracks, other.tracks)


def test_what_was_written_is_read(tiny_coco):
    original, found = SyntheticSky(videos=3, frames=8, size=64, seed=2), CocoVid(tiny_coco, "val")
    assert found.classes == original.classes and len(found) == 3
    for index in range(3):
        video = found.videos[index]
        assert (video.name, video.width, video.height, video.length) == (original.videos[index].name, 64, 64, 8)
        assert_same_labels(found.labels(index), original.labels(index))
        frames = found.read(index)
        assert frames.dtype == np.uint8 and frames.shape == (8, 64, 64, 3)
        # mp4 changes pixels a little.
        assert np.abs(frames.astype(int) - original.read(index)).mean() < 12


def test_random_access_equals_sequential(tiny_coco):
    dataset = CocoVid(tiny_coco, "train")
    whole = dataset.read(1)
    assert np.abs(np.diff(whole.astype(int), axis=0)).max(axis=(1, 2, 3)).min() > 0
    for start, stop in ((0, 1), (3, 8), (7, 8), (2, 5), (5, 6), (1, None)):
        np.testing.assert_array_equal(dataset.read(1, start, stop), whole[start:stop])
    # Never more than there is.
    np.testing.assert_array_equal(dataset.read(1, 6, 99), whole[6:])


def test_images_are_frames(images):
    directory, original = images
    dataset = CocoVid(directory, "val")
    assert dataset.classes == original.classes
    for index in range(2):
        np.testing.assert_array_equal(dataset.read(index), original.read(index))
        np.testing.assert_array_equal(dataset.read(index, 2, 4), original.read(index, 2, 4))
        assert_same_labels(dataset.labels(index), original.labels(index))


def test_a_folder_of_images_can_be_the_video(images, tmp_path):
    directory, original = images
    tree = shutil.copytree(directory, tmp_path / "tree")

    def edit(document):
        for video in document["videos"]:
            video["file_name"] = f"clip{video['id'] - 7}"
        for image in document["images"]:
            del image["file_name"]

    change(tree, edit)
    np.testing.assert_array_equal(CocoVid(tree, "val").read(1, 1, 3), original.read(1, 1, 3))
    (tree / "clip1" / "004.png").unlink()
    with pytest.raises(InputError, match="clip1"):
        CocoVid(tree, "val").read(1)


def test_videos_without_frames_are_left_out(tree):
    change(tree, lambda document: document["videos"].append({"id": 99, "file_name": "x.mp4"}))
    assert len(CocoVid(tree, "val")) == 3


def test_boxes_may_end_on_the_edge(tree):
    change(tree, lambda document: document["annotations"][0].update(bbox=[-0.5, 0, 65, 64.9]))
    dataset = CocoVid(tree, "val")
    boxes = np.concatenate([labels.boxes for index in range(3) for labels in dataset.labels(index)])
    assert boxes.min() == 0 and boxes.max() == 64


def test_missing_split_lists_what_is_there(tree):
    with pytest.raises(InputError, match=r"test\.json.*train, val"):
        CocoVid(tree, "test")
    with pytest.raises(InputError, match="none"):
        CocoVid(tree / "nowhere", "val")


@pytest.mark.parametrize("text", ["{", "", "\x00\x01", '{"videos": [}'])
def test_broken_json_is_named(tree, text):
    (tree / "annotations" / "val.json").write_text(text)
    with pytest.raises(InputError, match=r"val\.json"):
        CocoVid(tree, "val")


def test_binary_json_is_named(tree):
    (tree / "annotations" / "val.json").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match=r"val\.json"):
        CocoVid(tree, "val")


@pytest.mark.parametrize("document", [[], 3, None, "text", {}])
def test_json_of_another_kind_is_named(tree, document):
    (tree / "annotations" / "val.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"val\.json lacks"):
        CocoVid(tree, "val")


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
    "box outside": (put("annotations", id=41, bbox=[50, 10, 40, 10]), r"annotation 41.*\[50, 10, 40, 10\].*64 x 64"),
    "negative side": (put("annotations", id=41, bbox=[50, 10, -4, 10]), "annotation 41"),
    "empty box": (put("annotations", id=41, bbox=[5, 5, 0, 9]), "annotation 41"),
    "box of three": (put("annotations", id=41, bbox=[5, 5, 9]), "41"),
    "box of text": (put("annotations", id=41, bbox="5 5 9 9"), "41"),
    "box of NaN": (put("annotations", id=41, bbox=[float("nan"), 5, 9, 9]), "annotation 41"),
    "gap in frames": (lambda document: document["images"].pop(3), "video 1.*not numbered 0 to 6"),
    "frame twice": (lambda document: document["images"][3].update(frame_id=2), "video 1.*not numbered 0 to 7"),
    "frames from 1": (
        lambda document: [image.update(frame_id=image["frame_id"] + 1) for image in document["images"]],
        "not numbered",
    ),
    "no size": (
        lambda document: [entry.pop("width", 0) for part in ("videos", "images") for entry in document[part]],
        "video 1.*width",
    ),
    "no images": (lambda document: document.update(images=[], annotations=[]), "no video with frames"),
    "a video that is no mapping": (lambda document: document.update(videos=[1, 2]), "COCO-VID"),
    "videos that are no list": (lambda document: document.update(videos=7), "COCO-VID"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_annotations_are_named(tree, name):
    edit, words = BAD[name]
    change(tree, edit)
    with pytest.raises(InputError, match=words) as caught:
        CocoVid(tree, "val")
    assert "val.json" in str(caught.value)


def video_file(tree):
    return sorted((tree / "videos").glob("synthetic_2_*.mp4"))[0]


def test_missing_video_is_named(tree):
    path = video_file(tree)
    path.unlink()
    with pytest.raises(InputError, match=path.name):
        CocoVid(tree, "val").read(0)


def test_video_cut_in_its_bytes_is_named(tree):
    path = video_file(tree)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=path.name):
        CocoVid(tree, "val").read(0)


def test_video_with_fewer_frames_than_labels_is_named(tree):
    path = video_file(tree)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (64, 64))
    for shade in range(5):
        writer.write(np.full((64, 64, 3), 40 * shade, np.uint8))
    writer.release()
    dataset = CocoVid(tree, "val")
    assert len(dataset.read(0, 0, 5)) == 5
    for start in (0, 3, 6):
        with pytest.raises(InputError, match=f"{path.name}.*frame 8"):
            dataset.read(0, start)


def test_wrong_frame_size_is_named(tree):
    def edit(document):
        for entry in document["videos"] + document["images"]:
            entry.update(width=128, height=96)

    change(tree, edit)
    with pytest.raises(InputError, match=r"64 x 64.*128 x 96"):
        CocoVid(tree, "val").read(0)


def test_missing_or_broken_image_is_named(images, tmp_path):
    tree = shutil.copytree(images[0], tmp_path / "tree")
    (tree / "clip0" / "002.png").write_bytes(b"no picture")
    (tree / "clip0" / "003.png").unlink()
    dataset = CocoVid(tree, "val")
    with pytest.raises(InputError, match=r"002\.png"):
        dataset.read(0, 2, 3)
    with pytest.raises(InputError, match=r"003\.png"):
        dataset.read(0, 3, 4)
