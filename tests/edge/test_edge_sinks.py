"""Where results go: files that survive what ends their run, a window, a function, and several of them at once."""

from __future__ import annotations

import dataclasses
import os
import sys
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from edge import Detection, FrameResult, InputError, StreamEvent, open_source
from edge.draw import with_caption
from edge.sinks.contact_sheet import CELL_HEIGHT, CELL_WIDTH, ContactSheet
from edge.sinks.json_lines import JsonLines, read_json_lines
from edge.sinks.page import MjpegPage
from edge.sinks.sink import Callback, Outputs
from edge.sinks.video import AnnotatedVideo
from edge.sinks.window import Window

EVENT = StreamEvent("lost", 1.25, 3, "gone")


def result(frame_id=0, size=(48, 64), time=None):
    detections = (Detection("disc", 1, 0.5, (4.0, 20.0, 30.0, 40.0)),)
    return FrameResult(
        frame_id, frame_id / 10 if time is None else time, detections, {}, np.full((*size, 3), 90, np.uint8)
    )


def lines(path):
    """The file's documents without its headers."""
    return [line for line in read_json_lines(path) if "format" not in line]


class Clock:
    """A time of day that moves on by a second with each look at it, in the zone of a place two hours ahead."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


class Source:
    name, width, height, fps, live = "rtsp://user:***@camera/a", 64, 48, 10.0, True


def test_several_sinks_and_one_drawing(tmp_path, monkeypatch):
    drawn, got = [], []
    draw = sys.modules["edge.sinks.sink"].draw_detections
    monkeypatch.setattr("edge.sinks.sink.draw_detections", lambda *words: drawn.append(words[1]) or draw(*words))
    videos = [AnnotatedVideo(tmp_path / name, 10) for name in ("a.mp4", "b.mp4")]
    sinks = [JsonLines(tmp_path / "o.jsonl"), *videos]
    # A shared sink is fed by each, and entered and left by none.
    shared = Callback(got.append, got.append)
    monkeypatch.setattr(shared, "__exit__", None)
    with Outputs(sinks, [shared]) as outputs:
        first, second = result(0), result(1)
        outputs.write(first)
        outputs.event(EVENT)
        outputs.write(second)
        assert not outputs.closed
    assert drawn == [first, second]
    assert got[0] is first and got[1] is EVENT and got[2] is second
    written = [{name: line[name] for name in line.keys() - {"utc", "tracks"}} for line in lines(tmp_path / "o.jsonl")]
    assert written == [first.to_dict(), EVENT.to_dict(), second.to_dict()]
    for name in ("a.mp4", "b.mp4"):
        with open_source(tmp_path / name) as source:
            assert [np.abs(frame - 90.0).max() > 60 for _, _, frame in source] == [True] * 2


def test_nothing_is_drawn_for_sinks_without_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.sinks.sink.draw_detections", None)
    with Outputs([JsonLines(tmp_path / "o.jsonl")]) as outputs:
        outputs.write(result())


def test_a_sink_that_cannot_begin_ends_those_before_it(tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(JsonLines, "__exit__", lambda *_: ended.append(True))
    with MjpegPage("0") as taken:
        second = MjpegPage(taken.url.split("/")[2])
        with pytest.raises(InputError, match="in use"), Outputs([JsonLines(tmp_path / "o.jsonl"), second]):
            pass
    assert ended == [True]


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


def test_lines_that_somebody_edited_are_read(tmp_path):
    path = tmp_path / "o.jsonl"
    path.write_text('{"frame_id": 0}\r\nnull\n\n[1]\n{"frame_id": 1}', encoding="utf-8-sig", newline="")
    assert [line["frame_id"] for line in read_json_lines(path)] == [0, 1]


def test_lines_tell_an_error_but_not_ctrl_c(tmp_path):
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


@pytest.mark.parametrize(
    "count, columns, cells, shape",
    [
        (1, None, 1, (1, 1)),
        (2, None, 2, (1, 2)),
        (3, None, 3, (1, 3)),
        (4, None, 4, (2, 2)),
        (50, None, 6, (2, 3)),
        (2, 3, 2, (1, 2)),
        (50, 6, 6, (1, 6)),
    ],
)
def test_a_sheet_shows_frames_evenly_spread(tmp_path, count, columns, cells, shape):
    path = tmp_path / "o.png"
    with Outputs([ContactSheet(path, frames=6, columns=columns)]) as outputs:
        for frame_id in range(count):
            plain = dataclasses.replace(result(frame_id), detections=())
            outputs.write(dataclasses.replace(plain, frame=np.full((48, 64, 3), 4 * frame_id + 20, np.uint8)))
    sheet, height = cv2.imread(os.fspath(path)), CELL_WIDTH * 48 // 64
    cell = (sheet.shape[0] + 4) // shape[0] - 4
    assert sheet.shape == (shape[0] * (cell + 4) - 4, shape[1] * (CELL_WIDTH + 4) - 4, 3)
    # The time stands below the frame and hides nothing of it.
    assert height + 10 < cell < height + 30
    corners = sheet[:: cell + 4, :: CELL_WIDTH + 4, 0].ravel()
    shown = (corners[:cells].astype(int) - 20) // 4
    assert len(shown) == cells and shown[0] == 0 and shown[-1] >= 0.85 * (count - 1)
    assert cells < 3 or np.ptp(np.diff(shown)) <= 4


@pytest.mark.parametrize(("size", "shape"), [((20, 640), (6, 1)), ((640, 20), (1, 6)), ((360, 640), (3, 2))])
def test_a_sheet_suits_the_frames(size, shape, tmp_path):
    with Outputs([ContactSheet(tmp_path / "o.png")]) as outputs:
        for frame_id in range(50):
            outputs.write(result(frame_id, size=size))
    height, width = cv2.imread(os.fspath(tmp_path / "o.png")).shape[:2]
    cell = min(CELL_WIDTH / size[1], CELL_HEIGHT / size[0])
    picture = np.zeros((round(size[0] * cell), round(size[1] * cell), 3), np.uint8)
    sides = with_caption(picture, "0.00 s").shape
    assert (height, width) == tuple(n * (side + 4) - 4 for n, side in zip(shape, sides, strict=False))


def test_a_sheet_has_the_boxes_and_is_written_after_ctrl_c(tmp_path):
    with pytest.raises(KeyboardInterrupt), Outputs([ContactSheet(tmp_path / "o.png")]) as outputs:
        outputs.write(result(size=(480, 640)))
        raise KeyboardInterrupt
    sheet = cv2.imread(os.fspath(tmp_path / "o.png"))
    # The box's lower right corner (30, 40), at half the size.
    assert np.ptp(sheet[18:23, 12:18].reshape(-1, 3), axis=0).max() > 40
    assert np.ptp(sheet[60 : CELL_WIDTH * 3 // 4, 160:]) == 0


def test_a_sheet_of_an_unknown_kind_is_refused_before_the_run(tmp_path):
    with pytest.raises(InputError, match=r"a \.png or \.jpg file\. Received: .*o\.gif"):
        ContactSheet(tmp_path / "o.gif")


def test_a_sheet_of_no_frame_is_not_written(tmp_path):
    with Outputs([ContactSheet(tmp_path / "o.png")]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_changes_size_is_fitted(tmp_path):
    path = tmp_path / "o.mp4"
    with AnnotatedVideo(path, 10) as sink:
        for size in [(48, 64), (48, 64), (96, 32)]:
            sink.write(None, lambda size=size: np.full((*size, 3), 200, np.uint8))
        assert sink.fitted == 1
    with open_source(path) as source:
        frames = [frame for _, _, frame in source]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    # 96 x 32 becomes 48 x 16 in the middle, with black to both sides.
    assert frames[2][:, 28:36].mean() > 180 and frames[2][:, :20].mean() < 20 and frames[2][:, 44:].mean() < 20


def test_a_live_recording_runs_at_the_speed_of_life(tmp_path):
    path = tmp_path / "o.mp4"
    # 10 frames a second were asked for: five times at 5 fps, a burst of which most are left out, a hole of an hour.
    times = [0.0, 0.2, 0.4, 0.6, 0.8, *[0.81 + k / 100 for k in range(10)], 3600.0, 3600.1]
    with AnnotatedVideo(path, 10, live=True) as sink:
        for time in times:
            sink.write(result(time=time), lambda: np.zeros((48, 64, 3), np.uint8))
    with open_source(path) as source:
        assert abs(source.frame_count - 12) <= 1


def test_a_window(monkeypatch):
    shown = []
    keys = iter([-1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture), raising=False)
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys), raising=False)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0, raising=False)
    monkeypatch.setattr(cv2, "destroyWindow", lambda _: shown.append("closed"), raising=False)
    with Outputs([Window()]) as outputs:
        outputs.write(result())
        assert not outputs.closed
        outputs.write(result())
        assert outputs.closed
        outputs.write(result())
    assert len(shown) == 3 and shown[-1] == "closed"


def test_a_window_without_a_screen_or_in_a_headless_opencv(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"needs a display.*--serve"):
        Window()
    monkeypatch.setenv("DISPLAY", ":0")

    def refuse(*_):
        raise cv2.error("The function is not implemented. Rebuild the library with Windows, GTK+ 2.x or Cocoa support")

    monkeypatch.setattr(cv2, "imshow", refuse, raising=False)
    with pytest.raises(InputError, match=r"without windows.*--serve"), Window() as window:
        window.write(result(), lambda: np.zeros((8, 8, 3), np.uint8))
