"""Sources and sinks: what can be read, what is refused and how, and what a failed write leaves behind."""

from __future__ import annotations

import os
import struct

import cv2
import numpy as np
import pytest

from edge.atomic import atomic_path
from edge.draw import draw_boxes, draw_detections
from edge.errors import InputError
from edge.quiet import quiet_opencv
from edge.results import Detection, FrameResult, StreamEvent
from edge.sinks.video import VideoSink
from edge.video.open import open_source


def write_images(folder, frames, name="frame_{}.png"):
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / name.format(number)), frame)
    return folder


def test_mp4(clip, frames):
    with open_source(clip) as source:
        assert (source.width, source.height, source.fps, source.frame_count) == (64, 48, 10.0, 12)
        assert source.name == "clip.mp4"
        read = list(source)
    assert [frame_id for frame_id, _, _ in read] == list(range(12))
    assert [time for _, time, _ in read] == pytest.approx([i / 10 for i in range(12)], abs=1e-3)
    for (_, _, frame), original in zip(read, frames, strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (48, 64, 3)
        assert np.abs(frame.astype(int) - original).mean() < 25


@pytest.mark.parametrize("code", ["MJPG", "XVID"])
def test_avi(tmp_path, frames, code):
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*code), 10.0, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    with open_source(path) as source:
        assert source.frame_count == 12 and len(list(source)) == 12


def test_folder_in_natural_order(tmp_path, frames):
    folder = write_images(tmp_path / "frames", frames)
    (folder / "notes.txt").write_text("no frame")
    with open_source(folder) as source:
        assert (source.width, source.height, source.frame_count) == (64, 48, 12)
        for (frame_id, time, frame), original in zip(source, frames, strict=True):
            assert time == pytest.approx(frame_id / source.fps)
            np.testing.assert_array_equal(frame, original)


def test_one_image(tmp_path, frames):
    folder = write_images(tmp_path / "frames", frames[:1])
    with open_source(folder / "frame_0.png") as source:
        assert source.frame_count == 1
        np.testing.assert_array_equal(next(iter(source))[2], frames[0])


def test_images_of_several_sizes(tmp_path, frames):
    folder = write_images(tmp_path / "frames", [*frames[:2], frames[2][:30], frames[3]])
    with open_source(folder) as source:
        items = list(source.items())
    changes = [item for item in items if isinstance(item, StreamEvent)]
    assert [items.index(change) for change in changes] == [2, 4]
    assert changes[0].to_dict() == {
        "event": "size_changed",
        "time": pytest.approx(2 / 30, abs=1e-4),
        "frame_id": 1,
        "message": "frames were 64 x 48, now they are 64 x 30",
    }


