"""Reading COCO-VID: the right frames from videos and from images, and the right objects."""

import json
import shutil

import cv2
import numpy as np
import pytest
from video_trees import change_coco, shades
from video_trees import frame as flat

from edge.errors import InputError
from keras_sge.data import CocoVid, SyntheticSky, open_videos
from keras_sge.data.formats.annotation_values import CLIPPED, MERGED, NO_AREA


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
    coco_tree = shutil.copytree(directory, tmp_path / "coco_tree")

    def edit(document):
        for video in document["videos"]:
            video["file_name"] = f"clip{video['id'] - 7}"
        for image in document["images"]:
            del image["file_name"]

    change_coco(coco_tree, edit)
    np.testing.assert_array_equal(CocoVid(coco_tree, "val").read(1, 1, 3), original.read(1, 1, 3))
    (coco_tree / "clip1" / "004.png").unlink()
    with pytest.raises(InputError, match=r"video 8 has 5 frames.*clip1 holds 4 images"):
        CocoVid(coco_tree, "val")


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


def test_frames_of_a_video_file_that_are_not_listed_are_unlabelled(coco_tree):
    whole = CocoVid(coco_tree, "val")

    def edit(document):
        kept = [image["id"] for image in document["images"] if image["frame_id"] % 5 == 0]
        document["images"] = [image for image in document["images"] if image["id"] in kept]
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] in kept]

    change_coco(coco_tree, edit)
    sparse = CocoVid(coco_tree, "val")
    for index in range(3):
        assert sparse.videos[index].unlabelled == {1, 2, 3, 4, 6, 7} and sparse.videos[index].length == 8
        np.testing.assert_array_equal(sparse.read(index), whole.read(index))
        for number in (0, 5):
            np.testing.assert_array_equal(sparse.labels(index)[number].boxes, whole.labels(index)[number].boxes)


