"""benchmarks/memory.py: all rows of a comparison, kept from run to run."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "memory.py"


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    specification = importlib.util.spec_from_file_location("memory_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_model_against_itself(memory, tiny_coco, tiny_tflite, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["memory.py", f"one={tiny_tflite}", f"two={tiny_tflite}", "--data", str(tiny_coco), "--out", "results"]
    words += ["--degrade", "1", "--degrade", "bursts:1"]
    monkeypatch.setattr("sys.argv", words)
    assert memory.main() == 0
    document = json.loads((tmp_path / "results" / "memory.json").read_text())
    rows = {row["name"]: row for row in document["rows"]}
    assert list(rows) == [
        "one",
        "one, hold",
        "one, scores averaged by clip",
        "one, scores averaged by track",
        "one, reset every frame",
        "two",
        "two, hold",
        "two, reset every frame",
    ]
    assert rows["two"]["bursts:1"]["minus_baseline"][0]["interval"] == [0.0, 0.0]
    assert rows["two"]["clean"]["map50"] == rows["one"]["clean"]["map50"]
    assert list(rows["one"]) == ["name", "clean", "singly:1", "bursts:1"]
    assert set(rows["one"]["clean"]["stability"]) >= {"label_switches", "losses"}
    assert "| two | " in capsys.readouterr().out and (tmp_path / "results" / "memory.png").stat().st_size > 0
    # Everything is on disk by now.
    monkeypatch.setattr(memory, "record_detections", None)
    assert memory.main() == 0


def test_what_is_no_model_is_refused(memory, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["memory.py", "one", "--data", "x"])
    assert memory.main() == 2
    assert "NAME=FILE" in capsys.readouterr().err
