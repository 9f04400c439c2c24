"""`sge data` over every format, from end to end."""

import dataclasses
import importlib.metadata
import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from video_trees import shades, vid_object, vid_xml, write_sequence, write_vid, write_vid_video

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.config import builtin_configs
from keras_sge.data import CocoVid, ImageNetVid, MotChallenge, check_videos, open_videos
from keras_sge.data.figures import data_figure, sample_sheet
from keras_sge.data.formats.annotation_values import CLIPPED, MERGED, NO_AREA
from keras_sge.data.open import FORMS
from keras_sge.data.synthetic import SyntheticSky
from keras_sge.data.views import PickedFrames

MOT_LINES = [f"{t},1,{5 + 4 * t},5,20,30,1,1,1" for t in range(1, 5)] + ["1,2,40,30,10,10,1,1,1"]


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_coco):
    """A working directory with one data set of each format."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_coco, tmp_path / "coco")
    write_vid(tmp_path / "vid")
    for name in ("MOT17-02", "MOT17-04"):
        write_sequence(tmp_path / "mot", name, MOT_LINES)
    return tmp_path


def refused(capsys, *arguments):
    """The error line of a command that must fail with exit code 2; progress bars may come before it."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "sge: error: " in line]
    assert len(error) == 1
    return error[0]


FORMATS = {"coco": ("val", CocoVid), "vid": ("train", ImageNetVid), "mot": ("train", MotChallenge)}


@pytest.mark.parametrize("name", FORMATS)
def test_the_layout_tells_the_format(name, folder):
    split, kind = FORMATS[name]
    dataset = open_videos(folder / name, split, progress=iter)
    assert type(dataset) is kind and len(dataset) > 1
    with pytest.raises(InputError, match=r"splits found: .*train"):
        open_videos(folder / name, "nope")


def test_other_folders_get_one_error_with_all_forms(folder):
    for place in (folder, folder / "none", folder / "vid" / "Data"):
        with pytest.raises(InputError) as caught:
            open_videos(place, "val")
        text = str(caught.value)
        assert str(place) in text and "\n" not in text
        assert "no file or folder" in text or all(form.layout in text for form in FORMS)


@pytest.mark.parametrize("name", FORMATS)
def test_check_says_what_is_there(name, folder, capsys):
    split, _ = FORMATS[name]
    arguments = [name, "--split", split, "--json", "x.json", "--out", "x.png", "--config", "quickstart"]
    assert main(["data", "check", *arguments]) == 0
    printed, document = capsys.readouterr().out, json.loads((folder / "x.json").read_text())
    dataset = open_videos(folder / name, split)
    boxes = [len(frame.boxes) for index in range(len(dataset)) for frame in dataset.labels(index)]
    assert (document["clips"], document["frames"]) == (len(dataset), len(boxes))
    assert (document["boxes"], document["empty_frames"]) == (sum(boxes), boxes.count(0))
    assert sum(document["boxes_by_class"].values()) == sum(boxes) and document["problems"] == []
    assert 0 <= document["anchors"]["recall"] <= 1 and len(document["anchors"]["by_map"]) == 3
    assert "best-possible recall" in printed and dataset.classes[0] in printed
    assert cv2.imread("x.png").shape[1] > 1000


def test_the_figures_are_right(folder):
    report = check_videos(MotChallenge(folder / "mot", "train"))
    assert (report.clips, report.frames, report.tracks, len(report.boxes)) == (2, 8, 4, 10)
    assert report.frame_sizes == {"64 x 48": 2} and report.boxes_by_class == {"pedestrian": 10}
    sizes = np.sqrt(np.array([20 * 30] * 4 + [10 * 10]) / (64 * 48))
    np.testing.assert_allclose(sorted(report.relative_sizes), sorted([*sizes, *sizes]), rtol=1e-6)
    assert report.size_percentiles["50"] == pytest.approx(np.median([*sizes, *sizes]), abs=1e-4)
    # 4 px a frame of 20: IoU 16/24, 12/28, 8/32.
    outer, inner = np.mean([16 / 24, 12 / 28, 8 / 32]), np.mean([16 / 24, 16 / 24, 12 / 28])
    expected = [outer, np.nan, inner, inner, outer]
    np.testing.assert_allclose(report.motion, expected * 2, atol=1e-6)
    assert report.speed == {"slow": 0, "medium": 0, "fast": 1}


