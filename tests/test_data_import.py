import json
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from video_trees import write_sequence

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.data import NO_TRACK, CocoVid, SyntheticSky, check_videos, write_coco_vid
from keras_sge.data.dataset import FrameLabels, Video, VideoDataset
from keras_sge.data.partition import partition, same_scenes
from keras_sge.data.views import LinkedTracks


class Recordings(VideoDataset):
    """Videos of one object each, with these names; classes a and b by the first letter; a gray of its own each."""

    classes, width = ("a", "b"), 32

    def __init__(self, names, length=10):
        self.videos = [Video(number, name, self.width, 32, 10, length) for number, name in enumerate(names, 1)]

    def labels(self, index):
        kind = self.classes.index(self.videos[index].name[0])
        one = np.ones(1, np.int32)
        return [FrameLabels(np.array([[1, 1, 9, 9]], np.float32), kind * one, one)] * self.videos[index].length

    def read(self, index, start=0, stop=None):
        return np.full((len(range(self.videos[index].length)[start:stop]), 32, self.width, 3), 20 * index, np.uint8)


def refused(capsys, *arguments):
    """The error line of a command that must fail with exit code 2; progress bars may come before it."""
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def names_of(dataset, videos):
    return [dataset.videos[index].name for index in videos]


def test_blocks_are_neighbours_of_every_class_and_windows_stay_together():
    names = [f"{kind}_{number}_{window}" for kind in "ab" for number in range(10) for window in range(3)]
    dataset = Recordings(names)
    parts = partition(dataset, {"val": 0.2, "test": 0.1}, seed=3)
    assert sorted(index for videos in parts.values() for index in videos) == list(range(60))
    assert {name: len(videos) for name, videos in parts.items()} == {"train": 42, "val": 12, "test": 6}
    for kind in "ab":
        held_back = {int(name.split("_")[1]) for name in names_of(dataset, parts["val"]) if name[0] == kind}
        first, second = sorted(held_back)
        assert second - first in (1, 9)
    assert parts == partition(dataset, {"val": 0.2, "test": 0.1}, seed=3)
    assert any(parts != partition(dataset, {"val": 0.2, "test": 0.1}, seed=seed) for seed in range(3))


def test_a_class_of_few_recordings_is_on_both_sides():
    dataset = Recordings(["a_1", "a_2", "b_1", "b_2", "b_3", "b_4", "b_5", "b_6"])
    parts = partition(dataset, {"val": 0.1}, by="video")
    assert sorted(name[0] for name in names_of(dataset, parts["val"])) == ["a", "b"]


def test_the_end_of_every_video_is_held_back():
    parts = partition(Recordings(["a", "b"], length=20), {"val": 0.25, "test": 0.1}, by="time")
    assert parts == {
        "train": {0: range(13), 1: range(13)},
        "val": {0: range(13, 18), 1: range(13, 18)},
        "test": {0: range(18, 20), 1: range(18, 20)},
    }


@pytest.mark.parametrize(
    ("names", "shares", "by", "words"),
    [
        (["a_1"], {"val": 0.2}, "block", "split train would be empty|split val would be empty"),
        (["a_1", "a_2"], {"val": 0.7, "test": 0.3}, "block", "in sum below 1"),
        (["a_1", "a_2"], {"val": 0.0}, "block", "above 0"),
        (["a_1"], {"val": 0.9, "test": 0.09}, "time", "too few"),
    ],
)
def test_splits_that_cannot_be(names, shares, by, words):
    with pytest.raises(InputError, match=words):
        partition(Recordings(names), shares, by)


def test_scenes_that_are_on_both_sides_are_found():
    dataset = Recordings([f"a_{number}" for number in range(4)])
    parts = {"train": {0: range(10), 1: range(10)}, "val": {2: range(10), 3: range(10)}}
    assert same_scenes(dataset, parts) == []
    dataset.read = lambda index, start=0, stop=None: np.full((1, 32, 32, 3), (0, 90, 91, 40)[index], np.uint8)
    assert same_scenes(dataset, parts) == [("a_2", "a_1")]


