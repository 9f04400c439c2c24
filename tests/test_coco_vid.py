"""Reading COCO-VID: the right frames from videos and from images, and mistakes named by place."""

import json
import shutil

import cv2
import numpy as np
import pytest
from video_trees import frame as flat
from video_trees import shades

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
    with pytest.raises(InputError, match=r"video 8 has 5 frames.*clip1 holds 4 images"):
        CocoVid(tree, "val")


@pytest.fixture
def folders(tmp_path):
    """A video that is a folder of twelve images, named without zeros in front; shade 10 n is frame n."""
    folder = tmp_path / "set" / "frames" / "a"
    folder.mkdir(parents=True)
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), flat(10 * number))
    (tmp_path / "set" / "annotations").mkdir()

    def write(ids, names=None, **video):
        """Images of these frames; the object of frame n begins at x = n."""
        images = [{"id": n, "video_id": 1, "frame_id": n} | ({"file_name": names(n)} if names else {}) for n in ids]
        content = {
            "categories": [{"id": 1, "name": "bird"}],
            "videos": [{"id": 1, "width": 64, "height": 48, "fps": 30, **video}],
            "images": images,
            "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [n, 5, 9, 9]} for n in ids],
        }
        (tmp_path / "set" / "annotations" / "val.json").write_text(json.dumps(content))
        return CocoVid(tmp_path / "set", "val")

    return write


def labelled(dataset):
    """Shade of each frame -> x of its object; None for unlabelled frames."""
    video = dataset.videos[0]
    return {
        shade: None if number in video.unlabelled else dataset.labels(0)[number].boxes[0, 0]
        for number, shade in enumerate(shades(dataset.read(0)))
    }


EVERY = {10 * number: number for number in range(12)}
NAMES = {
    "below the root": lambda number: f"frames/a/{number}.png",
    "below the folder": lambda number: f"{number}.png",
    "none": None,
}


@pytest.mark.parametrize("names", NAMES)
def test_images_of_a_folder_are_taken_by_name_or_by_number(folders, names):
    assert labelled(folders(range(12), NAMES[names], file_name="frames/a")) == EVERY
    assert labelled(folders(range(12), NAMES[names], file_name="frames/a", length=12)) == EVERY


def test_an_image_s_own_name_counts_and_not_its_place_in_the_folder(folders):
    dataset = folders(range(12), lambda number: f"{11 - number}.png", file_name="frames/a")
    assert labelled(dataset) == {110 - shade: x for shade, x in EVERY.items()}


def test_another_number_of_images_than_frames_is_refused_with_both(folders):
    for declared in (9, 14):
        ids = range(min(declared, 12))
        with pytest.raises(InputError, match=f"video 1 has {declared} frames.*holds 12 images"):
            folders(ids, NAMES["none"], file_name="frames/a", length=declared)
        with pytest.raises(InputError, match=f"video 1 has {declared} frames.*holds 12 images"):
            folders(ids, NAMES["below the root"], file_name="frames/a", length=declared)
    with pytest.raises(InputError, match=r"video 1 has 9 frames.*holds 12 images"):
        folders(range(9), file_name="frames/a")


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("length", [{}, {"length": 12}])
def test_frames_that_are_not_listed_are_unlabelled(folders, names, length):
    dataset = folders(range(0, 12, 5), NAMES[names], file_name="frames/a", **length)
    assert labelled(dataset) == {shade: x if x % 5 == 0 else None for shade, x in EVERY.items()}
    assert "9 of 12 frames are unlabelled" in dataset.notes[0]


def test_images_without_a_folder_have_neighbours_in_theirs(folders):
    dataset = folders(range(3, 12, 4), NAMES["below the root"])
    # The folder may hold other videos before and behind.
    assert labelled(dataset) == {10 * n: n if n in (3, 7, 11) else None for n in range(3, 12)}


def test_frames_that_were_never_kept_are_no_frames(folders, tmp_path):
    for number in range(12):
        if number % 5:
            (tmp_path / "set" / "frames" / "a" / f"{number}.png").unlink()
    for video in ({}, {"file_name": "frames/a"}):
        dataset = folders(range(0, 12, 5), NAMES["below the root"], **video)
        assert labelled(dataset) == {0: 0, 50: 5, 100: 10}
        assert dataset.videos[0].fps == pytest.approx(6) and dataset.notes == ()


