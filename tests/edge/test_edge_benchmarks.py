"""The scripts in benchmarks/ that time the device's side: what they count is right, and they write where they say."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path

import pytest

from edge.detector import Detector
from edge.errors import InputError
from edge.video.open import open_source

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT.parent / "shared" / "peers"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_streams(script, model_file, clip):
    streams = script("streams")
    with open_source(clip) as source:
        frames = [frame for _, _, frame in itertools.islice(source, 12)]
    detector = Detector(model_file)
    exact = streams.exactness(detector, Detector(model_file), frames)
    assert exact["equal_steps"] == exact["steps"] == 16 * 30
    rate = streams.throughput(detector, frames)
    assert rate["one_stream_fps"] > 0 and rate["sixteen_streams_fps"] > 0
    long = streams.soak(detector, frames, 200)
    assert long["frames"] == 200 and long["finite"]
    # One that another test left behind may go meanwhile; none may come.
    assert all(
        after <= before
        for after, before in zip(long["threads_and_handles_after"], long["threads_and_handles_before"], strict=True)
    )
    assert detector.streams == ()


def test_exactness_can_fail(script, model_file, clip):
    """A difference between the two sides is seen."""
    with open_source(clip) as source:
        frames = [frame for _, _, frame in source]
    exact = script("streams").exactness(Detector(model_file), Detector(model_file, score_threshold=0.9), frames)
    assert exact["equal_steps"] < exact["steps"]


def test_peers(script, model_file, clip):
    if not PEERS.is_dir():
        pytest.skip("needs ../shared/peers")
    peers = script("peers")
    contestants = [peers.ours(f"tiny={model_file}", 1), *peers.peers(PEERS, 1)]
    peers.measure(contestants, str(clip), 2)
    figures = {one.name: peers.summary(one, contestants) for one in contestants}
    tiny = figures["tiny (float32)"]
    assert tiny["bytes"] < model_file.stat().st_size and tiny["invoke_ms"]["p50"] > 0
    # A network of 32 x 32 pixels: anything near 1 would be a wrong division.
    assert tiny[f"times_faster_than {peers.LSTM}"]["invoke"] > 5
    with pytest.raises(InputError, match="NAME=FILE"):
        peers.ours("model.tflite", 1)
    with pytest.raises(InputError, match=r"holds no automl"):
        peers.peers(ROOT, 1)


def test_figures_replace_their_own_section(script, tmp_path, monkeypatch):
    document = script("document")
    path = tmp_path / "benchmarks.md"
    path.write_text("a\n<!-- begin peers -->\nold\n<!-- end peers -->\nb\n")
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(document, "DOCUMENT", path)
    document.write_figures("peers", {"x": 1}, "new \\1\n")
    assert path.read_text() == "a\n<!-- begin peers -->\nnew \\1\n<!-- end peers -->\nb\n"
    assert json.loads((tmp_path / "results" / "peers.json").read_text()) == {"x": 1}
    with pytest.raises(InputError, match="begin streams"):
        document.write_figures("streams", {}, "")
    sections = (ROOT / "docs" / "benchmarks.md").read_text()
    assert all(f"<!-- begin {name} -->" in sections for name in ("peers", "streams"))