def test_a_zip_file_is_converted_and_split(folder, tiny_coco, capsys):
    shutil.copytree(tiny_coco, "set")
    (folder / "set" / "annotations" / "val.json").rename("set/annotations/valid.json")
    with zipfile.ZipFile("export.zip", "w") as archive:
        for path in sorted((folder / "set").rglob("*")):
            archive.write(path, path.relative_to(folder))
    assert main(["data", "convert", "export.zip", "--out", "new", "--json", "report.json"]) == 0
    printed, report = capsys.readouterr().out, json.loads((folder / "report.json").read_text())
    assert "export.zip: COCO" in printed and "val: wrote" in printed
    assert sorted(report) == ["train", "val"] and report["val"]["boxes"] > 0
    before, after = CocoVid("set", "valid"), CocoVid("new", "val")
    for index in range(len(before)):
        for one, other in zip(before.labels(index), after.labels(index), strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)


def test_splits_that_share_names_are_written_apart_and_named(folder, capsys):
    write_sequence(folder / "set", "hall", ["1,7,10,10,20,20,1,1,1"])
    shutil.copytree(folder / "set" / "train", folder / "set" / "val")
    write_sequence(folder / "set", "yard", ["1,7,10,10,20,20,1,1,1"])
    assert main(["data", "convert", "set", "--out", "new"]) == 0
    assert "1 videos of val are called as videos of another split, hall the first" in capsys.readouterr().err
    train, val = CocoVid("new", "train"), CocoVid("new", "val")
    assert [video.name for video in train.videos] == ["hall", "yard"]
    assert [video.name for video in val.videos] == ["val/hall"]
    np.testing.assert_array_equal(val.read(0), train.read(0))


def test_a_broken_zip_file_gets_one_line(folder, capsys):
    (folder / "export.zip").write_bytes(b"PK nothing")
    assert "cannot be unpacked" in refused(capsys, "data", "convert", "export.zip", "--out", "new")
    assert not (folder / "new").exists()


def test_a_whole_is_split_where_it_lies(folder, capsys):
    write_coco_vid(SyntheticSky(videos=8, frames=4, size=64), "new", "all")
    before = {path: path.read_bytes() for path in sorted((folder / "new").rglob("*")) if path.is_file()}
    assert main(["data", "split", "new", "--val", "0.25", "--test", "0.25", "--by", "video"]) == 0
    printed = capsys.readouterr()
    assert "| train |" in printed.out and "| test |" in printed.out
    after = {path: path.read_bytes() for path in sorted((folder / "new").rglob("*")) if path.is_file()}
    assert {path: after[path] for path in before} == before
    whole = CocoVid("new", "all")
    parts = [CocoVid("new", split) for split in ("train", "val", "test")]
    assert sorted(video.name for part in parts for video in part.videos) == sorted(video.name for video in whole.videos)
    for part in parts:
        for index, video in enumerate(part.videos):
            own = next(place for place, other in enumerate(whole.videos) if other.name == video.name)
            np.testing.assert_array_equal(part.labels(index)[2].boxes, whole.labels(own)[2].boxes)
            np.testing.assert_array_equal(part.read(index, 1, 3), whole.read(own, 1, 3))
    assert "train.json exists already" in refused(capsys, "data", "split", "new")


def test_the_only_split_is_divided_whatever_its_name_and_a_class_of_one_video_is_named(folder, capsys):
    write_coco_vid(SyntheticSky(videos=10, frames=2, size=64, seed=3), "other", "footage")
    assert main(["data", "convert", "other", "--out", "new"]) == 0
    assert "next:\n  sge data split new\n" in capsys.readouterr().out
    assert main(["data", "split", "new", "--val", "0.4"]) == 0
    dataset, said = CocoVid("new", "val"), capsys.readouterr().err
    for kind, name in enumerate(dataset.classes):
        videos = sum(any(kind in one.classes for one in dataset.labels(index)) for index in range(len(dataset)))
        assert videos == 1 and f"{name} in val" in said.partition("note: in one video only: ")[2]