def test_frames_of_a_video_file_that_are_not_listed_are_unlabelled(tree):
    whole = CocoVid(tree, "val")

    def edit(document):
        kept = [image["id"] for image in document["images"] if image["frame_id"] % 5 == 0]
        document["images"] = [image for image in document["images"] if image["id"] in kept]
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] in kept]

    change(tree, edit)
    sparse = CocoVid(tree, "val")
    for index in range(3):
        assert sparse.videos[index].unlabelled == {1, 2, 3, 4, 6, 7} and sparse.videos[index].length == 8
        np.testing.assert_array_equal(sparse.read(index), whole.read(index))
        for number in (0, 5):
            np.testing.assert_array_equal(sparse.labels(index)[number].boxes, whole.labels(index)[number].boxes)


def test_objects_on_every_second_frame_only_are_named(tree):
    def edit(document):
        kept = [image["id"] for image in document["images"] if image["frame_id"] % 2 == 0]
        document["annotations"] = [{"image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in kept]

    assert CocoVid(tree, "val").notes == ()
    change(tree, edit)
    dataset = CocoVid(tree, "val")
    assert not dataset.videos[0].unlabelled
    assert "one frame in 2" in dataset.notes[0]


def test_tracks_are_any_whole_numbers(tree):
    ids = {}

    def edit(document):
        for entry in document["annotations"]:
            ids[entry["id"]] = entry["instance_id"]
            entry["instance_id"] = (2**40, -(2**70), 3.0, 7)[entry["instance_id"] % 4] + 4 * (entry["instance_id"] // 4)

    before = CocoVid(tree, "val")
    change(tree, edit)
    after = CocoVid(tree, "val")
    for index in range(3):
        one, other = (np.concatenate([frame.tracks for frame in data.labels(index)]) for data in (before, after))
        assert other.dtype == np.int32
        # The same objects, whatever they are called.
        np.testing.assert_array_equal(one[:, None] == one, other[:, None] == other)


def test_crowds_are_regions_to_ignore(tree):
    before = CocoVid(tree, "val").labels(0)[0]
    change(tree, put("annotations", iscrowd=1))
    after = CocoVid(tree, "val").labels(0)[0]
    np.testing.assert_array_equal(after.ignored, before.boxes[:1])
    np.testing.assert_array_equal(after.ignored_classes, before.classes[:1])
    np.testing.assert_array_equal(after.boxes, before.boxes[1:])
    assert len(after.tracks) == len(after.classes) == len(after.boxes)


def test_annotations_that_repeat_another_are_taken_once(tree):
    before = CocoVid(tree, "val")
    change(
        tree,
        lambda document: document["annotations"].extend(
            [{**entry, "id": entry["id"] + 10000} for entry in document["annotations"] if entry["image_id"] <= 4]
        ),
    )
    after = CocoVid(tree, "val")
    assert_same_labels(after.labels(0), before.labels(0))
    merged = [change for labels in after.labels(0) for change in labels.changes]
    assert merged == ["merged"] * sum(len(labels.boxes) for labels in before.labels(0)[:4])


def roboflow(document):
    """The export's own first category, which only groups the others."""
    for category in document["categories"]:
        category["supercategory"] = "sky"
    document["categories"].insert(0, {"id": 0, "name": "sky", "supercategory": "none"})


def test_a_category_that_only_groups_the_others_is_left_out(tree):
    before = CocoVid(tree, "val")
    change(tree, roboflow)
    after = CocoVid(tree, "val")
    assert after.classes == before.classes and "'sky'" in after.notes[0]
    assert_same_labels(after.labels(0), before.labels(0))
    # With a box it is a class like others.
    change(tree, put("annotations", category_id=0))
    assert CocoVid(tree, "val").classes == ("sky", *before.classes)


def test_a_byte_order_mark_is_no_content(tree):
    path = tree / "annotations" / "val.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(CocoVid(tree, "val")) == 3


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


def test_video_with_more_frames_than_declared_is_named(tree):
    path = video_file(tree)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (64, 64))
    for shade in range(14):
        writer.write(np.full((64, 64, 3), 10 * shade, np.uint8))
    writer.release()
    dataset = CocoVid(tree, "val")
    for _ in range(2):
        with pytest.raises(InputError, match=rf"has 8 frames.*{path.name} holds 14"):
            dataset.read(0, 0, 1)
    # Who says no number may have looked at the beginning only.
    change(tree, lambda document: [video.pop("length") for video in document["videos"]])
    assert len(CocoVid(tree, "val").read(0)) == 8


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
