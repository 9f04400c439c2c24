"""`sge-edge models` and `sge-edge info`: what comes with the package, and what a file says of itself."""

import json

from edge.cli.main import main


def test_no_model_is_shipped(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("edge.model_zoo.models_folder", lambda: tmp_path)
    assert main(["models"]) == 0
    assert "ships no models" in capfd.readouterr().out


def test_models_are_listed_with_what_they_find(model_file, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("edge.model_zoo.models_folder", lambda: model_file.parent)
    assert main(["models", "--json", str(tmp_path / "list.json")]) == 0
    out, (entry,) = capfd.readouterr().out, json.loads((tmp_path / "list.json").read_text())
    assert model_file.stem in out and "square, disc" in out and "32 x 32" in out
    assert entry["milliseconds"] > 0 and entry["states"] == 1 and entry["bytes"] == model_file.stat().st_size
    assert main(["models", "--no-time"]) == 0
    assert f"taken where none is named: {model_file.stem}" in capfd.readouterr().out


def test_info(model_file, capfd):
    assert main(["info", str(model_file)]) == 0
    out = capfd.readouterr().out
    for text in (
        "tiny, float32",
        "square, disc",
        "RGB, 32 wide, 32 high",
        "state <- next_state: 1 x 4 x 4 x 8 float32",
        "stride 8",
    ):
        assert text in out
    assert "training.steps" in out
    assert main(["info", str(model_file), "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["bytes"] == model_file.stat().st_size and document["labels"] == ["square", "disc"]
    assert main(["info", "absent.tflite"]) == 2
    assert "absent.tflite" in capfd.readouterr().err
