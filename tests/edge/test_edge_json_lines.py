"""Lines of JSON: readable while they are written, appended, torn, and on a full disk."""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timedelta, timezone

import pytest
from made_results import EVENT, lines, result

from edge.errors import InputError
from edge.sinks.json_lines import JsonLines, read_json_lines


class Clock:
    """A time of day that moves on by a second with each look at it, in the zone of a place two hours ahead."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


class Source:
    name, width, height, fps, live = "rtsp://user:***@camera/a", 64, 48, 10.0, True


def test_lines_can_be_read_while_they_are_written(tmp_path):
    path = tmp_path / "o.jsonl"
    path.write_text("older\n")
    with JsonLines(path) as sink:
        assert path.read_text() == "older\n", "what was there stays until there is something to write"
        for count in range(1, 4):
            sink.write(result(count), None)
            assert len(lines(path)) == count
    with JsonLines(path, append=True) as sink:
        sink.event(EVENT)
    # Numbers go on: the event came after frame 3 of this run, and the older file has four.
    assert [line.get("frame_id") for line in lines(path)] == [1, 2, 3, 7] and lines(path)[3]["event"] == "lost"


def test_lines_say_what_they_are_of_and_when(tmp_path, model_metadata):
    path = tmp_path / "o.jsonl"
    with JsonLines(path, clock=Clock()) as sink:
        sink.begin(model_metadata, {"a": Source(), "b": Source()})
        assert not path.exists(), "a run that finds nothing leaves an older file alone"
        sink.write(dataclasses.replace(result(0), stream="b"), None)
        sink.event(dataclasses.replace(EVENT, stream="a"))
    header, frame, event = read_json_lines(path)
    assert (header["format"], header["format_version"]) == ("keras-sge detections", 1)
    assert header["started"] == "2026-03-01T10:00:02.000+00:00"
    assert header["model"] == {"name": "tiny", "precision": "float32", "sha256": "", "labels": ["square", "disc"]}
    assert [one["stream"] for one in header["sources"]] == ["a", "b"]
    assert header["sources"][0] == {
        "stream": "a",
        "name": "rtsp://user:***@camera/a",
        "width": 64,
        "height": 48,
        "fps": 10.0,
        "live": True,
        "first_frame_id": 0,
    }
    assert (frame["stream"], frame["utc"]) == ("b", "2026-03-01T10:00:03.000+00:00")
    assert (event["stream"], event["utc"], event["event"]) == ("a", "2026-03-01T10:00:04.000+00:00", "lost")


def test_appended_lines_go_on_with_frames_and_tracks_of_each_stream(tmp_path, model_metadata):
    path = tmp_path / "o.jsonl"

    def run(numbers):
        with JsonLines(path, append=True) as sink:
            sink.begin(model_metadata, {"a": Source(), "b": Source()})
            before = [sink.tracks(stream) for stream in "ab"]
            for stream, frame_id, track in numbers:
                [found] = result().detections
                tracked = (dataclasses.replace(found, track_id=track),)
                sink.write(dataclasses.replace(result(frame_id), stream=stream, detections=tracked), None)
            return before

    assert run([("a", 0, 1), ("b", 0, 1), ("a", 1, 2), ("a", 2, None)]) == [0, 0]
    # The run before may have ended long before another stream's last line.
    assert run([("a", 0, 3)]) == [2, 1]
    assert run([("b", 0, 2)]) == [3, 1]
    assert [(line["stream"], line["frame_id"], line["tracks"]) for line in lines(path)] == [
        ("a", 0, 1), ("b", 0, 1), ("a", 1, 2), ("a", 2, 2), ("a", 3, 3), ("b", 1, 2),
    ]  # fmt: skip
    headers = [line for line in read_json_lines(path) if "format" in line]
    assert [[one["first_frame_id"] for one in header["sources"]] for header in headers] == [[0, 0], [3, 1], [4, 1]]


@pytest.mark.parametrize(
    "torn", ['{"utc": "2026', '{"utc": "2026-03-01", "frame_id": 5, "detections": []', "\udce4\udcb8"]
)
def test_appended_lines_after_a_torn_one(tmp_path, torn):
    path = tmp_path / "o.jsonl"
    for _ in range(2):
        with JsonLines(path, append=True) as sink:
            sink.write(result(0), None)
        with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(torn)
    assert path.read_bytes().count(b"\n") == 5
    assert [line["frame_id"] for line in lines(path)] == [0, 1]


def test_lines_edited_by_hand_are_read(tmp_path):
    path = tmp_path / "o.jsonl"
    path.write_text('{"frame_id": 0}\r\nnull\n\n[1]\n{"frame_id": 1}', encoding="utf-8-sig", newline="")
    assert [line["frame_id"] for line in read_json_lines(path)] == [0, 1]


def test_lines_report_an_error_but_not_ctrl_c(tmp_path):
    path = tmp_path / "o.jsonl"
    for error, count in ((KeyboardInterrupt(), 1), (InputError("the camera was lost"), 2)):
        with pytest.raises(type(error)), JsonLines(path) as sink:
            sink.write(result(), None)
            raise error
        assert len(lines(path)) == count
    assert lines(path)[-1].items() >= {"event": "failed", "message": "the camera was lost"}.items()


def test_a_run_that_fails_before_its_first_line_leaves_the_older_file(tmp_path):
    path = tmp_path / "o.jsonl"
    path.write_text("older\n")
    with pytest.raises(InputError), JsonLines(path):
        raise InputError("no frame")
    assert path.read_text() == "older\n"
    with pytest.raises(InputError, match="there is no folder"):
        JsonLines(tmp_path / "absent" / "o.jsonl")


def test_lines_to_standard_output(capsys):
    with JsonLines("-") as sink:
        sink.write(result(5), None)
    assert '"frame_id": 5' in capsys.readouterr().out
    print("still open")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_lines_on_a_full_disk():
    with pytest.raises(InputError, match="cannot write to /dev/full: No space left"), JsonLines("/dev/full") as sink:
        sink.write(result(), None)
