"""`sge`: mistakes give exit code 2, one clear line and nothing left behind."""

import importlib.metadata
import importlib.util
import json
import logging
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest

from edge.atomic import atomic_path
from edge.cli.run_command import EXIT_CODES, run_command
from edge.missing_packages import install_command
from keras_sge.cli.main import main

COMMANDS = sorted(entry.name for entry in importlib.metadata.entry_points(group="sge.commands"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


START = Path(__file__).parents[1] / "configs" / "quickstart_start.npz"


def refused(capsys, *arguments):
    """The one line on stderr of a command that must fail with exit code 2."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("sge: error: ")
    return lines[0]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


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


def test_the_summary_says_which_side_is_which(capsys):
    assert main(["summary", "quickstart", "--set", "network.input_size=[96, 192]"]) == 0
    assert "sge: 192 wide, 96 high" in capsys.readouterr().out


def test_broken_yaml_is_one_line_too(folder, capsys):
    (folder / "mine.yaml").write_text("network: [1\n  x: 2\n")
    assert "mine.yaml" in refused(capsys, "train", "mine.yaml", "--run", "run")
    assert files(folder) == ["mine.yaml"]


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
    ("module", "extra"),
    [("tensorflow", "train"), ("keras.src.backend", "train"), ("tqdm", "train"), ("tf_keras", "qat"), ("cv2", "")],
)
def test_missing_package_says_what_to_install(module, extra, capsys, monkeypatch):
    from keras_sge.cli import summary

    def run(_):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(summary, "run", run)
    line = refused(capsys, "summary", "quickstart")
    assert f"this needs {module.split('.')[0]}, which is not installed. Run: " in line
    # No index has a package of the name alone.
    assert "'keras-sge[" not in line and (f"[{extra}]'" in line if extra else "opencv-python" in line)


class Distribution:
    """What pip noted of an installation."""

    def __init__(self, note):
        self._note = note

    def read_text(self, _):
        return self._note and json.dumps(self._note)


def test_what_installs_an_extra_follows_the_installation(folder, monkeypatch):
    source, packages = folder / "its source", folder / "site-packages"
    source.mkdir()
    (source / "setup.cfg").touch()
    note = {"url": source.as_uri(), "dir_info": {}}
    needs = ["numpy>=1.24", "keras<4,>=3.12; extra == 'train'", 'jax; python_version > "3" and extra == "jax"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needs)
    for home, noted, what in (
        (source, None, ["-e", "./its source[train]"]),
        (packages, note, ["./its source[train]"]),
        # The folder is gone, a wheel, an index: then the packages themselves.
        (packages, {**note, "url": (folder / "gone").as_uri()}, ["keras<4,>=3.12"]),
        (packages, {"url": "file:///tmp/keras_sge-0.1.0-py3-none-any.whl", "archive_info": {}}, ["keras<4,>=3.12"]),
        (packages, None, ["keras<4,>=3.12"]),
    ):
        monkeypatch.setattr("edge.missing_packages._HOME", home)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda _, noted=noted: Distribution(noted))
        words = shlex.split(install_command("tensorflow"))
        assert words[1:4] == ["-m", "pip", "install"] and words[4:] == what
        assert shlex.split(install_command("numpy"))[4:] == ["numpy>=1.24"]
    # Inside the folder, and with its environment active.
    monkeypatch.chdir(source)
    monkeypatch.setattr("edge.missing_packages._HOME", source)
    monkeypatch.setattr(shutil, "which", lambda _: str(Path(sys.executable).with_name("pip")))
    assert install_command("keras") == "pip install -e '.[train]'"


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


def test_a_missing_module_of_ours_is_no_user_s_mistake(monkeypatch):
    from keras_sge.cli import summary

    def run(_):
        raise ModuleNotFoundError("No module named 'keras_sge.gone'", name="keras_sge.gone")

    monkeypatch.setattr(summary, "run", run)
    with pytest.raises(ModuleNotFoundError):
        main(["summary", "quickstart"])


def test_interrupted_command_exits_with_130(capsys, monkeypatch):
    from keras_sge.cli import summary

    def run(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "run", run)
    assert main(["summary", "quickstart"]) == 130


def test_sigterm_closes_files_and_exits_with_0(folder, capsys, monkeypatch):
    from keras_sge.cli import bootstrap, summary

    def run(_):
        with atomic_path("half.txt"):
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(summary, "run", run)
    assert main(["summary", "quickstart"]) == 0
    assert capsys.readouterr().err == "sge: stopped\n" and files(folder) == []
    # A command that runs others, as the demo does, goes on with none of them.
    steps = []
    monkeypatch.setattr(bootstrap, "run", lambda _: steps.append(main(["summary", "quickstart"])))
    assert main(["bootstrap", "a.npz", "b.npz"]) == 0
    assert steps == [] and signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_left_is_no_error(monkeypatch, tmp_path):
    from keras_sge.cli import summary

    def run(_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(summary, "run", run)
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert main(["summary", "quickstart"]) == 0


def test_summary_writes_json(folder, capsys):
    import json

    assert main(["summary", "quickstart", "--json", "x.json"]) == 0
    assert "T-params" in capsys.readouterr().out
    document = json.loads((folder / "x.json").read_text())
    assert set(document) == {"params", "temporal_params", "temporal_biases", "macs_per_frame"}


def test_summary_of_a_file_is_that_of_its_network(folder, capsys, tiny_tflite):
    from edge.metadata import read_model
    from keras_sge.config.config import network_from_dict
    from keras_sge.models.summary import summarize

    path = shutil.copy(tiny_tflite, "tiny.tflite")
    assert main(["summary", path, "--json", "-"]) == 0
    printed = capsys.readouterr()
    document, metadata = json.loads(printed.out), read_model(path)[1]
    assert document["bytes"] == Path(path).stat().st_size and document["precision"] == metadata.precision
    assert document["params"] == summarize(network_from_dict(metadata.details["config"])).params
    assert "tiny.tflite" in printed.err.splitlines()[-1]
    assert "--set" in refused(capsys, "summary", path, "--set", "network.alpha=1")
    assert "none.tflite" in refused(capsys, "summary", "none.tflite")


def test_what_libraries_log_is_printed_plainly(capsys):
    """Information where text goes, a note where errors go; nothing stays behind for the next command."""

    def command():
        logging.getLogger("keras_sge.training.fit").info("network input: %s", "64 x 64")
        logging.getLogger("edge.video").warning("a frame is lost")
        return run_command("sge", lambda: logging.getLogger("keras_sge").info("inside") or 0)

    assert run_command("sge", command) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("network input: 64 x 64\ninside\n", "note: a frame is lost\n")
    logging.getLogger("keras_sge").info("outside")
    assert capsys.readouterr().out == "" and not logging.getLogger("keras_sge").handlers


def test_evaluate_writes_json(folder, capsys, tiny_coco, tiny_tflite):
    import json

    assert main(["evaluate", str(tiny_tflite), "--data", str(tiny_coco), "--json", "x.json"]) == 0
    document = json.loads((folder / "x.json").read_text())
    assert (document["frames"], document["clips"]) == (24, 3)
    assert "mean" in capsys.readouterr().out


def test_data_is_made_and_looked_at(folder, capsys):
    assert main(["data", "synthetic", "--out", "sky", "--videos", "2", "--frames", "4", "--size", "64"]) == 0
    assert main(["data", "look", "sky", "--out", "sheet.png", "--videos", "2", "--frames", "2"]) == 0
    assert (folder / "sheet.png").stat().st_size > 0
    assert {"sky/annotations/train.json", "sky/annotations/val.json"} <= set(files(folder))
    capsys.readouterr()
    assert "exists already" in refused(capsys, "data", "synthetic", "--out", "sky", "--videos", "1")


def test_weights_are_kept_without_the_optimizer_and_evaluate(folder, capsys, tiny_coco, tiny_keras):
    assert main(["weights", str(tiny_keras), "--out", "tiny.npz"]) == 0
    assert (folder / "tiny.npz").stat().st_size < tiny_keras.stat().st_size
    assert main(["evaluate", "tiny.npz", "--data", str(tiny_coco)]) == 0
    assert "keras" in capsys.readouterr().out


def test_weights_need_the_right_ending(folder, capsys, tiny_keras):
    assert ".npz" in refused(capsys, "weights", tiny_keras, "--out", "tiny.h5")


def test_boxes_are_scaled_within_reason(folder, capsys, tiny_keras):
    assert "0.5 to 2. Received: 5.0" in refused(capsys, "weights", tiny_keras, "--out", "tiny.npz", "--box-scale", "5")
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
