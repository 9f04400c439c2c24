"""What every command does around its work: missing packages, signals, a reader that left, what libraries log."""

import importlib.metadata
import json
import logging
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from command_line import files, refused

from edge.atomic import atomic_path
from edge.cli.run_command import run_command
from edge.missing_packages import install_command
from keras_sge.cli.main import main


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


def test_memory_that_is_freed_stays_with_the_process_where_malloc_can(monkeypatch):
    from keras_sge.cli import quiet_keras

    assert isinstance(quiet_keras.keep_freed_memory(), bool)
    # A C library without the call, as on macOS, changes nothing.
    monkeypatch.setattr(quiet_keras.ctypes, "CDLL", lambda _: object())
    assert quiet_keras.keep_freed_memory() is False
