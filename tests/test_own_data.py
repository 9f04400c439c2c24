"""What commands take from the run that a model belongs to, and that what they suggest runs as it stands."""

import argparse
import json
import shlex
import shutil

import pytest
import yaml
from tiny import tiny_config

from edge.cli.main import main as edge_main
from edge.metadata import read_model
from keras_sge.cli.main import main
from keras_sge.cli.own_data import evaluate_command, take_own_data
from keras_sge.config import AnchorConfig, Config, DataConfig, Fold, TrainingConfig, config_to_dict, load_config
from keras_sge.config.run_folder import RunFolder, run_data

NETWORK = tiny_config(memory=None, entropy=None, extras=(), anchors=AnchorConfig(sizes=(12.0, 24.0, 40.0)))
TRAINING = TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=1, clip_length=2, validation_steps=1)


def write_run(folder, **data):
    """A run as far as its data go; there is nothing in its checkpoint."""
    run = RunFolder(folder)
    run.write_config(Config(NETWORK, DataConfig(**data), TRAINING))
    run.model.touch()
    return folder


def given(model, **options):
    return argparse.Namespace(**{"model": model, "data": None, "split": None, "fold": None, **options})


MAPS = {"path": "sky", "train_split": "learn", "validation_split": "judge"}


@pytest.mark.parametrize(
    ("data", "options", "training", "expected"),
    [
        (MAPS, {}, False, ("sky", "judge", None)),
        (MAPS, {}, True, ("sky", "learn", None)),
        ({**MAPS, "fold": 1}, {}, False, ("sky", "learn", Fold(1))),
        ({**MAPS, "fold": 1}, {}, True, ("sky", "learn", Fold(1))),
        ({**MAPS, "fold": 1}, {"split": "test"}, False, ("sky", "test", None)),
        ({**MAPS, "fold": 1}, {"data": "sea"}, False, ("sea", "val", None)),
        ({**MAPS, "fold": 1}, {"data": "sea"}, True, ("sea", "train", None)),
        ({}, {}, False, (None, "val", None)),
    ],
)
@pytest.mark.parametrize("file", ["", "model.keras", "step.tflite"])
def test_a_run_s_data_are_those_that_it_was_trained_on(data, options, training, expected, file, tmp_path, capsys):
    run = write_run(tmp_path / "run", **data)
    (run / "step.tflite").touch()
    arguments = given(run / file, **options)
    take_own_data(arguments, "data", training)
    assert (arguments.data, arguments.split, arguments.fold) == expected
    assert ("the run's own data: sky" in capsys.readouterr().out) == (expected[0] == "sky")


def test_a_model_of_no_run_has_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("some: other program's\n")
    (tmp_path / "model.tflite").touch()
    assert run_data("model.tflite") is run_data("none.tflite") is run_data("sge_skyzoom_192x0.5_int8") is None


def test_the_command_for_a_file_is_that_of_its_run(tmp_path):
    data = DataConfig(path="my sky", fold=0, folds=2)
    expected = ["sge", "evaluate", "x.tflite", "--data", "my sky", "--split", "train", "--fold", "0/2"]
    assert evaluate_command("x.tflite", ("kite",), data) == [expected]
    assert evaluate_command("x.tflite", NETWORK.classes, None) == [["sge", "evaluate", "x.tflite"]]
    # The built-in set has no such objects.
    assert evaluate_command("x.tflite", ("kite",), None) == []


def suggested(capsys):
    """The commands below `next:` in what was printed, in words."""
    lines = capsys.readouterr().out.partition("next:\n")[2].splitlines()
    assert lines
    return [shlex.split(line) for line in lines]


def must_run(words):
    assert {"sge": main, "sge-edge": edge_main}[words[0]](words[1:]) == 0, words


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_coco):
    """A folder with a data set and a configuration, names that a shell would take apart."""
    folder = tmp_path_factory.mktemp("own data")
    shutil.copytree(tiny_coco, folder / "my sky")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config_to_dict(Config(NETWORK, training=TRAINING))))
    return folder


@pytest.mark.usefixtures("eagerly", "no_curves")
def test_every_command_that_is_suggested_runs_as_it_stands(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    assert main(["train", "tiny.yaml", "--data", "my sky", "--run", "my runs/x", "--quiet"]) == 0
    first = suggested(capsys)
    assert [words[:3] for words in first] == [["sge", "evaluate", "my runs/x"], ["sge", "export", "my runs/x"]]
    for words in first:
        must_run(words)
    for words in suggested(capsys):
        must_run(words)


@pytest.mark.usefixtures("eagerly", "no_curves")
def test_a_run_is_evaluated_calibrated_and_looked_at_on_its_own_data(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    if not (trained / "my runs" / "x").is_dir():
        assert main(["train", "tiny.yaml", "--data", "my sky", "--run", "my runs/x", "--quiet"]) == 0
    assert main(["evaluate", "my runs/x", "--json", "x.json"]) == 0
    document = json.loads((trained / "x.json").read_text())
    assert document["clips"] == 3 and "; my sky, val; " in document["protocol"]
    assert main(["export", "my runs/x", "--out", "x.tflite", "--precision", "dynamic"]) == 0
    assert read_model("x.tflite")[1].details["calibration"]["source"] == "my sky, train"
    # Outside the run folder a file's own data have to be said.
    assert ["sge", "evaluate", "x.tflite", "--data", "my sky", "--split", "val"] in suggested(capsys)
    for action in (["anchors", "my runs/x"], ["check", "my runs/x"]):
        assert main(["data", *action]) == 0
        assert "the run's own data: my sky" in capsys.readouterr().out


def test_qat_takes_the_data_of_the_run_that_it_starts_from(tmp_path, capsys):
    from quantization.cli.qat import _config

    run, names = write_run(tmp_path / "run", **MAPS, fold=2, folds=8), argparse.Namespace(set=[], epochs=None)
    names.resume, names.start, names.config, names.data = False, str(run), "quickstart", None
    data = _config(names, tmp_path / "qat").data
    assert (data.path, data.train_split, data.validation_split) == ("sky", "learn", "judge")
    assert data.held_back == Fold(2, 8)
    assert "sky" in capsys.readouterr().out
    names.config = "skyzoom192"
    assert _config(names, tmp_path / "qat").data == load_config("skyzoom192").data
