"""`sge scene-swap`: a detector that reads the class off the scene is told from one that looks at the object."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from flights import Flights

from edge.errors import InputError
from edge.results import Box, Detection, FrameResult
from keras_sge.cli.main import main
from keras_sge.data import write_coco_vid
from keras_sge.evaluation.scene_swap import scene_swap


class Looker:
    """Finds the dark bar; says of which class it is by the sky, or always the same.

    Kites fly before skies of 120 and 160, planes before 140 and 180.
    """

    runtime = SimpleNamespace(name="fake", version="1")
    labels = ("kite", "plane")
    metadata = SimpleNamespace(height=96, width=96, iou_threshold=0.5, box_voting=False, max_detections=100)

    def __init__(self, reads_the_scene, score=0.9):
        self._reads, self._score = reads_the_scene, score

    def reset(self):
        pass

    def __call__(self, frame):
        sky = int(np.median(frame))
        rows, columns = np.nonzero(frame.max(axis=2) < sky - 50)
        kind = round((sky - 120) / 20) % 2 if self._reads else 0
        box = Box(columns.min() - 2.0, rows.min() - 2.0, columns.max() + 3.0, rows.max() + 3.0)
        return FrameResult(0, 0.0, (Detection(self.labels[kind], kind, self._score, box),))


def test_whoever_reads_the_scene_changes_with_it():
    result = scene_swap(Looker(reads_the_scene=True), Flights())
    assert result.changed == pytest.approx(0.5)
    assert result.accuracy["kite"] == {"own": 1, "kite": 1, "plane": 0}
    assert result.accuracy["plane"] == {"own": 1, "kite": 0, "plane": 1}
    assert result.found == {"own": 1, "kite": 1, "plane": 1}


def test_whoever_looks_at_the_object_does_not():
    result = scene_swap(Looker(reads_the_scene=False), Flights())
    assert result.changed == 0 and result.changed_by_scene == {"kite": 0, "plane": 0}
    assert result.accuracy["kite"]["plane"] == 1 and result.accuracy["plane"]["own"] == 0
    assert result.objects == 4 and result.frames == 4 * 2 * 8


def test_what_is_hardly_found_is_not_counted():
    result = scene_swap(Looker(reads_the_scene=True, score=0.2), Flights())
    assert result.changed is None and result.found["own"] == 0
    assert "| - |" in result.table()


def test_restless_recordings_are_refused():
    with pytest.raises(InputError, match="could be cut out"):
        scene_swap(Looker(reads_the_scene=True), Flights(restless=True))


def test_the_command_prints_and_writes_the_figures(tmp_path, monkeypatch, capsys):
    write_coco_vid(Flights(), tmp_path / "data", "val")
    monkeypatch.setattr("keras_sge.evaluation.open_detector", lambda *_: Looker(reads_the_scene=True))
    out = tmp_path / "swap.json"
    assert main(["scene-swap", "any.tflite", "--data", str(tmp_path / "data"), "--json", str(out)]) == 0
    assert json.loads(out.read_text())["changed"] == pytest.approx(0.5)
    assert "class changes with the scene: 50.0% of 64" in capsys.readouterr().out


def test_the_command_refuses_numbers_out_of_range(tmp_path, capsys):
    assert main(["scene-swap", "any.tflite", "--data", str(tmp_path), "--per-track", "0"]) == 2
    assert "--per-track must be at least 1" in capsys.readouterr().err