def test_all_problems_are_listed_and_end_with_one(folder, capsys):
    for number in range(24):
        text = vid_xml(vid_object("n1" if number else "n02084071", (1, 1, 9, 9)))
        write_vid_video(folder / "bad", f"val/v{number:02d}", [vid_xml(), text])
    capsys.readouterr()
    assert main(["data", "check", "bad", "--json", "x.json", "--out", "x.png"]) == 1
    printed = capsys.readouterr()
    assert "23 of 24 videos" in printed.out.splitlines()[-1]
    assert "v01/000001.xml" in printed.out and "v20/" in printed.out and "v21/" not in printed.out
    assert "and 3 more" in printed.out
    document = json.loads((folder / "x.json").read_text())
    assert len(document["problems"]) == 23 and (document["clips"], document["frames"], document["boxes"]) == (24, 2, 1)
    assert (folder / "x.png").stat().st_size > 0


def test_figures_go_to_standard_output_alone(folder, capsys):
    assert main(["data", "check", "mot", "--split", "train", "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["boxes"] == 10 and "clips        2" in printed.err


def test_check_counts_what_was_not_taken_as_it_stands(folder, capsys):
    """40 lines twice, one beyond the edge, one outside, one that does not count, labels on every second frame."""
    lines = [f"{t},1,{t % 9},5,20,30,1,1,1" for t in range(1, 60, 2)]
    others = ["1,2,50,30,40,10,1,1,1", "3,2,90,30,10,10,1,1,1", "5,3,30,30,10,10,0,1,1"]
    write_sequence(folder / "odd", "a", lines + lines[:20] + others, length=60)
    assert main(["data", "check", "odd", "--split", "train", "--json", "x.json", "--out", "x.png"]) == 0
    printed, document = capsys.readouterr(), json.loads((folder / "x.json").read_text())
    assert (document["frames"], document["unlabelled_frames"], document["empty_frames"]) == (60, 30, 0)
    assert document["boxes"] == 31 and document["ignored_regions"] == 1
    assert document["changes"] == {CLIPPED: 1, NO_AREA: 1, MERGED: 20}
    assert "and 30 unlabelled" in printed.out and "1 regions to ignore" in printed.out
    assert f"1 entries {CLIPPED}, 1 entries {NO_AREA}, 20 entries {MERGED}" in printed.out
    assert "30 of 60 frames are unlabelled" in printed.err and document["notes"]


def test_unlabelled_frames_stay_unlabelled_in_a_conversion(folder):
    write_sequence(folder / "odd", "a", [f"{t},1,1,5,20,30,1,1,1" for t in range(2, 60, 2)], length=60)
    assert main(["data", "convert", "odd", "--split", "train", "--out", "new"]) == 0
    assert CocoVid(folder / "new", "train").videos[0].unlabelled == frozenset(range(0, 60, 2))


def test_an_input_size_that_turns_frames_round_is_named(folder, capsys):
    (folder / "mine.yaml").write_text(builtin_configs()["quickstart"].read_text().replace("[128, 128]", "[192, 96]"))
    assert main(["data", "check", "mot", "--split", "train", "--config", "mine.yaml"]) == 0
    assert "96 wide, 192 high, but frames are 64 wide, 48 high" in capsys.readouterr().err


def test_frames_are_read_unless_told_otherwise(folder, capsys):
    (folder / "mot" / "train" / "MOT17-02" / "img1" / "000004.jpg").write_bytes(b"no picture")
    (folder / "mot" / "train" / "MOT17-04" / "img1" / "000002.jpg").write_bytes(b"no picture")
    assert main(["data", "check", "mot", "--split", "train"]) == 1
    assert "1 of 2 videos" in capsys.readouterr().out
    assert main(["data", "check", "mot", "--split", "train", "--no-frames"]) == 0


def test_a_set_without_any_object_is_checked(folder, capsys):
    write_vid_video(folder / "empty", "val/v", [vid_xml(), vid_xml()])
    assert main(["data", "check", "empty", "--out", "x.png", "--json", "x.json", "--config", "quickstart"]) == 0
    assert "no boxes" in capsys.readouterr().out
    document = json.loads((folder / "x.json").read_text())
    assert document["size_percentiles"]["50"] is None and document["speed"]["slow"] is None
    assert "without boxes" in refused(capsys, "data", "anchors", "empty", "--config", "quickstart")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_converted(name, folder, capsys):
    split, _ = FORMATS[name]
    assert main(["data", "convert", name, "--split", split, "--out", "new"]) == 0
    original, copy = open_videos(folder / name, split), CocoVid(folder / "new", split)
    assert copy.classes == original.classes and len(copy) == len(original)
    for index in range(len(copy)):
        one, other = original.videos[index], copy.videos[index]
        assert (one.name, one.width, one.height, one.fps, one.length) == (
            other.name,
            other.width,
            other.height,
            other.fps,
            other.length,
        )
        for before, after in zip(original.labels(index), copy.labels(index), strict=True):
            np.testing.assert_allclose(before.boxes, after.boxes, atol=2e-3)
            np.testing.assert_array_equal(before.classes, after.classes)
            np.testing.assert_array_equal(before.tracks, after.tracks)
    if name != "coco":
        assert shades(copy.read(1)) == shades(original.read(1))
    assert "exists already" in refused(capsys, "data", "convert", name, "--split", split, "--out", "new")


def test_anchors_are_printed_as_yaml(folder, capsys):
    arguments = ["data", "anchors", "mot", "--split", "train", "--config", "quickstart", "--ratios", "3"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| present, quickstart | 6 |" in printed and "| proposed | 8 |" in printed
    anchors = yaml.safe_load(printed[printed.index("network:") :])["network"]["anchors"]
    assert len(anchors["sizes"]) == 4 and len(anchors["ratios"]) == 3
    assert main(arguments) == 0 and capsys.readouterr().out == printed


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_looked_at(name, folder, capsys):
    arguments = ["data", "look", name, "--split", FORMATS[name][0], "--out", "sheet.png", "--videos", "2"]
    assert main([*arguments, "--frames", "2"]) == 0
    assert cv2.imread("sheet.png").shape[:2] == ((386, 386) if name == "coco" else (290, 386))
    assert "x.png" in refused(capsys, *arguments[:-3], "no/x.png")


def test_picked_frames_are_those_frames(folder):
    picked = PickedFrames(ImageNetVid(folder / "vid", "train"), [(1, [0, 3]), (0, [2, 1, 2])])
    assert [video.length for video in picked.videos] == [2, 3]
    assert shades(picked.read(0)) == [100, 130] and shades(picked.read(1, 1)) == [10, 20]
    assert [len(frame.boxes) for frame in picked.labels(1)] == [2, 1, 2]


BAD = {
    "no data": (["check", "none"], ["none", "which is no file or folder"]),
    "another folder": (["convert", "vid/Data", "--out", "new"], ["vid/Data", "COCO-VID", "MOTChallenge"]),
    "unknown split": (["anchors", "mot", "--split", "val", "--config", "quickstart"], ["mot/val", "train"]),
    "unknown configuration": (["check", "coco", "--config", "quickstrat"], ["quickstrat", "quickstart"]),
    "too many ratios": (["anchors", "coco", "--config", "quickstart", "--ratios", "9"], ["0 to 5", "9"]),
    "figures into nowhere": (["check", "coco", "--json", "no/x.json"], ["no/x.json"]),
    "picture into nowhere": (["check", "coco", "--out", "no/x.png"], ["no/x.png"]),
    "picture of another kind": (["check", "coco", "--out", "x.mp4"], ["x.mp4", ".png"]),
    "no rows": (["look", "coco", "--out", "x.png", "--videos", "0"], ["--videos"]),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_named_and_leave_nothing(name, folder, capsys):
    arguments, words = BAD[name]
    before = sorted(folder.rglob("*"))
    line = refused(capsys, "data", *arguments)
    assert all(word in line for word in words), line
    assert sorted(folder.rglob("*")) == before


def test_anchors_want_labels_without_a_mistake(folder, capsys):
    path = next((folder / "vid" / "Annotations").rglob("000002.xml"))
    path.write_text("<annotation>")
    line = refused(capsys, "data", "anchors", "vid", "--split", "train", "--config", "quickstart")
    assert "000002.xml" in line and "sge data check" in line


@pytest.mark.parametrize("action", ["check", "convert", "anchors"])
def test_help_of_the_actions(action, capsys):
    assert "data" in {entry.name for entry in importlib.metadata.entry_points(group="sge.commands")}
    with pytest.raises(SystemExit) as caught:
        main(["data", action, "--help"])
    assert caught.value.code == 0 and "--split" in capsys.readouterr().out


class Lengths(SyntheticSky):
    """Synthetic videos cut to lengths of their own and drawn in shapes of their own, (width, height)."""

    def __init__(self, lengths, shapes=((64, 64),)):
        super().__init__(videos=len(lengths), frames=max(lengths), size=64)
        self.shapes = [shapes[place % len(shapes)] for place in range(len(lengths))]
        self.videos = [
            dataclasses.replace(video, length=length, width=width, height=height)
            for video, length, (width, height) in zip(self.videos, lengths, self.shapes, strict=True)
        ]

    def read(self, index, start=0, stop=None):
        stop = self.videos[index].length if stop is None else stop
        return np.stack([cv2.resize(frame, self.shapes[index]) for frame in super().read(index, start, stop)])


# Rows and columns of a sheet that may have 4 by 5.
SHEETS = {(1,): (1, 1), (3,): (1, 3), (30,): (4, 5), (2, 2, 2): (3, 2), (7, 30, 1, 3): (3, 5), (1,) * 4: (1, 4)}


@pytest.mark.parametrize("lengths", SHEETS)
def test_a_sheet_has_no_empty_place(lengths):
    sheet = sample_sheet(Lengths(lengths), range(len(lengths)), 4, 5)
    rows, columns = SHEETS[lengths]
    assert sheet.shape == (rows * 194 - 2, columns * 194 - 2, 3)
    for row in range(rows):
        for column in range(columns):
            assert np.ptp(sheet[194 * row :, 194 * column :][:192, :192]) > 20


def test_a_frame_of_another_shape_is_not_stretched():
    sheet = sample_sheet(Lengths((2, 2), ((400, 200), (100, 200))), range(2), 2, 2)
    assert sheet.shape == (2 * 162 - 2, 2 * 322 - 2, 3)
    upright = sheet[162:, :320]
    # Half as wide as high, in the middle.
    gray = (upright == 200).all(axis=(0, 2))
    assert gray[:118].all() and gray[202:].all() and not gray[122:198].any()


@pytest.mark.parametrize(("lengths", "objects", "panels"), [((1,), True, 3), ((3, 2), True, 4), ((4, 4), False, 1)])
def test_a_figure_of_little_has_no_empty_panel(lengths, objects, panels, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: drawn.append(figure) or save(figure, *a, **k))
    dataset = Lengths(lengths)
    report = check_videos(dataset)
    if not objects:
        report = dataclasses.replace(
            report, boxes=report.boxes[:0], box_classes=report.box_classes[:0], motion=report.motion[:0]
        )
    data_figure(dataset, report, tmp_path / "x.png")
    assert len(drawn[0].axes) == panels and all(axes.has_data() for axes in drawn[0].axes)


def test_data_is_made_and_looked_at(folder, capsys):
    assert main(["data", "synthetic", "--out", "sky", "--videos", "2", "--frames", "4", "--size", "64"]) == 0
    assert main(["data", "look", "sky", "--out", "sheet.png", "--videos", "2", "--frames", "2"]) == 0
    assert (folder / "sheet.png").stat().st_size > 0
    assert {path.name for path in (folder / "sky" / "annotations").iterdir()} == {"train.json", "val.json"}
    capsys.readouterr()
    assert "exists already" in refused(capsys, "data", "synthetic", "--out", "sky", "--videos", "1")
