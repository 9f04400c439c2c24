"""`sge evaluate`: what it writes, and what it refuses."""

import json

import pytest

from keras_sge.cli.main import main
from keras_sge.evaluation import DetectionRecords

KEYS = {"map50", "ap50", "boxes", "frames", "clips", "protocol", "runtime"}
MORE = {"coco", "motion", "motion_weighted", "frame_index", "best_f1", "errors", "unlabelled", "ignored"}
MORE |= {"map50_by_block", "map50_spread", "stability"}


def test_everything_at_once(folder, tiny_tflite, tiny_coco, capsys):
    options = "--degrade bursts:1 --reset-every-frame --rival track --frames reference"
    files = "--json x.json --records x.npz --pictures pictures"
    command = ["evaluate", str(tiny_tflite), "--data", str(tiny_coco), *options.split(), *files.split()]
    assert main(command) == 0
    document = json.loads((folder / "x.json").read_text())
    # Of the three clips two show an empty sky.
    assert set(document) == KEYS | MORE and (document["frames"], document["clips"]) == (8, 1)
    records = DetectionRecords.load("x.npz")
    for word in (
        "val",
        "degraded frames, bursts, seed 1: half of them, in runs",
        "reset before each frame",
        "of a track",
        "first <= 20",
        "pycocotools",
    ):
        assert word in document["protocol"], word
    assert records.degrade == "bursts:1" and records.protocol in document["protocol"]
    assert str(folder) not in document["protocol"] and str(tiny_coco) not in document["protocol"]
    assert {path.name for path in (folder / "pictures").iterdir()} == {
        "precision_recall.png",
        "confusion.png",
        "splits.png",
    }
    text = capsys.readouterr().out
    assert "| **mean**" in text and "label switches" in text and "wrong class" not in text
    # One line says how it was run, the whole protocol stands in the JSON.
    last = text.strip().splitlines()[-1]
    for word in ("first <= 20", "reset before each frame", "degraded, bursts:1", "rival: track", "--verbose"):
        assert word in last, word
    assert len(last.split()) < 50 and "pycocotools" not in text
    # Again, over the same files.
    assert main([*command, "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "wrong class" in text and text.rstrip().endswith(f"{document['protocol']}.")


BAD = {
    "a negative seed": (["--degrade=-1"], ["-1"]),
    "a pattern that is none": (["--degrade", "often:1"], ["singly, bursts, all", "often:1"]),
    "a pattern without a seed": (["--degrade", "bursts"], ["PATTERN:SEED", "bursts"]),
    "a number for a fold": (["--fold", "1"], ["K/N, such as 0/4", "Received: 1"]),
    "a fold past the last": (["--fold", "4/4"], ["K from 0 to N - 1", "4/4"]),
    "more folds than blocks": (["--fold", "0/9"], ["N from 2 to 8", "0/9"]),
    "a fold of too few recordings": (["--fold", "3/8"], ["fold 3/8", "none", "recordings"]),
    "unknown frames": (["--frames", "some.txt"], ["some.txt"]),
    "an empty frame list": (["--frames", "empty.txt"], ["empty.txt"]),
    "a frame list of another set": (["--frames", "list.txt"], ["ILSVRC2015_val_00000000"]),
    "records of another kind": (["--records", "x.json"], [".npz", "x.json"]),
    "records into nowhere": (["--records", "no/x.npz"], ["no/x.npz"]),
    "pictures into nowhere": (["--pictures", "no/where"], ["no/where"]),
    "pictures into a file": (["--pictures", "list.txt"], ["list.txt"]),
    "no data set": (["--data", "none"], ["none"]),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_named_and_leave_nothing(name, folder, tiny_tflite, tiny_coco, capsys):
    (folder / "empty.txt").write_text("")
    (folder / "list.txt").write_text("val/ILSVRC2015_val_00000000/000000 1\n")
    arguments, words = BAD[name]
    assert main(["evaluate", str(tiny_tflite), "--data", str(tiny_coco), *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sge: error: "), lines
    assert all(word in lines[0] for word in words), lines[0]
    assert {path.name for path in folder.iterdir()} == {"empty.txt", "list.txt"}


@pytest.mark.parametrize("arguments", [["--rival", "video"]])
def test_unknown_words_exit_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "none.tflite", *arguments])
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_evaluate_writes_json(folder, capsys, tiny_coco, tiny_tflite):
    assert main(["evaluate", str(tiny_tflite), "--data", str(tiny_coco), "--json", "x.json"]) == 0
    document = json.loads((folder / "x.json").read_text())
    assert (document["frames"], document["clips"]) == (24, 3)
    assert "mean" in capsys.readouterr().out
