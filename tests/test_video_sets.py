"""Data sets made from others: mixed, cached, split into blocks and folds."""

import dataclasses

import cv2
import numpy as np
import pytest
from numbered import Numbered

from edge.errors import InputError
from keras_sge.config import DataConfig, Fold, NetworkConfig
from keras_sge.data import FrameLabels, data_notes, open_dataset, write_coco_vid
from keras_sge.data.formats.backgrounds import BackgroundVideos
from keras_sge.data.splits import apart_from, fold_split, source_name, video_blocks
from keras_sge.data.views import CachedVideos, DegradedVideos, MixedVideos, PickedFrames, VideoSubset


def test_mixed_sets_keep_frames_and_give_classes_by_name():
    mixed = MixedVideos([Numbered("ab"), Numbered("cd", classes=("drone", "bird"), base=100)])
    assert [video.id for video in mixed.videos] == [0, 1, 2, 3] and [v.name for v in mixed.videos] == list("abcd")
    assert mixed.read(3, 1, 3)[:, 0, 0, 0].tolist() == [111, 112]
    names = [mixed.classes[mixed.labels(index)[0].classes[0]] for index in range(4)]
    assert names == ["bird", "drone", "drone", "bird"]


def test_videos_are_decoded_once_as_long_as_there_is_room(monkeypatch):
    videos, decoded = Numbered("ab"), []
    read = videos.read
    monkeypatch.setattr(videos, "read", lambda index, *part: decoded.append(index) or read(index, *part))
    one_video = 4 * 96 * 96 * 3
    cache = CachedVideos(videos, one_video)
    for index in (0, 1, 0, 1):
        assert cache.read(index, 1, 3)[:, 0, 0, 0].tolist() == [10 * index + 1, 10 * index + 2]
    assert decoded == [0, 1, 1] and cache.cached_bytes == one_video
    cache.clear()
    assert cache.cached_bytes == 0 and len(cache.read(0)) == 4
    assert decoded == [0, 1, 1, 0]


def test_a_failed_read_keeps_no_room(monkeypatch):
    videos, one_video = Numbered("ab"), 4 * 96 * 96 * 3
    cache, read = CachedVideos(videos, one_video), videos.read

    def broken(*part):
        raise InputError("cut short")

    monkeypatch.setattr(videos, "read", broken)
    for _ in range(3):
        with pytest.raises(InputError, match="cut short"):
            cache.read(0)
    assert cache.cached_bytes == 0
    monkeypatch.setattr(videos, "read", read)
    cache.read(0)
    assert cache.cached_bytes == one_video


def test_a_read_that_ends_behind_clear_takes_no_room_twice(monkeypatch):
    videos, one_video = Numbered("ab"), 4 * 96 * 96 * 3
    cache, read = CachedVideos(videos, one_video), videos.read
    monkeypatch.setattr(videos, "read", lambda *part: cache.clear() or read(*part))
    cache.read(0)
    monkeypatch.setattr(videos, "read", read)
    cache.read(1)
    assert cache.cached_bytes == one_video


def test_what_is_made_of_videos_knows_their_unlabelled_frames():
    videos = Numbered("ab", classes=("drone", "bird"))
    videos.videos = [dataclasses.replace(video, unlabelled=frozenset({1, 3})) for video in videos.videos]
    videos.notes = ("a note",)
    for made in (VideoSubset(videos, [1]), DegradedVideos(videos, 1), CachedVideos(videos, 0), MixedVideos([videos])):
        assert made.videos[0].unlabelled == {1, 3} and made.notes == ("a note",)
    picked = PickedFrames(videos, [(0, [3, 0, 1])])
    assert picked.videos[0].unlabelled == {0, 2} and picked.notes == ("a note",)


def test_mixed_sets_give_the_classes_of_ignored_regions_by_name():
    other = Numbered("b", classes=("drone", "bird"))
    region = dataclasses.replace(other.labels(0)[0], ignored=np.float32([[0, 0, 9, 9]]), ignored_classes=np.int32([0]))
    other.labels = lambda index: [region]
    mixed = MixedVideos([Numbered("a"), other])
    assert mixed.classes[mixed.labels(1)[0].ignored_classes[0]] == "drone"


