"""Windows, cutouts, track paste and scene swap, on bars that fly over calm skies."""

import dataclasses

import numpy as np
import pytest
from flights import BAR, LOOSE, Flights

from edge.boxes import iou_matrix
from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.data import (
    NO_TRACK,
    MixedVideos,
    ObjectWindows,
    OfClasses,
    PastedTracks,
    SceneSwaps,
    cut_out,
    open_videos,
    write_coco_vid,
)
from keras_sge.data.cutouts import matte

SIZE, FRAMES = 96, 6


@pytest.fixture(scope="module")
def cutouts():
    return cut_out(Flights(), FRAMES)


def dark_box(picture, background):
    """The bounds of what is clearly darker than the background."""
    rows, columns = np.nonzero(picture.max(axis=2) < background - 50)
    return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)


def overlap(picture, background, labels):
    """Of the labelled box, less the annotators' room, with what is dark."""
    room = LOOSE / (BAR[0] + 2 * LOOSE), LOOSE / (BAR[1] + 2 * LOOSE)
    x1, y1, x2, y2 = labels.boxes[0]
    inner = np.array([[x1, y1, x2, y2]]) + np.array([x2 - x1, y2 - y1] * 2) * [*room, -room[0], -room[1]]
    return iou_matrix(inner.astype(np.float32), dark_box(picture, background))[0, 0]


def test_a_matte_is_the_object_and_nothing_else():
    flights = Flights()
    x1, y1, x2, y2 = flights.box(0, 0).astype(int)
    patch = flights.read(0, 0, 1)[0][y1 - 8 : y2 + 8, x1 - 8 : x2 + 8]
    box = np.array([8, 8, 8 + x2 - x1, 8 + y2 - y1], np.float32)
    share, background = matte(patch, box)
    assert share.sum() == pytest.approx(BAR[0] * BAR[1], rel=0.35)
    assert share[8 + LOOSE + 3, 8 + LOOSE + 3] == 1 and share[2, 2] == 0
    assert np.abs(background.astype(int) - flights.shade(0)).max() <= 1


def test_what_stands_before_something_restless_is_not_cut_out():
    assert cut_out(Flights(restless=True), FRAMES) == []


class Untracked(Flights):
    def labels(self, index):
        labels = super().labels(index)
        return [dataclasses.replace(frame, tracks=np.full_like(frame.tracks, NO_TRACK)) for frame in labels]


def test_an_object_without_a_track_is_cut_out_of_single_pictures_only():
    assert cut_out(Untracked(), FRAMES) == []
    assert len(cut_out(Untracked(frames=1), FRAMES)) == 4
    with pytest.raises(InputError, match="--link"):
        SceneSwaps(Untracked(), [], SIZE)


def test_cutouts_say_where_they_come_from(cutouts):
    assert {one.source for one in cutouts} == {video.name for video in Flights().videos}
    first = cutouts[0]
    assert first.kind == "kite" and len(first.patches) == FRAMES
    np.testing.assert_array_equal(first.places[0], Flights().box(first.video, first.start))


@pytest.mark.parametrize("frames", [1, FRAMES])
def test_windows_show_the_object_where_their_labels_say(frames):
    flights = Flights(frames=frames)
    windows = ObjectWindows(flights, 12, SIZE, FRAMES)
    seen = 0
    for index in range(len(windows)):
        frame = windows.read(index)
        assert frame.shape == (FRAMES, SIZE, SIZE, 3)
        shade = flights.shade(int(windows.videos[index].name.split("+")[0][-1]))
        for picture, labels in zip(frame, windows.labels(index), strict=True):
            whole = len(labels.boxes) and (labels.boxes[0, :2] > 1).all() and (labels.boxes[0, 2:] < SIZE - 1).all()
            if whole:
                seen += 1
                assert overlap(picture, shade, labels) > 0.75
    assert seen > 20


def test_parts_of_a_window_are_those_of_the_whole():
    windows = ObjectWindows(Flights(), 2, SIZE, FRAMES)
    np.testing.assert_array_equal(windows.read(1)[2:4], windows.read(1, 2, 4))


def test_pasted_objects_are_where_their_labels_say(cutouts):
    flights = Flights(videos=4, empty=2)
    pasted = PastedTracks(cutouts, flights, flights.classes, 16, SIZE, FRAMES)
    shares = []
    for index in range(len(pasted)):
        frames, labels = pasted.read(index), pasted.labels(index)
        assert frames.shape == (FRAMES, SIZE, SIZE, 3)
        for picture, one in zip(frames, labels, strict=True):
            whole = len(one.boxes) == 1 and (one.boxes[0, :2] > 2).all() and (one.boxes[0, 2:] < SIZE - 2).all()
            if whole and not len(one.ignored):
                shares.append(overlap(picture, int(np.median(picture)), one))
    assert len(shares) > 20 and np.median(shares) > 0.75


