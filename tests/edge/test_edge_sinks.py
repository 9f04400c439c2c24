"""Where results go: recordings and sheets that survive what ends their run, a window, a function, several at once."""

from __future__ import annotations

import dataclasses
import os
import sys

import cv2
import numpy as np
import pytest
from made_results import EVENT, lines, result

from edge.draw import with_caption
from edge.errors import InputError
from edge.sinks.contact_sheet import CELL_HEIGHT, CELL_WIDTH, ContactSheet
from edge.sinks.json_lines import JsonLines
from edge.sinks.page import MjpegPage
from edge.sinks.sink import Callback, Outputs
from edge.sinks.video import AnnotatedVideo, VideoSink
from edge.sinks.window import Window
from edge.video.open import open_source


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


def test_a_live_recording_runs_in_real_time(tmp_path):
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


@pytest.mark.parametrize("fps", [10.0, 29.97002997, 23.976, 120.0])
@pytest.mark.parametrize("size", [(48, 64), (33, 47)])
def test_sink_writes_what_a_source_reads(tmp_path, fps, size):
    path = tmp_path / "out.mp4"
    with VideoSink(path, fps) as sink:
        for step in range(20):
            sink.write(np.full((*size, 3), 10 * step, np.uint8))
        assert not path.exists()
    with open_source(path) as source:
        # MPEG-4 stores even sides only.
        assert (source.height, source.width) == (size[0] // 2 * 2, size[1] // 2 * 2)
        assert source.fps == pytest.approx(fps, rel=1e-3)
        levels = [frame.mean() for _, _, frame in source]
    assert levels == pytest.approx([10 * step for step in range(20)], abs=6)
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_a_recording_without_a_frame_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), VideoSink(path, 10):
            raise error
    assert os.listdir(tmp_path) == ["out.mp4"] and path.read_bytes() == b"older"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, InputError])
def test_a_recording_that_is_cut_off_is_kept_and_plays(tmp_path, error):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    with pytest.raises(error), VideoSink(path, 10) as sink:
        for _ in range(5):
            sink.write(np.zeros((48, 64, 3), np.uint8))
        raise error
    with open_source(path) as source:
        assert len(list(source)) == 5
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_sink_refuses(tmp_path):
    with pytest.raises(InputError, match=r"\.mp4 only"):
        VideoSink(tmp_path / "out.avi", 10)
    with pytest.raises(InputError, match="there is no folder"):
        VideoSink(tmp_path / "absent" / "out.mp4", 10)
    with pytest.raises(InputError, match="frames of one size"), VideoSink(tmp_path / "out.mp4", 10) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8))
        sink.write(np.zeros((48, 32, 3), np.uint8))
    with open_source(tmp_path / "out.mp4") as source:
        assert source.frame_count == 1
    with pytest.raises(InputError, match="nothing to write"), VideoSink(tmp_path / "empty.mp4", 10):
        pass
    assert os.listdir(tmp_path) == ["out.mp4"]