def test_an_input_size_that_turns_frames_round_is_named():
    network = NetworkConfig(name="n", classes=("bird", "drone"), input_size=(320, 192))
    wide = Numbered("abc")
    wide.videos = [dataclasses.replace(video, width=128, height=72) for video in wide.videos]
    [note] = data_notes(wide, network)
    assert "192 wide, 320 high" in note and "128 wide, 72 high" in note and "[192, 320]" in note
    for fits in (
        dataclasses.replace(network, input_size=(192, 320)),
        dataclasses.replace(network, input_size=(64, 64)),
    ):
        assert data_notes(wide, fits) == []
    assert data_notes(Numbered("abc"), network) == []


def test_sets_with_other_classes_are_not_mixed():
    with pytest.raises(InputError, match="kite"):
        MixedVideos([Numbered("a"), Numbered("b", classes=("bird", "kite"))])


@pytest.mark.parametrize(
    ("video", "source"),
    [
        ("V_BIRD_012_3", "V_BIRD_012"),
        ("V_BIRD_012", "V_BIRD_012"),
        ("clip7", "clip7"),
        ("synthetic_2_00001", "synthetic_2_00001"),
        ("V_BIRD_012_3.mp4", "V_BIRD_012"),
        ("MOT17-02-FRCNN", "MOT17-02"),
        ("ILSVRC2015_train_00005003", "ILSVRC2015_train_00005"),
        ("ILSVRC2015_val_00005003", "ILSVRC2015_val_00005003"),
    ],
)
def test_a_window_knows_its_recording(video, source):
    assert source_name(video) == source


def test_blocks_are_neighbours_by_number_class_by_class():
    # Numbers of one digit and of two: 9 stands before 10. Odd videos show drones, and a recording what it shows most.
    names = [
        f"V_{kind}_{number}_{window}" for number in range(1, 17) for window in (1, 2) for kind in ("BIRD", "DRONE")
    ]
    blocks = dict(zip(names, video_blocks(Numbered(names)).tolist(), strict=True))
    for kind in ("BIRD", "DRONE"):
        assert [blocks[f"V_{kind}_{number}_2"] for number in range(1, 17)] == [n // 2 for n in range(16)]
    assert all(blocks[name] == blocks[f"{source_name(name)}_1"] for name in names)


def test_blocks_go_by_what_a_recording_shows_most_and_are_nearly_equal():
    names = [*(f"V_{number:03d}_{window}" for number in range(11) for window in range(3)), "EMPTY_1", "EMPTY_2"]
    videos = Numbered(names)
    shown = {
        name: (0 if window < 2 else 1)
        for number in range(11)
        for window in range(3)
        for name in [names[3 * number + window]]
    }
    labels = videos.labels(0)

    def read_labels(index):
        if names[index] not in shown:
            return [FrameLabels(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32))] * 4
        return [dataclasses.replace(frame, classes=np.int32([shown[names[index]]])) for frame in labels]

    videos.labels = read_labels
    blocks = video_blocks(videos)
    # Eleven recordings of birds, one or two a block, and two of nothing at all, cut by themselves.
    assert blocks[:33:3].tolist() == [0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7] and blocks[33:].tolist() == [0, 4]


def test_a_fold_holds_whole_blocks_and_all_folds_hold_everything_once():
    names = [f"V_BIRD_{source:03d}_{window}" for source in range(16) for window in range(2)]
    dataset = Numbered(names)
    for folds in (2, 3, 4, 8):
        held_back = []
        for index in range(folds):
            training, development = fold_split(dataset, Fold(index, folds))
            assert sorted(v.name for part in (training, development) for v in part.videos) == sorted(names)
            assert {source_name(v.name) for v in training.videos}.isdisjoint(
                source_name(v.name) for v in development.videos
            )
            held_back += [video.name for video in development.videos]
        # In order and without a gap: few borders are shared.
        assert held_back == names
    _, development = fold_split(dataset, Fold(1))
    place = names.index(development.videos[3].name)
    assert development.read(3, 2, 3)[0, 0, 0, 0] == np.uint8(10 * place + 2)
    assert development.labels(3)[0].classes[0] == place % 2


