"""`sge train` and its run folder: nothing is written over, and a run goes on as itself."""

import pytest
from command_line import files, refused

from keras_sge.cli.main import main


def test_a_run_is_not_written_over(folder, capsys):
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text("mine: true\n")
    few = ["--set", "data.videos=1", "--set", "data.validation_videos=1", "--set", "data.frames=8"]
    assert "--resume" in refused(capsys, "train", "quickstart", "--run", "run", *few)
    assert (folder / "run" / "config.yaml").read_text() == "mine: true\n"
    assert files(folder) == ["run", "run/config.yaml"]


def test_a_run_without_a_checkpoint_is_named(folder, capsys):
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text("network: {name: n, classes: [airplane, bird, drone, helicopter]}\n")
    assert "model.keras" in refused(capsys, "train", "--resume", "--run", "run")
    for command in (["evaluate", "run"], ["export", "run", "--out", "x.tflite"]):
        assert "model.keras" in refused(capsys, *command)
    assert files(folder) == ["run", "run/config.yaml"]


@pytest.mark.parametrize("name", ["model.keras", "best.keras", "log.csv", "results.png", "validation.png"])
def test_a_run_writes_over_nothing(name, folder, capsys):
    (folder / name).write_text("mine")
    assert f"{name} is there" in refused(capsys, "train", "quickstart", "--run", ".")
    assert [path.name for path in folder.iterdir()] == [name]


def test_other_classes_are_named(folder, capsys, tiny_coco):
    line = refused(capsys, "train", "paper320", "--run", "run", "--data", tiny_coco)
    assert "helicopter" in line and "zebra" in line
    assert files(folder) == []


@pytest.fixture
def stopped_run(folder, monkeypatch):
    """A run of `quickstart` of which nothing but its configuration is real; importing Keras is forbidden."""
    from keras_sge.config import load_config
    from keras_sge.config.run_folder import RunFolder

    run = RunFolder(folder / "my run")
    run.write_config(load_config("quickstart"))
    run.model.touch()

    def forbidden():
        raise AssertionError("Keras was imported")

    monkeypatch.setattr("keras_sge.cli.train.import_keras", forbidden)
    return run


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["skyzoom192", "--resume"], ["network.input_size", "training.clip_length", "data.path", "'my run'"]),
        (["quickstart", "--set", "training.epochs=9", "--resume", "--set", "training.seed=3"], ["training.seed"]),
        (["nonexist.yaml", "--resume"], ["nonexist.yaml"]),
    ],
)
def test_a_run_is_not_resumed_under_another_configuration(words, named, stopped_run, capsys):
    line = refused(capsys, "train", *words, "--run", "my run")
    assert all(name in line for name in named), line


@pytest.mark.parametrize(
    "words", [["quickstart"], ["quickstart", "--set", "training.epochs=9"], ["--set", "training.epochs=9"], []]
)
def test_a_run_is_resumed_under_its_own_configuration(words, stopped_run):
    with pytest.raises(AssertionError, match="Keras was imported"):
        main(["train", *words, "--resume", "--run", "my run"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--data", "no/data", "--run", "x"], "no/data"),
        (["--set", "data.background=no/sky", "--run", "x"], "data.background"),
        (["--from", "mobilenet_v1_0.5_160_quant.tflite", "--run", "x"], "google-coral/test_data"),
        (["--run", "my run"], "--resume"),
    ],
)
def test_what_can_be_said_at_once_is_said_before_keras_is_imported(words, named, stopped_run, capsys):
    assert named in refused(capsys, "train", "quickstart", *words)