def test_an_image_turned_by_exif(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :8] = 255
    body = cv2.imencode(".jpg", picture)[1].tobytes()
    # One entry: tag 0x112, orientation, 6: turn clockwise by 90 degrees to see it upright.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    path = tmp_path / "turned.jpg"
    path.write_bytes(body[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + body[2:])
    with open_source(path) as source:
        assert (source.height, source.width) == (32, 16)
        _, _, frame = next(iter(source))
    assert frame[:6].mean() > 200 and frame[-6:].mean() < 50


def test_a_video_turned_by_its_metadata(tmp_path, clip):
    content = bytearray(clip.read_bytes())
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    place = content.index(upright, content.index(b"tkhd"))
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(content)
    with open_source(clip) as upright, open_source(path) as turned:
        assert (turned.height, turned.width) == (64, 48)
        for (_, _, expected), (_, _, received) in zip(upright, turned, strict=True):
            np.testing.assert_array_equal(received, cv2.rotate(expected, cv2.ROTATE_90_CLOCKWISE))


def test_closed_while_it_is_read(clip):
    source = open_source(clip)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_overlapping_quiet_blocks_bring_the_log_back(monkeypatch):
    logging = getattr(cv2.utils, "logging", cv2)
    session_level = logging.getLogLevel()
    # As if the fixture of the session had not silenced it already.
    monkeypatch.setattr("edge.quiet._blocks", 0)
    logging.setLogLevel(3)
    try:
        first, second = quiet_opencv(), quiet_opencv()
        for block in (first, second):
            block.__enter__()
        first.__exit__(None, None, None)
        assert logging.getLogLevel() == 0
        second.__exit__(None, None, None)
        assert logging.getLogLevel() == 3
    finally:
        logging.setLogLevel(session_level)


def test_bad_sources(tmp_path, capfd):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "text.jpg").write_text("this is no image\n" * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no frame")
    table = {
        "absent.mp4": "no such source",
        "empty.mp4": "empty .0 bytes",
        "text.mp4": "no video that OpenCV can read",
        "text.jpg": "cannot decode the image",
        "folder": "holds no frames",
    }
    for name, message in table.items():
        with pytest.raises(InputError, match=message) as error:
            open_source(tmp_path / name)
        assert name in str(error.value)
    with pytest.raises(InputError, match="camera 97 does not open"):
        open_source("97")
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/none\.mp4 does not open: .*refused"):
        open_source("http://127.0.0.1:9/none.mp4")
    assert capfd.readouterr().err == ""


def test_mp4_cut_before_its_index(tmp_path, clip):
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"index is cut off|no frame that can be decoded"):
        open_source(path)


def test_cut_video_fails_after_its_last_frame(cut_clip):
    read = []
    with open_source(cut_clip) as source, pytest.raises(InputError, match=r"announces 60 frames, \d+ could be decoded"):
        read.extend(source)
    assert 30 < len(read) < 58


def test_unreadable_image_in_a_folder(tmp_path, frames):
    folder = write_images(tmp_path / "frames", frames[:4])
    (folder / "frame_2.png").write_bytes(b"")
    read = []
    with open_source(folder) as source, pytest.raises(InputError, match=r"cannot decode the image .*frame_2\.png"):
        read.extend(source)
    assert len(read) == 2


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


def test_atomic_path(tmp_path):
    target = tmp_path / "notes.txt"
    with atomic_path(target) as path:
        assert path.suffix == ".txt" and path.parent == tmp_path
        path.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), atomic_path(target) as path:
            path.write_text("half")
            raise error
    assert target.read_text() == "whole" and os.listdir(tmp_path) == ["notes.txt"]
    with pytest.raises(InputError, match="it is a folder"), atomic_path(tmp_path):
        pass


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name(tmp_path, monkeypatch):
    steps, target = [], tmp_path / "notes.txt"
    fsync, replace = os.fsync, os.replace

    def flush(descriptor):
        flushed = os.fstat(descriptor)
        for path in (tmp_path, *tmp_path.iterdir()):
            if path.stat().st_ino == flushed.st_ino:
                steps.append("folder" if path == tmp_path else path.read_text())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("name"), replace(*names)))
    with atomic_path(target) as path:
        path.write_text("whole")
        assert steps == []
    assert steps == ["whole", "name", "folder"] and target.read_text() == "whole"


def test_atomic_path_follows_links_and_spares_devices(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    with atomic_path(link) as path:
        path.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    with atomic_path(os.devnull) as path:
        assert str(path) == os.devnull


def test_drawing_leaves_the_frame_alone():
    frame = np.full((320, 400, 3), 90, np.uint8)
    result = FrameResult(0, 0.0, (Detection("disc", 1, 0.87, (-5.0, -3.0, 170.0, 100.0)),))
    drawn = draw_detections(frame, result)
    assert (frame == 90).all() and drawn.shape == frame.shape and (drawn != 90).any()
    assert (draw_detections(frame, FrameResult(0, 0.0, ())) == frame).all()


def test_boxes_are_drawn_where_they_are():
    frame = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_boxes(frame, [(20, 30, 60, 80)], [""], [(0, 0, 255)])
    rows, columns = np.nonzero(drawn[..., 2] > 128)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (30, 80, 20, 60)
    assert not drawn[40:70, 30:50].any()