def test_a_fold_leaves_something_on_either_side():
    with pytest.raises(InputError, match="fold 0/4 would hold all of the data set's 1 recordings"):
        fold_split(Numbered(["V_A_1_0", "V_A_1_1"]), Fold(0))
    with pytest.raises(InputError, match="fold 3/4 would hold none"):
        fold_split(Numbered(["V_A_1_0", "V_A_1_1"]), Fold(3))


@pytest.fixture
def street(tmp_path):
    """Two short videos of 64 x 48 px: every pixel of a frame has the value 20 times its number."""
    for name, frames in (("a.mp4", 6), ("deeper/b.avi", 3)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        code = cv2.VideoWriter_fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
        writer = cv2.VideoWriter(str(path), code, 25.0, (64, 48))
        for number in range(frames):
            writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
        writer.release()
    return tmp_path


def test_background_windows_are_square_full_of_frames_and_without_boxes(street):
    background = BackgroundVideos(street, ("bird", "drone"), windows=6, size=32, frames=4, seed=1)
    assert len(background) == 6 and background.classes == ("bird", "drone")
    assert [video.length for video in background.videos] == [4, 3, 4, 3, 4, 3]
    for index, video in enumerate(background.videos):
        clip = background.read(index)
        assert clip.shape == (video.length, 32, 32, 3) and (video.width, video.height) == (32, 32)
        # Frames follow each other as in the video they come from.
        np.testing.assert_allclose(np.diff(clip.mean(axis=(1, 2, 3))), 20, atol=4)
        np.testing.assert_array_equal(background.read(index, 1, 3), clip[1:3])
        assert all(len(labels.boxes) == len(labels.classes) == 0 for labels in background.labels(index))
    assert len(background.labels(0)) == 4


def test_background_windows_are_the_same_for_the_same_seed(street):
    first, again, other = (BackgroundVideos(street, ("bird",), 4, 32, seed=seed) for seed in (1, 1, 2))
    assert first._cuts == again._cuts != other._cuts


def test_a_background_folder_without_readable_videos_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a directory"):
        BackgroundVideos(tmp_path / "none", ("bird",), 1, 32)
    with pytest.raises(InputError, match="holds no video"):
        BackgroundVideos(tmp_path, ("bird",), 1, 32)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        BackgroundVideos(tmp_path, ("bird",), 1, 32)


def test_a_configuration_mixes_background_into_training_only(street, tmp_path):
    data = tmp_path / "data"
    write_coco_vid(Numbered("ab"), data, "train")
    write_coco_vid(Numbered("c"), data, "val")
    network = NetworkConfig(name="n", classes=("bird", "drone"), input_size=(32, 32))
    config = DataConfig(path=str(data), background=str(street), background_windows=3, frames=2)
    names = [video.name for video in open_dataset(config, network, "train").videos]
    assert names[:2] == ["a", "b"] and len(names) == 5
    assert [video.name for video in open_dataset(config, network, "val").videos] == ["c"]


def test_clips_of_recordings_held_back_and_of_their_neighbours_are_left_out():
    held_back = Numbered(["V_A_004_0", "V_A_004_1", "V_A_007_0", "V_B_001_0"])
    names = ["V_A_003+w1", "V_A_005+w2", "V_A_008+V_B_002+p3", "V_A_001+V_B_001+p4", "images/5+V_C_005+p5"]
    kept = apart_from(Numbered(names), held_back)
    assert [video.name for video in kept.videos] == [names[0], names[2], names[4]]
    with pytest.raises(InputError, match=r"data\.mix"):
        apart_from(Numbered(["V_A_006+w1"]), held_back)


def test_more_data_sets_are_mixed_into_the_training_split_only(tmp_path):
    names = [f"V_A_{number:03d}_0" for number in range(8)]
    write_coco_vid(Numbered(names, classes=("bird",)), tmp_path / "base", "train")
    write_coco_vid(Numbered(["V_A_000+w0", "V_A_005+w1"], classes=("bird",)), tmp_path / "more", "train")
    data = DataConfig(path=str(tmp_path / "base"), fold=0, mix=(str(tmp_path / "more"),))
    network = NetworkConfig(name="single", classes=("bird",))
    training, development = (open_dataset(data, network, split) for split in ("train", "val"))
    assert [video.name for video in training.videos] == [*names[2:], "V_A_005+w1"]
    assert [video.name for video in development.videos] == names[:2]
