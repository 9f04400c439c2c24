"""Results in the forms of other people's tools."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys

import numpy as np
import pytest

from edge.detector import Detector
from edge.errors import InputError
from edge.results import Box, Detection, FrameResult

DISC = Detection("disc", 1, 0.87654321, Box(10.125, 20.0, 30.5, 60.0), 4)
SQUARE = Detection("square", 0, 0.25, Box(0.0, 1.0, 2.0, 3.0))


def result(*detections, **more):
    return FrameResult(7, 0.7, detections, **more)


def test_a_result_knows_its_frame_s_size(model_file, frames):
    height, width = frames[0].shape[:2]
    whole = Detector(model_file)(frames[0])
    without = dataclasses.replace(whole, frame=None)
    for one in (whole, without):
        assert one.frame_size == (width, height)
        assert (one.to_dict()["width"], one.to_dict()["height"]) == (width, height)
    assert result().frame_size is None and result().to_dict()["width"] is None


def test_coco_results(model_file):
    first, second = result(DISC, SQUARE).to_coco()
    assert first == {"image_id": 7, "category_id": 2, "bbox": [10.125, 20.0, 20.375, 40.0], "score": 0.87654321}
    assert (second["category_id"], second["bbox"]) == (1, [0.0, 1.0, 2.0, 2.0])
    assert [one["image_id"] for one in result(DISC, SQUARE).to_coco(image_id=190)] == [190, 190]
    assert result().to_coco() == []


def test_coco_results_of_a_detector_are_json(model_file, frames):
    found = Detector(model_file, score_threshold=0.01)(frames[0])
    assert found.detections and json.loads(json.dumps(found.to_coco())) == found.to_coco()


# What `to_supervision` uses of supervision 0.31: the names and the order of the constructor's arguments.
STUB = """
from dataclasses import dataclass, field
import numpy as np

@dataclass
class Detections:
    xyxy: np.ndarray
    mask: np.ndarray | None = None
    confidence: np.ndarray | None = None
    class_id: np.ndarray | None = None
    tracker_id: np.ndarray | None = None
    data: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)
"""


@pytest.fixture
def supervision(tmp_path, monkeypatch):
    """The real package where it is installed, else a stand-in for it."""
    if importlib.util.find_spec("supervision") is None:
        (tmp_path / "supervision.py").write_text(STUB)
        monkeypatch.syspath_prepend(tmp_path)
        yield
        sys.modules.pop("supervision", None)
    else:
        yield


def test_supervision_takes_the_detections(supervision):
    found = result(DISC, SQUARE).to_supervision()
    np.testing.assert_allclose(found.xyxy, [DISC.box, SQUARE.box])
    np.testing.assert_allclose(found.confidence, [0.87654321, 0.25], rtol=1e-6)
    assert found.class_id.tolist() == [1, 0] and found.tracker_id.tolist() == [4, -1]
    assert found.data["class_name"].tolist() == ["disc", "square"]
    assert (found.xyxy.dtype, found.confidence.dtype, found.class_id.dtype.kind) == (np.float32, np.float32, "i")


def test_supervision_takes_frames_without_tracks_or_detections(supervision):
    assert result(SQUARE).to_supervision().tracker_id is None
    nothing = result().to_supervision()
    assert nothing.xyxy.shape == (0, 4) and nothing.confidence.shape == nothing.class_id.shape == (0,)
    assert nothing.data["class_name"].shape == (0,)


def test_supervision_counts_tracks_over_a_line():
    package = pytest.importorskip("supervision")
    line = package.LineZone(package.Point(0, 50), package.Point(100, 50), [package.Position.CENTER])
    for y in range(20, 90, 10):
        moved = dataclasses.replace(DISC, box=Box(40.0, y - 5.0, 50.0, y + 5.0))
        line.trigger(result(moved, SQUARE).to_supervision())
    assert sorted((line.in_count, line.out_count)) == [0, 1]


def test_without_supervision_the_error_says_how_to_install_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "supervision" else find(name))
    with pytest.raises(InputError, match=r"this needs supervision, which is not installed\. Run: .*install"):
        result(DISC).to_supervision()
