import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data.formats.coco_vid import CocoVid
from keras_sge.data.formats.coco_vid_writer import write_coco_vid
from keras_sge.data.synthetic import SyntheticSky


class InterruptedRunError(Exception):
    pass


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        found, picture = capture.read()
        if not found:
            return frames
        frames.append(picture)


def files_below(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def dataset():
    return SyntheticSky(videos=3, frames=9, size=96, seed=2)


@pytest.fixture(scope="module")
def written(dataset, tmp_path_factory):
    directory = tmp_path_factory.mktemp("coco")
    path = write_coco_vid(dataset, directory, "val")
    return directory, json.loads(path.read_text())


def test_videos_hold_the_frames(dataset, written):
    directory, content = written
    assert [entry["name"] for entry in content["videos"]] == [video.name for video in dataset.videos]
    for index, entry in enumerate(content["videos"]):
        frames = frames_of(directory / entry["file_name"])
        assert len(frames) == entry["length"] == 9
        original = dataset.read(index)
        assert np.stack(frames).shape == original.shape == (9, entry["height"], entry["width"], 3)
        # Nearer to its own frame than to that of another video: the right pictures, compressed.
        own = np.abs(np.stack(frames).astype(int) - original).mean()
        other = np.abs(np.stack(frames).astype(int) - dataset.read((index + 1) % 3)).mean()
        assert own < 12 and own < other


def test_json_says_what_the_labels_say(dataset, written):
    content = written[1]
    assert [category["name"] for category in content["categories"]] == list(dataset.classes)
    assert [category["id"] for category in content["categories"]] == [1, 2, 3, 4]
    assert [(image["video_id"], image["frame_id"]) for image in content["images"]] == [
        (video.id, frame) for video in dataset.videos for frame in range(9)
    ]
    for key in ("images", "annotations"):
        assert len({entry["id"] for entry in content[key]}) == len(content[key]) > 0
    for image in content["images"]:
        labels = dataset.labels(image["video_id"] - 1)[image["frame_id"]]
        found = [entry for entry in content["annotations"] if entry["image_id"] == image["id"]]
        assert all(entry["video_id"] == image["video_id"] and entry["iscrowd"] == 0 for entry in found)
        assert [entry["category_id"] - 1 for entry in found] == labels.classes.tolist()
        assert [entry["instance_id"] for entry in found] == labels.tracks.tolist()
        boxes = np.array([entry["bbox"] for entry in found]).reshape(-1, 4)
        np.testing.assert_allclose(boxes[:, :2], labels.boxes[:, :2], atol=2e-3)
        np.testing.assert_allclose(boxes[:, :2] + boxes[:, 2:], labels.boxes[:, 2:], atol=2e-3)
        np.testing.assert_allclose([entry["area"] for entry in found], boxes[:, 2:].prod(-1), atol=1e-2)


def test_existing_split_is_refused_and_kept(dataset, written):
    directory, content = written
    with pytest.raises(InputError, match="delete it, or choose another"):
        write_coco_vid(dataset, directory, "val")
    assert json.loads((directory / "annotations" / "val.json").read_text()) == content


def test_another_split_does_not_write_over_videos(dataset, written):
    with pytest.raises(InputError, match="another seed"):
        write_coco_vid(dataset, written[0], "train")


def test_a_video_that_was_there_before_is_kept(dataset, tmp_path):
    mine = tmp_path / "videos" / f"{dataset.videos[1].name}.mp4"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(InputError, match=f"{mine.name} exists already"):
        write_coco_vid(dataset, tmp_path, "train")
    assert files_below(tmp_path) == [f"videos/{mine.name}"] and mine.read_text() == "mine"


def test_two_splits_share_a_directory(tmp_path):
    for seed, split in ((0, "train"), (1, "val")):
        write_coco_vid(SyntheticSky(videos=1, frames=2, size=64, seed=seed), tmp_path, split)
    assert files_below(tmp_path) == [
        "annotations/train.json",
        "annotations/val.json",
        "videos/synthetic_0_00000.mp4",
        "videos/synthetic_1_00000.mp4",
    ]


def test_interrupted_run_leaves_no_split_and_can_be_repeated(dataset, tmp_path):
    def stop_at_second(indices):
        yield next(iter(indices))
        raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        write_coco_vid(dataset, tmp_path, "train", progress=stop_at_second)
    assert files_below(tmp_path) == ["annotations/.train.json.partial", f"videos/{dataset.videos[0].name}.mp4"]
    assert write_coco_vid(dataset, tmp_path, "train").exists()
    assert not [name for name in files_below(tmp_path) if "partial" in name]


def test_half_a_video_has_no_final_name(tmp_path):
    class Broken(SyntheticSky):
        def read(self, index, start=0, stop=None):
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        write_coco_vid(Broken(videos=1, frames=2, size=64), tmp_path, "train")
    assert not [name for name in files_below(tmp_path) if "partial" not in name]


def test_progress_sees_every_video(dataset, tmp_path):
    seen = []

    def progress(indices):
        for index in indices:
            seen.append(index)
            yield index

    write_coco_vid(dataset, tmp_path, "train", progress=progress)
    assert seen == [0, 1, 2]


class Named(SyntheticSky):
    """Two videos with these names."""

    def __init__(self, *names):
        super().__init__(videos=len(names), frames=2, size=64)
        self.videos = [replace(video, name=name) for video, name in zip(self.videos, names, strict=True)]


@pytest.mark.parametrize(
    "name", ["../../escaped", "a/../../b", "/tmp/escaped", "a\\..\\b", "C:escaped", "", "a//b", "a/.", "a\x00b", "a\nb"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(name, tmp_path):
    out = tmp_path / "in" / "out"
    with pytest.raises(InputError, match="no path below"):
        write_coco_vid(Named("good", name), out, "train")
    with pytest.raises(InputError, match="no path below"):
        write_coco_vid(Named("good"), out, name)
    assert files_below(tmp_path) == []


def test_a_name_with_folders_makes_them(tmp_path):
    write_coco_vid(Named("day 1/a", "day 2/a"), tmp_path, "train")
    assert [video.name for video in CocoVid(tmp_path, "train").videos] == ["day 1/a", "day 2/a"]
    assert (tmp_path / "videos" / "day 2" / "a.mp4").is_file() and len(CocoVid(tmp_path, "train").read(1)) == 2


def test_a_link_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "videos").mkdir(parents=True)
    (tmp_path / "out" / "videos" / "day").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        write_coco_vid(Named("day/a"), tmp_path / "out", "train")
    assert files_below(tmp_path) == []


def test_unlabelled_frames_and_ignored_regions_are_kept_apart(tmp_path):
    class Sparse(SyntheticSky):
        def labels(self, index):
            region = {"ignored": np.float32([[1, 2, 30, 40]]), "ignored_classes": np.int32([2])}
            return [replace(frame, **region) for frame in super().labels(index)]

    dataset = Sparse(videos=1, frames=9, size=64)
    dataset.videos = [replace(dataset.videos[0], unlabelled=frozenset({0, 1, 3, 4, 8}))]
    path = write_coco_vid(dataset, tmp_path, "train")
    assert [image["frame_id"] for image in json.loads(path.read_text())["images"]] == [2, 5, 6, 7]
    back = CocoVid(tmp_path, "train")
    assert back.videos[0].unlabelled == {0, 1, 3, 4, 8} and len(back.read(0)) == back.videos[0].length == 9
    for number in (2, 5, 6, 7):
        one, other = dataset.labels(0)[number], back.labels(0)[number]
        np.testing.assert_allclose(one.boxes, other.boxes, atol=2e-3)
        np.testing.assert_array_equal(other.ignored, [[1, 2, 30, 40]])
        np.testing.assert_array_equal(other.ignored_classes, [2])


def test_a_video_that_is_cut_short_gets_no_name(tmp_path, monkeypatch):
    """However its writing ends: what has a name is whole."""
    dataset = SyntheticSky(videos=1, frames=70, size=64, seed=0)
    read = dataset.read

    def stopped(index, start=0, stop=None):
        if start:
            raise KeyboardInterrupt
        return read(index, start, stop)

    monkeypatch.setattr(dataset, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_coco_vid(dataset, tmp_path, "train")
    assert not list(tmp_path.rglob("*.mp4")) and not list(tmp_path.rglob("*.json"))
