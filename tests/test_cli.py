"""`sge`: mistakes give exit code 2, one clear line and nothing left behind."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest
from command_line import files, refused

from edge.cli.run_command import EXIT_CODES
from keras_sge.cli.main import main

COMMANDS = sorted(entry.name for entry in importlib.metadata.entry_points(group="sge.commands"))
START = Path(__file__).parents[1] / "configs" / "quickstart_start.npz"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: sge {command}") and "examples:" in text
    assert text.endswith(f"{EXIT_CODES}\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["data", "synthetic", "--help"], ["data", "look", "--help"], ["--version"]]
)
def test_other_help(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "sge" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "--nonsense"], ["export", "x"], ["data"]])
def test_unknown_words_exit_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: sge" in capsys.readouterr().err


BAD = {
    "unknown configuration": (["train", "quickstrat", "--run", "run"], ["quickstrat", "quickstart"]),
    "missing configuration file": (["summary", "no/such.yaml"], ["no/such.yaml"]),
    "unknown key": (["train", "quickstart", "--run", "run", "--set", "training.epoch=3"], ["training.epochs"]),
    "wrong type": (["summary", "quickstart", "--set", "network.alpha=wide"], ["network.alpha", "wide"]),
    "out of range": (["summary", "quickstart", "--set", "network.alpha=9"], ["network.alpha", "9"]),
    "override without a value": (["summary", "quickstart", "--set", "network.alpha"], ["key.path=value"]),
    "override that is no YAML": (["summary", "quickstart", "--set", "network.classes=[a"], ["network.classes"]),
    "no configuration": (["train"], ["CONFIG"]),
    "missing data": (["train", "quickstart", "--run", "run", "--data", "no/data"], ["no/data"]),
    "missing data, from the configuration": (["train", "mnet_ssd320", "--run", "run"], ["data/imagenet_vid"]),
    "resuming nothing": (["train", "--resume", "--run", "run"], ["run", "config.yaml"]),
    "exporting nothing": (["export", "runs/none", "--out", "x.tflite"], ["runs/none"]),
    "exporting to nowhere": (["export", "runs/none", "--out", "no/x.tflite"], ["no"]),
    "calibrating what is not rounded": (
        ["export", "runs/none", "--out", "x.tflite", "--precision", "float32", "--calibrate", "d"],
        ["float16, dynamic and int8", "float32"],
    ),
    "leaving out of nothing": (
        ["export", "runs/none", "--out", "x.tflite", "--precision", "int8", "--fold", "0/4"],
        ["--fold leaves videos of --calibrate DIR out"],
    ),
    "float ends of a file with none other": (
        ["export", "runs/none", "--out", "x_int8_float_io.tflite", "--precision", "dynamic", "--float-io"],
        ["--float-io goes with --precision int8", "dynamic"],
    ),
    "exporting to another kind": (["export", "runs/none", "--out", "x.onnx"], [".tflite", "x.onnx"]),
    "evaluating nothing": (["evaluate", "none.tflite"], ["none.tflite"]),
    "evaluating no run": (["evaluate", "runs/none"], ["runs/none"]),
    "evaluating into nowhere": (["evaluate", "none.tflite", "--json", "no/x.json"], ["no/x.json"]),
    "summary into nowhere": (["summary", "quickstart", "--json", "no/x.json"], ["no/x.json"]),
    "unknown split": (["data", "look", "no/data", "--out", "x.png"], ["no/data"]),
    "no videos": (["data", "synthetic", "--out", "sky", "--videos", "0"], ["0"]),
    "frames too small": (["data", "synthetic", "--out", "sky", "--size", "8"], ["8"]),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_named_and_leave_nothing(name, folder, capsys):
    arguments, words = BAD[name]
    line = refused(capsys, *arguments)
    assert all(word in line for word in words), line
    assert files(folder) == []


def test_broken_yaml_is_one_line_too(folder, capsys):
    (folder / "mine.yaml").write_text("network: [1\n  x: 2\n")
    assert "mine.yaml" in refused(capsys, "train", "mine.yaml", "--run", "run")
    assert files(folder) == ["mine.yaml"]


def test_missing_split_is_named(folder, capsys, tiny_coco, tiny_tflite):
    assert "train, val" in refused(capsys, "evaluate", tiny_tflite, "--data", tiny_coco, "--split", "nope")
    assert "train, val" in refused(capsys, "evaluate", tiny_tflite, "--split", "nope")


@pytest.mark.parametrize("name", ["text.txt", "text.tflite", "text.keras", "picture.png"])
@pytest.mark.parametrize("content", [b"", b"hello, this is no model at all", bytes(4) + b"TFL3" + bytes(400)])
def test_what_is_no_model_is_named(name, content, folder, capsys):
    (folder / name).write_bytes(content)
    for command in (["evaluate", name], ["export", name, "--out", "x.tflite"]):
        assert name in refused(capsys, *command)
    assert files(folder) == [name]


@pytest.mark.parametrize("share", [0, 8, "half", "all but one"])
def test_cut_files_are_named(share, folder, capsys, tiny_tflite, tiny_keras):
    for whole, name in ((tiny_tflite, "cut.tflite"), (tiny_keras, "cut.keras")):
        content = whole.read_bytes()
        length = {"half": len(content) // 2, "all but one": len(content) - 1}.get(share, share)
        (folder / name).write_bytes(content[:length])
        assert name in refused(capsys, "evaluate", name)
    assert files(folder) == ["cut.keras", "cut.tflite"]


def test_another_program_s_tflite_is_named(folder, capsys, tiny_tflite):
    from edge.metadata import read_model

    (folder / "foreign.tflite").write_bytes(read_model(tiny_tflite)[0])
    assert "sge export" in refused(capsys, "evaluate", "foreign.tflite")


def test_another_program_s_keras_file_is_named(folder, capsys):
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save("other.keras")
    for command in (["evaluate", "other.keras"], ["export", "other.keras", "--out", "x.tflite"]):
        assert "SGENet" in refused(capsys, *command)


def test_unknown_precision_is_named(folder, capsys, tiny_keras):
    line = refused(capsys, "export", tiny_keras, "--out", "x.tflite", "--precision", "int3")
    assert "int3" in line and "float16" in line
    assert files(folder) == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["demo"], "tensorflow"),
        (["demo"], "matplotlib"),
        (["export", "runs/none", "--out", "x.tflite"], "tqdm"),
        (["evaluate", "none.tflite", "--pictures", "p"], "matplotlib"),
        (["compare", "a.tflite", "--data", "d", "--out", "r"], "matplotlib"),
        (["reproduce", "table1"], "matplotlib"),
        (["reproduce", "figure2"], "matplotlib"),
        (["qat", "quickstart", "--from", str(START), "--run", "q"], "tensorflow_model_optimization"),
    ],
)
def test_what_a_later_step_needs_is_missed_at_once(arguments, missing, folder, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == missing else find(name, *rest))
    assert f"this needs {missing}, which is not installed" in refused(capsys, *arguments)
    assert files(folder) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "quickstart", "--run", "{}"],
        ["qat", "quickstart", "--from", "runs/none", "--run", "{}"],
        ["data", "synthetic", "--out", "{}"],
        ["data", "convert", "no/data", "--out", "{}"],
        ["compare", "a.tflite", "--data", "no/data", "--out", "{}"],
        ["reproduce", "table1", "--out", "{}"],
        ["reproduce", "figure2", "--out", "{}"],
        ["reproduce", "table1", "--out", "r", "--runs", "{}"],
    ],
)
@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_is_refused_first(arguments, place, folder, capsys):
    (folder / "taken").write_text("mine")
    line = refused(capsys, *(argument.format(place) for argument in arguments))
    assert line.startswith(f"sge: error: cannot write into {place}: ") and "is a file. Give another folder" in line
    assert files(folder) == ["taken"] and (folder / "taken").read_text() == "mine"


def test_a_sheet_of_an_unknown_kind_is_refused_before_the_data_is_read(folder, capsys):
    assert "x.gift" in refused(capsys, "data", "look", "no/data", "--out", "x.gift")
    assert "no folder" in refused(capsys, "data", "look", "no/data", "--out", "no/x.png")