def test_a_class_says_nothing_of_the_scene(cutouts):
    flights = Flights()
    pasted = PastedTracks(cutouts, flights, flights.classes, 60, SIZE, FRAMES)
    names = [video.name.split("+") for video in pasted.videos]
    foreign = [parts[0].split("_")[1] != parts[-2].split("_")[1] for parts in names]
    assert 0.6 < np.mean(foreign) < 1


def test_the_same_seed_gives_the_same_clips(cutouts):
    flights = Flights()
    first, second = (PastedTracks(cutouts, flights, flights.classes, 2, SIZE, FRAMES, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.read(1), second.read(1))
    assert [video.name for video in first.videos] == [video.name for video in second.videos]


def test_things_of_other_classes_are_pasted_without_a_label(cutouts):
    flights = Flights()
    pasted = PastedTracks(cutouts, MixedVideos([OfClasses(flights, ("kite", "plane"))]), ("kite",), 20, SIZE, FRAMES)
    assert {int(kind) for index in range(20) for labels in pasted.labels(index) for kind in labels.classes} == {0}
    assert any("PLANE" in video.name.rsplit("+", 2)[0] for video in pasted.videos)


def test_a_class_without_cutouts_is_named(cutouts):
    kites = [one for one in cutouts if one.kind == "kite"]
    with pytest.raises(InputError, match="plane"):
        PastedTracks(kites, Flights(), Flights.classes, 1, SIZE, FRAMES)


def test_backgrounds_full_of_objects_are_refused(cutouts):
    with pytest.raises(InputError, match="without an object"):
        PastedTracks(cutouts, Flights(frames=2), Flights.classes, 1, SIZE, FRAMES)


def test_a_swapped_object_keeps_its_place_and_its_pixels(cutouts):
    flights = Flights(videos=4)
    swaps = SceneSwaps(flights, cutouts[:2], SIZE)
    assert swaps.scenes == [None, "kite", "plane"] * 2
    assert swaps.cutouts == [0] * 3 + [1] * 3
    own, other = swaps.read(0), swaps.read(2)
    labels = swaps.labels(0)[0], swaps.labels(2)[0]
    np.testing.assert_array_equal(labels[0].boxes, labels[1].boxes)
    x1, y1, x2, y2 = labels[0].boxes[0].round().astype(int)
    middle = np.s_[(y1 + y2) // 2, (x1 + x2) // 2]
    assert abs(int(own[0][middle][0]) - int(other[0][middle][0])) <= 3
    assert abs(int(own[0][0, 0, 0]) - int(other[0][0, 0, 0])) >= 20


def test_other_classes_are_left_out_and_the_rest_is_renumbered():
    flights = Flights()
    seen = OfClasses(flights, ("plane",))
    assert [len(seen.labels(index)[0].boxes) for index in range(4)] == [0, 1, 0, 1]
    assert seen.labels(1)[0].classes.tolist() == [0]


@pytest.fixture(scope="module")
def whole_frames(tmp_path_factory):
    """`Flights` on disk, as the split `train`."""
    folder = tmp_path_factory.mktemp("flights")
    write_coco_vid(Flights(), folder, "train")
    return folder


@pytest.mark.parametrize("action", ["windows", "paste"])
def test_the_commands_write_data_sets_that_train(action, whole_frames, tmp_path):
    command = ["data", action, str(whole_frames), f"{whole_frames}:train", "--out", str(tmp_path / "out")]
    assert main([*command, "--videos", "3", "--frames", "4", "--size", "48"]) == 0
    written = open_videos(tmp_path / "out", "train")
    assert len(written) == 3 and written.classes == Flights.classes
    assert written.read(2).shape == (4, 48, 48, 3) and len(written.labels(2)) == 4


@pytest.mark.parametrize(
    "mistake, words",
    [
        (["--videos", "0"], "--videos must be at least 1"),
        (["--size", "8"], "--size must be at least 32"),
        (["--seed=-1"], "--seed must be at least 0"),
    ],
)
def test_numbers_out_of_range_are_named(mistake, words, whole_frames, tmp_path, capsys):
    assert main(["data", "paste", str(whole_frames), "--out", str(tmp_path / "out"), *mistake]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["data", "windows", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "none" in capsys.readouterr().err


def test_frames_that_nobody_has_labelled_are_not_taken_for_empty(cutouts):
    unseen = Flights()
    unseen.videos = [dataclasses.replace(video, unlabelled=frozenset({5})) for video in unseen.videos]
    windows = ObjectWindows(unseen, 8, SIZE, FRAMES)
    assert all(len(video.unlabelled) <= 1 for video in windows.videos)
    assert any(video.unlabelled for video in windows.videos)
    unseen.videos = [dataclasses.replace(video, unlabelled=frozenset(range(12))) for video in unseen.videos]
    with pytest.raises(InputError, match="without an object"):
        PastedTracks(cutouts, unseen, Flights.classes, 1, SIZE, FRAMES)