def test_objects_on_every_second_frame_only_are_named(coco_tree):
    def edit(document):
        kept = [image["id"] for image in document["images"] if image["frame_id"] % 2 == 0]
        document["annotations"] = [{"image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in kept]

    assert CocoVid(coco_tree, "val").notes == ()
    change_coco(coco_tree, edit)
    dataset = CocoVid(coco_tree, "val")
    assert not dataset.videos[0].unlabelled
    assert "one frame in 2" in dataset.notes[0]


def test_tracks_are_any_whole_numbers(coco_tree):
    ids = {}

    def edit(document):
        for entry in document["annotations"]:
            ids[entry["id"]] = entry["instance_id"]
            entry["instance_id"] = (2**40, -(2**70), 3.0, 7)[entry["instance_id"] % 4] + 4 * (entry["instance_id"] // 4)

    before = CocoVid(coco_tree, "val")
    change_coco(coco_tree, edit)
    after = CocoVid(coco_tree, "val")
    for index in range(3):
        one, other = (np.concatenate([frame.tracks for frame in data.labels(index)]) for data in (before, after))
        assert other.dtype == np.int32
        # The same objects, whatever they are called.
        np.testing.assert_array_equal(one[:, None] == one, other[:, None] == other)


def test_crowds_are_regions_to_ignore(coco_tree):
    before = CocoVid(coco_tree, "val").labels(0)[0]
    change_coco(coco_tree, lambda document: document["annotations"][0].update(iscrowd=1))
    after = CocoVid(coco_tree, "val").labels(0)[0]
    np.testing.assert_array_equal(after.ignored, before.boxes[:1])
    np.testing.assert_array_equal(after.ignored_classes, before.classes[:1])
    np.testing.assert_array_equal(after.boxes, before.boxes[1:])
    assert len(after.tracks) == len(after.classes) == len(after.boxes)


def test_annotations_that_repeat_another_are_taken_once(coco_tree):
    before = CocoVid(coco_tree, "val")
    change_coco(
        coco_tree,
        lambda document: document["annotations"].extend(
            [{**entry, "id": entry["id"] + 10000} for entry in document["annotations"] if entry["image_id"] <= 4]
        ),
    )
    after = CocoVid(coco_tree, "val")
    assert_same_labels(after.labels(0), before.labels(0))
    merged = [change for labels in after.labels(0) for change in labels.changes]
    assert merged == [MERGED] * sum(len(labels.boxes) for labels in before.labels(0)[:4])


def roboflow(document):
    """The export's own first category, which only groups the others."""
    for category in document["categories"]:
        category["supercategory"] = "sky"
    document["categories"].insert(0, {"id": 0, "name": "sky", "supercategory": "none"})


def test_a_category_that_only_groups_the_others_is_left_out(coco_tree):
    before = CocoVid(coco_tree, "val")
    change_coco(coco_tree, roboflow)
    after = CocoVid(coco_tree, "val")
    assert after.classes == before.classes and "'sky'" in after.notes[0]
    assert_same_labels(after.labels(0), before.labels(0))
    # With a box it is a class like others.
    change_coco(coco_tree, lambda document: document["annotations"][0].update(category_id=0))
    assert CocoVid(coco_tree, "val").classes == ("sky", *before.classes)


def test_a_byte_order_mark_is_no_content(coco_tree):
    path = coco_tree / "annotations" / "val.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(CocoVid(coco_tree, "val")) == 3


def test_videos_without_frames_are_left_out(coco_tree):
    change_coco(coco_tree, lambda document: document["videos"].append({"id": 99, "file_name": "x.mp4"}))
    assert len(CocoVid(coco_tree, "val")) == 3


def test_boxes_may_end_on_the_edge(coco_tree):
    change_coco(coco_tree, lambda document: document["annotations"][0].update(bbox=[-0.5, 0, 65, 64.9]))
    dataset = CocoVid(coco_tree, "val")
    boxes = np.concatenate([labels.boxes for index in range(3) for labels in dataset.labels(index)])
    assert boxes.min() == 0 and boxes.max() == 64


def test_missing_or_broken_image_is_named(images, tmp_path):
    coco_tree = shutil.copytree(images[0], tmp_path / "coco_tree")
    (coco_tree / "clip0" / "002.png").write_bytes(b"no picture")
    (coco_tree / "clip0" / "003.png").unlink()
    dataset = CocoVid(coco_tree, "val")
    with pytest.raises(InputError, match=r"002\.png"):
        dataset.read(0, 2, 3)
    with pytest.raises(InputError, match=r"003\.png"):
        dataset.read(0, 3, 4)


def test_plain_coco_pictures_are_videos_of_one_frame(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "kite.png"), np.full((48, 64, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "images" / "plane.png"), np.full((20, 30, 3), 150, np.uint8))
    document = {
        "images": [
            {"id": 5, "file_name": "images/kite.png", "width": 64, "height": 48},
            {"id": 9, "file_name": "images/plane.png", "width": 30, "height": 20},
        ],
        "annotations": [{"id": 1, "image_id": 9, "category_id": 2, "bbox": [3, 4, 10, 8]}],
        "categories": [{"id": 1, "name": "kite"}, {"id": 2, "name": "plane"}],
    }
    (tmp_path / "pictures.json").write_text(json.dumps(document))
    pictures = open_videos(tmp_path / "pictures.json", "any")
    assert [(video.name, video.width, video.length) for video in pictures.videos] == [
        ("images/kite", 64, 1),
        ("images/plane", 30, 1),
    ]
    assert pictures.read(1).shape == (1, 20, 30, 3) and pictures.read(1).mean() == 150
    assert pictures.labels(1)[0].boxes.tolist() == [[3, 4, 13, 12]] and len(pictures.labels(0)[0].boxes) == 0
    document["images"][0]["video_id"] = 1
    (tmp_path / "pictures.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="lacks videos"):
        open_videos(tmp_path / "pictures.json", "any")


def test_boxes_are_clipped_and_those_without_area_left_out(coco_tree):
    def edit(document):
        boxes = [50, 10, 40, 10], [50, 10, -4, 10], [5, 5, 0, 9], [64, 5, 3, 9]
        for entry, box in zip(document["annotations"], boxes, strict=False):
            entry["bbox"] = box

    change_coco(coco_tree, edit)
    dataset = CocoVid(coco_tree, "val")
    labels = [frame for index in range(len(dataset)) for frame in dataset.labels(index)]
    changes = [change for frame in labels for change in frame.changes]
    assert sorted(changes) == [CLIPPED, *[NO_AREA] * 3]
    assert [64, 20] in np.concatenate([frame.boxes for frame in labels])[:, 2:].tolist()


def test_boxes_that_are_corners_get_a_note(coco_tree):
    def edit(document):
        for entry in document["annotations"]:
            x, y, width, height = entry["bbox"]
            entry["bbox"] = [x, y, x + width + 60, y + height + 60]

    assert not CocoVid(coco_tree, "val").notes
    change_coco(coco_tree, edit)
    assert "reach beyond their frames" in CocoVid(coco_tree, "val").notes[-1]
