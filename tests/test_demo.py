"""`sge demo` and the user's files: the steps themselves are tested where their commands are."""

import itertools
import shlex

import pytest

from keras_sge.cli import demo
from keras_sge.cli.main import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, in which a demo's steps write a file each in no time."""
    monkeypatch.chdir(tmp_path)
    steps = []

    def step(words):
        for name, value in itertools.pairwise(words):
            if name in ("--out", "--run", "--save", "--json"):
                path = tmp_path / value if "." in value else tmp_path / value / f"step{len(steps)}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(" ".join(words))
        steps.append(words)
        return 0

    monkeypatch.setattr(demo, "_command", step)
    monkeypatch.setattr(demo, "_pictures", lambda *_: None)
    monkeypatch.setattr(demo, "_report", lambda *_: None)
    return tmp_path, steps


def below(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["data/mine.txt", "training/config.yaml", "held_out/x", "notes.txt"])
@pytest.mark.parametrize("out", ["X", "."])
def test_a_folder_of_the_user_s_is_refused_and_left_as_it_is(folder, name, out, capsys):
    where, steps = folder
    (where / out / name).parent.mkdir(parents=True, exist_ok=True)
    (where / out / name).write_text("mine")
    before = below(where)
    assert main(["demo", "--out", out]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "--out" in lines[0]
    assert not steps and below(where) == before


def test_a_second_demo_replaces_the_first(folder):
    where, steps = folder
    assert main(["demo"]) == 0
    first = below(where / "runs" / "demo")
    assert {"sge.tflite", "packaged.mp4", "data/step2"} <= first.keys()
    assert main(["demo"]) == 0
    assert len(steps) == 16 and "data/step2" not in below(where / "runs" / "demo")


@pytest.mark.parametrize("change", ["a file beside", "a demo's file changed"])
def test_what_came_into_a_demo_s_folder_since_is_kept(folder, change, capsys):
    where, steps = folder
    assert main(["demo", "--out", "X"]) == 0
    name = "data/mine.mp4" if change == "a file beside" else "sge.tflite"
    (where / "X" / name).write_text("hours of work")
    before = below(where)
    assert main(["demo", "--out", "X"]) == 2
    assert f"X/{name}" in capsys.readouterr().err
    assert below(where) == before and len(steps) == 8


def test_a_demo_that_was_stopped_can_be_repeated(folder, monkeypatch):
    _, steps = folder
    whole = demo._command

    def stopped(words):
        whole(words)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "_command", stopped)
        assert main(["demo", "--out", "X"]) == 130
    assert main(["demo", "--out", "X"]) == 0 and len(steps) == 9


def test_a_space_in_the_name_is_part_of_it(folder, capsys):
    where, steps = folder
    assert main(["demo", "--out", "my runs/x"]) == 0
    assert [path.name for path in where.iterdir()] == ["my runs"]
    assert (where / "my runs" / "x" / "sge.tflite").is_file()
    # What is printed can be pasted.
    printed = [line.split("$ ", 1)[1] for line in capsys.readouterr().out.splitlines() if "$ " in line]
    assert [shlex.split(line) for line in printed] == steps
