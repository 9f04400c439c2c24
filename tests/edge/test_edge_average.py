"""Classes averaged along tracks in streams: what `tests/test_rivals.py` shows of the averager, on the device."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.cli.main import main
from edge.detector import Detector
from edge.pipeline import Pipeline
from edge.postprocess import in_pixels
from edge.track_averager import TrackAverager


@pytest.fixture
def averaging(model_file):
    return Detector(model_file, score_threshold=0.3, average=True)


def test_a_detector_gives_what_the_averager_does(model_file, averaging, frames):
    plain, differing = Detector(model_file, score_threshold=0.3), 0
    averager = TrackAverager(plain.metadata, 0.3)
    for frame in frames:
        size = frame.shape[:2]
        codes, logits = plain.raw(frame)
        found = averaging(frame).detections
        assert found == in_pixels(*averager(codes, logits), plain.labels, *size)
        differing += found != plain.decode(codes, logits, *size)
    assert differing > 2


def test_limits_are_the_detectors(model_file, frames):
    for limits in ({"max_detections": 1}, {"score_threshold": 0.9}, {"iou_threshold": 0.9}):
        averaging, plain = Detector(model_file, average=True, **limits), Detector(model_file)
        averager = TrackAverager(plain.metadata, **{"score_threshold": plain.metadata.score_threshold} | limits)
        expected = [in_pixels(*averager(*plain.raw(frame)), plain.labels, *frame.shape[:2]) for frame in frames]
        assert [averaging(frame).detections for frame in frames] == expected


def test_streams_average_for_themselves_and_forget_with_the_state(averaging, frames):
    with averaging.open("alone", scene_cut=False) as stream:
        alone = [stream(frame).detections for frame in frames[:4]]
    one, other = averaging.open("one", scene_cut=False), averaging.open("other", scene_cut=False)
    for frame, expected in zip(frames, alone, strict=False):
        other(np.ascontiguousarray(frame[::-1]))
        assert one(frame).detections == expected
    for forget in (other.reset, lambda: other(np.full((24, 32, 3), 70, np.uint8))):
        forget()
        assert [other(frame).detections for frame in frames[:4]] == alone


def test_it_joins_hold_and_runs_in_a_pipeline(model_file, clip):
    both = Detector(model_file, score_threshold=0.3, hold=True, average=True)
    expected = [result.detections for result in both.stream(str(clip))]
    with Pipeline(Detector(model_file, score_threshold=0.3, hold=True, average=True), str(clip)) as results:
        assert [result.detections for result in results] == expected
    averaged = Detector(model_file, score_threshold=0.3, average=True)
    assert [result.detections for result in averaged.stream(str(clip))] != expected


def test_the_command_averages_where_it_is_told_to(model_file, averaging, clip, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    arguments = ["detect", str(clip), "--model", str(model_file), "--score", "0.3", "--jsonl", "-", "--average"]
    assert main(arguments) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()[1:]]
    found = [[one["label"] for one in line["detections"]] for line in lines if "detections" in line]
    assert found == [[one.label for one in result.detections] for result in averaging.stream(str(clip))]
