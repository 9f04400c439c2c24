"""Lines of JSON: readable while they are written, appended, torn, and on a full disk."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from made_results import EVENT, lines, result

from edge.detector import Detector
from edge.errors import InputError
from edge.results import StreamEvent
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


SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "detections.schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def mistakes(value, schema, place="line"):
    """What a JSON Schema has against a value, as far as ours goes."""
    if "$ref" in schema:
        return mistakes(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], place)
    if "oneOf" in schema:
        found = [mistakes(value, one, place) for one in schema["oneOf"]]
        return [] if found.count([]) == 1 else min(found, key=len) or [f"{place} is of several kinds"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if value is None and "null" in kinds:
        return []
    types = tuple(TYPES[kind] for kind in kinds if kind != "null")
    if types and not any(isinstance(value, kind) for kind in types):
        return [f"{place}: {value!r} is not {kinds}"]
    limits = (
        ("minimum", lambda limit: value >= limit),
        ("maximum", lambda limit: value <= limit),
        ("exclusiveMinimum", lambda limit: value > limit),
        ("minItems", lambda limit: len(value) >= limit),
        ("maxItems", lambda limit: len(value) <= limit),
        ("const", lambda wanted: value == wanted),
        ("enum", lambda wanted: value in wanted),
        ("pattern", lambda wanted: re.search(wanted, value)),
    )
    found = [f"{place}: {value!r}, {key}" for key, holds in limits if key in schema and not holds(schema[key])]
    if isinstance(value, list):
        found += [text for one in value for text in mistakes(one, schema.get("items", {}), f"{place}[]")]
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{place}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            allowed = properties.get(name, others)
            if allowed is False:
                found.append(f"{place}.{name} is not expected")
            elif allowed is not True:
                found += mistakes(item, allowed, f"{place}.{name}")
    return found


def test_the_schema_holds_for_real_lines(tmp_path, model_file, frames):
    detector, path = Detector(model_file, score_threshold=0.01), tmp_path / "o.jsonl"
    for streams in ((None,), ("a", "b")):
        with pytest.raises(RuntimeError), JsonLines(path, append=True) as sink:
            sink.begin(detector.metadata, dict.fromkeys(streams, Source()))
            for stream in streams:
                for frame in frames[:3]:
                    sink.write(dataclasses.replace(detector(frame), stream=stream), None)
                sink.event(dataclasses.replace(EVENT, stream=stream))
                sink.event(StreamEvent("failed", 0.0, -1, "no such file", stream))
            raise RuntimeError("torn")
    written = list(read_json_lines(path))
    assert [mistakes(line, SCHEMA) for line in written] == [[]] * len(written)
    kinds = [next(key for key in ("format", "detections", "event") if key in line) for line in written]
    assert [kinds.count(kind) for kind in ("format", "detections", "event")] == [2, 9, 8]
    height, width = frames[0].shape[:2]
    for line in written:
        if "detections" in line:
            assert (line["width"], line["height"]) == (width, height) and line["detections"]
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return
    for line in written:
        Draft202012Validator(SCHEMA).validate(line)


def test_lines_of_before_are_read_and_held_to_the_schema(tmp_path):
    path = tmp_path / "o.jsonl"
    old = {"utc": "2026-03-01T10:00:03.000+00:00", "frame_id": 4, "time": 0.4, "reset": None}
    old |= {"detections": [], "ms": {}, "tracks": 2}
    path.write_text(json.dumps(old) + "\n")
    assert list(read_json_lines(path)) == [old] and mistakes(old, SCHEMA) == []
    with JsonLines(path, append=True) as sink:
        assert sink.tracks() == 2
        sink.write(result(0), None)
    assert [line["frame_id"] for line in lines(path)] == [4, 5]


@pytest.mark.parametrize("change", [{"width": 0}, {"detections": [{"label": "disc"}]}, {"more": 1}, {"utc": "today"}])
def test_the_schema_refuses_other_lines(change):
    line = {"utc": "2026-03-01T10:00:03.000+00:00", **result(0).to_dict(), "tracks": 0}
    assert mistakes(line, SCHEMA) == [] and mistakes({**line, **change}, SCHEMA)
