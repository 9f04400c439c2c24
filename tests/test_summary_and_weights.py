"""`sge summary` and `sge weights`."""

import json
import shutil
from pathlib import Path

from command_line import files, refused

from keras_sge.cli.main import main


def test_the_summary_says_which_side_is_which(capsys):
    assert main(["summary", "quickstart", "--set", "network.input_size=[96, 192]"]) == 0
    assert "sge: 192 wide, 96 high" in capsys.readouterr().out


def test_summary_writes_json(folder, capsys):
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
