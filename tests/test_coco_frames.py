"""COCO without videos, as CVAT, Roboflow and others export frames: the same boxes frame for frame; stills stay such."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data import SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.formats.annotation_values import NO_AREA

SKY = SyntheticSky(videos=2, frames=6, size=64, seed=6)


def write(path, names, folder=None, track=None, numbers=range(6), pictures=True, classes=None):
    """COCO of synthetic videos, one for each format string of `names`; pictures below `folder`; `track` names one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = [{"id": 3 + 2 * kind, "name": name, "supercategory": ""} for kind, name in enumerate(SKY.classes)]
    classes = classes or own
    document = {"licenses": [], "info": {}, "categories": classes, "images": [], "annotations": []}
    for video, pattern in enumerate(names):
        for number, picture, labels in zip(numbers, SKY.read(video), SKY.labels(video), strict=True):
            name, image = pattern.format(number), len(document["images"]) + 1
            document["images"].append({"id": image, "width": 64, "height": 64, "file_name": name, "license": 0})
            if pictures:
                target = (folder or path.parent) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(target), picture)
            for (x1, y1, x2, y2), kind, own in zip(labels.boxes.tolist(), labels.classes, labels.tracks, strict=True):
                entry = {"id": len(document["annotations"]), "image_id": image, "bbox": [x1, y1, x2 - x1, y2 - y1]}
                entry |= {"category_id": classes[kind - len(SKY.classes)]["id"], "iscrowd": 0, "segmentation": []}
                document["annotations"].append(entry | (track(int(own)) if track else {}))
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    return document


def assert_same(dataset, index=0, video=0, places=range(6)):
    labels = dataset.labels(index)
    for place, expected in zip(places, SKY.labels(video), strict=True):
        np.testing.assert_allclose(labels[place].boxes, expected.boxes, atol=1e-4)
        np.testing.assert_array_equal(labels[place].classes, expected.classes)


def cvat_track(number):
    return {"attributes": {"occluded": True, "rotation": 0.0, "track_id": number, "keyframe": True}}


def lengths(dataset):
    return [(video.name, video.length) for video in dataset.videos]


def test_cvat_s_export_of_a_video_task(tmp_path):
    root = tmp_path / "my clip"
    path = root / "annotations" / "instances_default.json"
    write(path, ["frame_{:06d}.png"], root / "images" / "default", cvat_track)
    dataset = open_videos(root, "all")
    assert (lengths(dataset), dataset.classes) == ([("my clip", 6)], SKY.classes)
    assert_same(dataset)
    np.testing.assert_array_equal(dataset.read(0), SKY.read(0))
    pairs = zip(dataset.labels(0), SKY.labels(0), strict=True)
    same = {pair for found, own in pairs for pair in zip(found.tracks.tolist(), own.tracks.tolist(), strict=True)}
    assert len(same) == len({one for one, _ in same}) == len({one for _, one in same})
    assert "read as 1 videos of 6 frames, by folder and name. --format coco-pictures" in dataset.notes[0]
    # The file itself, and somebody who says otherwise.
    assert lengths(open_videos(path, "any")) == lengths(dataset)
    assert [length for _, length in lengths(open_videos(root, "all", form="coco-pictures"))] == [1] * 6


def test_an_export_without_pictures_and_its_video(tmp_path):
    root = tmp_path / "task"
    numbers = range(0, 12, 2)
    path = root / "annotations" / "instances_default.json"
    write(path, ["frame_{:06d}.PNG"], None, cvat_track, numbers, pictures=False)
    dataset = open_videos(root, "all")
    assert_same(dataset, places=numbers)
    with pytest.raises(InputError, match="--media PATH"):
        dataset.read(0)
    write_coco_vid(SyntheticSky(videos=1, frames=12, size=64), tmp_path / "film", "all")
    film = next((tmp_path / "film" / "videos").iterdir())
    for media in (film, film.parent):
        dataset = open_videos(root, "all", frames=media)
        assert_same(dataset, places=numbers)
        assert dataset.videos[0].unlabelled == {1, 3, 5, 7, 9} and dataset.read(0, 10).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("track", [lambda track: {"track_id": f"object {track}"}, lambda track: {"track_id": track}])
def test_folders_are_videos_and_last_numbers_frames(track, tmp_path):
    write(tmp_path / "annotations" / "train.json", ["a/shot2_{}.png", "b\\shot_{}.png"], tmp_path / "images", track)
    for path in (tmp_path / "images").glob("b*shot*"):
        (tmp_path / "images" / "b").mkdir(exist_ok=True)
        path.rename(tmp_path / "images" / "b" / path.name.rpartition("\\")[2])
    dataset = open_videos(tmp_path, "train")
    assert lengths(dataset) == [("a/shot2", 6), ("b/shot", 6)]
    for index in range(2):
        assert_same(dataset, index, index)
        np.testing.assert_array_equal(dataset.read(index), SKY.read(index))
        assert [len(set(frame.tracks)) for frame in dataset.labels(index)] == [len(f.tracks) for f in SKY.labels(index)]