def test_pictures_without_videos_are_not_split(folder, tiny_coco, capsys):
    document = json.loads((tiny_coco / "annotations" / "val.json").read_text())
    for number, image in enumerate(document["images"]):
        image["file_name"] = f"{number}.png"
        del image["video_id"], image["frame_id"]
        cv2.imwrite(str(folder / image["file_name"]), np.zeros((64, 64, 3), np.uint8))
    del document["videos"]
    (folder / "annotations").mkdir()
    (folder / "annotations" / "all.json").write_text(json.dumps(document))
    assert "sge data convert" in refused(capsys, "data", "split", ".", "--by", "time")


def test_one_video_is_cut_by_time(folder, capsys):
    write_coco_vid(SyntheticSky(videos=1, frames=10, size=64), "new", "all")
    assert "--by time" in refused(capsys, "data", "split", "new")
    assert main(["data", "split", "new", "--by", "time", "--val", "0.3"]) == 0
    assert "will flatter" in capsys.readouterr().err
    train, val = (CocoVid("new", split).videos[0] for split in ("train", "val"))
    assert train.unlabelled == frozenset(range(7, 10)) and val.unlabelled == frozenset(range(7))


class Crossing(Recordings):
    """Two objects of one class that fly apart; the second is gone for two seconds in the middle."""

    tracks, width = (NO_TRACK, NO_TRACK), 100

    def labels(self, index):
        frames = []
        for time in range(60):
            boxes = [[time, 1, time + 9, 9], [90 - time, 20, 98 - time, 28]]
            here = [0] if 20 <= time < 40 else [0, 1]
            tracks = np.array(self.tracks, np.int32)[here]
            frames.append(FrameLabels(np.array(boxes, np.float32)[here], np.zeros(len(here), np.int32), tracks))
        return frames


def test_objects_without_tracks_are_linked():
    tracks = [frame.tracks.tolist() for frame in LinkedTracks(Crossing(["a"], length=60)).labels(0)]
    assert tracks == [[1, 2]] * 20 + [[1]] * 20 + [[1, 3]] * 20


def test_tracks_that_are_named_stay():
    dataset = Crossing(["a"], length=60)
    for named in ((7, NO_TRACK), (0, NO_TRACK)):
        dataset.tracks = named
        assert LinkedTracks(dataset).labels(0)[0].tracks.tolist() == list(named)


def test_labels_without_tracks_are_of_none_in_report_and_copy(folder):
    """Objects without a track are no track, and have no motion; track 0 is one as any other."""
    dataset = Crossing(["a"], length=60)
    report = check_videos(dataset, read_frames=False)
    assert (report.tracks, report.untracked) == (0, 100) and np.isnan(report.motion).all()
    assert "boxes        100 without tracks" in report.text()
    dataset.tracks = (0, NO_TRACK)
    report = check_videos(dataset, read_frames=False)
    assert (report.tracks, report.untracked) == (1, 40) and np.isnan(report.motion).sum() == 40
    assert "100 of 1 tracks, 40 of them without a track" in report.text()
    write_coco_vid(dataset, folder / "copy", "all")
    assert [frame.tracks.tolist() for frame in CocoVid("copy", "all").labels(0)[19:21]] == [[0, NO_TRACK], [0]]


def test_one_number_for_every_object_is_no_track(folder):
    """What exporters without tracks write."""
    dataset = Crossing(["a"], length=60)
    dataset.tracks = (0, 0)
    write_coco_vid(dataset, folder / "copy", "all")
    copy = CocoVid("copy", "all")
    assert {track for frame in copy.labels(0) for track in frame.tracks.tolist()} == {NO_TRACK}
    assert LinkedTracks(copy).labels(0)[0].tracks.tolist() == [1, 2]
