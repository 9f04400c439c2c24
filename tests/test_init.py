"""`sge init`: a configuration from a look at the labels, with a reason for every choice."""

import itertools
import re

import numpy as np
import pytest
from command_line import files, refused

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.config import load_config
from keras_sge.config.document import format_value, parse_yaml
from keras_sge.data import FrameLabels, Video, VideoDataset, check_videos
from keras_sge.data.proposal import propose_config


class Moving(VideoDataset):
    """Videos with one square object of `side` pixels in every frame, 0 for none; there is no frame to read."""

    classes = ("kite", "no", "1e3")

    def __init__(self, size=(640, 480), side=96, videos=8, length=40, fps=10.0):
        self._side = side
        self.videos = [Video(i + 1, f"clip_{i}", *size, fps, length) for i in range(videos)]

    def read(self, index, start=0, stop=None):
        raise AssertionError("frames are not looked at")

    def labels(self, index):
        one = np.zeros(1 if self._side else 0, np.int32)
        corners = np.arange(self.videos[index].length) % 20
        boxes = [np.float32([[x, 5, x + self._side, 5 + self._side]])[: len(one)] for x in corners]
        return [FrameLabels(box, one + index % 3, one) for box in boxes]


def proposed(dataset, split="train", splits=("train", "val"), minutes=60.0):
    report = check_videos(dataset, read_frames=False)
    return propose_config(dataset, report, "data/mine", split, splits, minutes)


@pytest.mark.parametrize(
    ("size", "side", "input_size", "finer"),
    [
        # A fifth of the frame's height and more: the smallest input; its sides as the frame's.
        ((640, 480), 120, (96, 128), False),
        ((480, 640), 120, (128, 96), False),
        # 40 of 640 px: 20 px at half of the size; then the finer map at half of that.
        ((640, 480), 40, (256, 320), False),
        ((640, 480), 20, (256, 320), True),
        ((1920, 1080), 32, (352, 640), True),
        # The frame has no more pixels, however small the objects are.
        ((320, 192), 5, (192, 320), True),
        ((64, 64), 30, (128, 128), False),
    ],
)
def test_small_objects_get_pixels_then_a_finer_map(size, side, input_size, finer):
    network = proposed(Moving(size, side)).config.network
    assert (network.input_size, network.finer_map) == (input_size, finer)
    assert len(network.anchors.sizes) == 3 + len(network.extras) + finer
    assert not network.turned_from(*size)


@pytest.mark.parametrize(("length", "clip_length", "batch"), [(40, 8, 4), (8, 8, 4), (5, 4, 8), (2, 2, 16), (1, 1, 32)])
def test_clips_are_no_longer_than_videos(length, clip_length, batch):
    config = proposed(Moving(length=length)).config
    assert (config.training.clip_length, config.training.batch_size) == (clip_length, batch)
    assert config.network.recurrent == (length > 1)
    assert config.training.single_frame_epochs == (5 if length > 1 else 0)


def test_twice_the_minutes_are_twice_the_steps_and_a_larger_input_takes_longer():
    def steps(minutes, side=120):
        training = proposed(Moving(side=side), minutes=minutes).config.training
        return training.epochs * training.steps_per_epoch

    assert steps(60) == pytest.approx(2 * steps(30), rel=0.01)
    assert steps(60, side=40) < steps(60) / 4
    assert steps(0.001) == 1


def test_what_is_held_back_is_a_split_or_else_a_fold():
    assert proposed(Moving(), splits=("train", "valid")).config.data.validation_split == "valid"
    config = proposed(Moving(), "all", ("all",)).config
    assert (config.data.train_split, config.data.fold, config.data.folds) == ("all", 0, 4)
    config = proposed(Moving(videos=1), "all", ("all",)).config
    assert config.data.fold is None and config.training.validation_steps == 0


@pytest.mark.parametrize("length", [40, 1])
def test_the_text_is_the_configuration_with_a_reason_for_each_choice(tmp_path, length):
    proposal = proposed(Moving(length=length))
    (tmp_path / "my.yaml").write_text(proposal.text(["first"]))
    assert load_config(tmp_path / "my.yaml").network == proposal.config.network
    assert load_config(tmp_path / "my.yaml").data == proposal.config.data
    assert load_config(tmp_path / "my.yaml").network.classes == ("kite", "no", "1e3")
    lines = proposal.text(["first"]).splitlines()
    assert lines[0] == "# first" and max(map(len, lines)) <= 120
    settings = [(before, line) for before, line in itertools.pairwise(lines) if re.match(r"  \w", line)]
    plain = [line.split(":")[0].strip() for before, line in settings if not before.startswith("  # ")]
    assert len(settings) > 20 and plain == ["train_split", "momentum"]


@pytest.mark.parametrize("value", [["a b", "no", "1e3", "x: y", "#z"], {"a": [1, 2.5]}, None, True, 1e-3, "text", 0.5])
def test_a_value_in_a_line_reads_back(value):
    text = f"key: {format_value(value)}\n"
    assert parse_yaml(text, "test") == {"key": value} and text.count("\n") == 1


def test_what_cannot_be_learned_is_refused():
    for dataset, minutes, words in ((Moving(side=0), 60, "no box"), (Moving(), 0, "above 0"), (Moving(), -1, "above")):
        with pytest.raises(InputError, match=words):
            proposed(dataset, minutes=minutes)


def test_the_command_writes_what_train_reads_and_says_what_comes_next(folder, tiny_coco, capsys):
    assert main(["init", str(tiny_coco), "--out", "my.yaml", "--minutes", "5"]) == 0
    printed = capsys.readouterr().out
    config = load_config("my.yaml")
    assert (config.data.path, config.data.validation_split) == (str(tiny_coco), "val")
    assert config.network.input_size == (128, 128) and len(config.network.classes) == 4
    assert config.training.start_from.endswith("quickstart_start.npz")
    assert "sge train my.yaml --run runs/my" in printed.splitlines()[-1]
    assert "measured on while training: val\n" in printed
    assert (folder / "my.yaml").read_text().startswith("# sge train my.yaml --run runs/my\n# Proposed for ")
    assert files(folder) == ["my.yaml"]


def test_the_command_writes_over_nothing_and_names_mistakes(folder, tiny_coco, capsys):
    (folder / "my.yaml").write_text("mine")
    assert "my.yaml is there" in refused(capsys, "init", tiny_coco, "--out", "my.yaml")
    assert "FILE.yaml" in refused(capsys, "init", tiny_coco, "--out", "my.json")
    assert "sge data convert x.zip" in refused(capsys, "init", "x.zip", "--out", "other.yaml")
    assert "no/data" in refused(capsys, "init", "no/data", "--out", "other.yaml")
    assert "no/other.yaml" in refused(capsys, "init", tiny_coco, "--out", "no/other.yaml")
    assert "train, val" in refused(capsys, "init", tiny_coco, "--out", "other.yaml", "--split", "nope")
    assert files(folder) == ["my.yaml"] and (folder / "my.yaml").read_text() == "mine"