def test_pictures_that_are_not_listed_are_unlabelled_frames_where_all_are_there(tmp_path):
    write(tmp_path / "all.json", ["a/{:03d}.png"], numbers=range(1, 18, 3))
    dataset = open_videos(tmp_path / "all.json", "all", form="coco-frames")
    assert (lengths(dataset), dataset.videos[0].fps) == ([("a", 6)], 10)
    for number in range(1, 17):
        path = tmp_path / "a" / f"{number:03d}.png"
        if not path.exists():
            cv2.imwrite(str(path), np.zeros((64, 64, 3), np.uint8))
    dataset = open_videos(tmp_path / "all.json", "all", form="coco-frames")
    assert dataset.videos[0].length == 16 and dataset.videos[0].unlabelled == set(range(16)) - set(range(0, 16, 3))
    assert dataset.videos[0].fps == 30
    assert_same(dataset, places=range(0, 16, 3))


def test_roboflow_s_export(tmp_path):
    classes = [{"id": 0, "name": "sky", "supercategory": "none"}]
    classes += [{"id": kind, "name": name, "supercategory": "sky"} for kind, name in enumerate(SKY.classes, 1)]
    names = ["clip_mp4-{:04d}_jpg.rf.0a1B.jpg", "IMG_{}_JPG.rf.77ff.jpg"]
    for split in ("train", "valid"):
        write(tmp_path / split / "_annotations.coco.json", names, classes=classes)
    with pytest.raises(InputError, match="splits found: train, valid"):
        open_videos(tmp_path, "val")
    dataset = open_videos(tmp_path, "valid")
    # Photographs have numbers, too.
    assert lengths(dataset)[:2] == [("valid/clip_mp4", 6), ("valid/IMG_0", 1)] and len(dataset) == 7
    assert_same(dataset)
    assert dataset.classes == SKY.classes and any("'sky' is left out" in note for note in dataset.notes)
    assert any("1 videos of 6 frames, by folder and name and 6 single pictures" in note for note in dataset.notes)


def sizes(document):
    document["images"][3]["width"] = 65


def copies(document):
    # Roboflow's augmentation writes a picture several times.
    document["images"][3]["file_name"] = document["images"][2]["file_name"].replace(".rf.", ".rf.b")


STILLS = {
    "another size": ("a/{:03d}.png", sizes),
    "copies of one picture": ("a_mp4-{}_jpg.rf.a.jpg", copies),
    "photographs": ("IMG_{}_jpg.rf.a.jpg", lambda document: None),
    "no numbers": (
        "a/x.png",
        lambda document: [image.update(file_name=f"a/{'x' * image['id']}.png") for image in document["images"]],
    ),
    "numbers far apart": (
        "a/{}.png",
        lambda document: [image.update(file_name=f"a/{image['id'] ** 5}.png") for image in document["images"]],
    ),
    "a number of thousands of digits": (
        "a/{}.png",
        lambda document: [i.update(file_name=f"a/{'1' * (5000 + i['id'])}.png") for i in document["images"]],
    ),
}


@pytest.mark.parametrize("name", STILLS)
def test_stills_are_single_pictures(name, tmp_path):
    pattern, edit = STILLS[name]
    document = write(tmp_path / "all.json", [pattern], pictures=False)
    edit(document)
    (tmp_path / "all.json").write_text(json.dumps(document))
    dataset = open_videos(tmp_path / "all.json", "all")
    assert [video.length for video in dataset.videos] == [1] * 6
    assert "read as 6 single pictures. --format coco-frames" in dataset.notes[0]


def test_the_stills_of_shared_are_single_pictures():
    path = Path(__file__).parents[1].parent / "shared" / "data" / "stills" / "annotations.json"
    if not path.is_file():
        pytest.skip("no ../shared/data/stills")
    assert {video.length for video in open_videos(path, "all").videos} == {1}


def test_boxes_without_area_and_tracks_of_wrong_kinds(tmp_path):
    document = write(tmp_path / "all.json", ["frame_{}.png"], pictures=False)
    document["annotations"][0]["bbox"][2] = 0
    (tmp_path / "all.json").write_text(json.dumps(document))
    assert open_videos(tmp_path / "all.json", "all").labels(0)[0].changes == (NO_AREA,)
    for wrong in ([1], 1.5, True, ""):
        document["annotations"][1]["attributes"] = {"track_id": wrong}
        (tmp_path / "all.json").write_text(json.dumps(document))
        with pytest.raises(InputError, match="annotation 1: track_id must be a whole number"):
            open_videos(tmp_path / "all.json", "all")


@pytest.mark.parametrize(("pattern", "words"), [("kite.png", "no number"), ("{}.png", "differ in size")])
def test_pictures_that_cannot_be_frames_are_refused_where_they_are_said_to_be(pattern, words, tmp_path):
    document = write(tmp_path / "all.json", [pattern], pictures=False)
    sizes(document)
    (tmp_path / "all.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=words):
        open_videos(tmp_path / "all.json", "all", form="coco-frames")
