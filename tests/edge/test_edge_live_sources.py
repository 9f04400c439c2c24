"""Cameras and URLs: what stalls, dies, comes back or changes size; a read that hangs; no thread left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import itertools
import threading
import time

import numpy as np
import pytest
from mjpeg_camera import MjpegCamera
from video_files import number_of, trim_mp4, write_video

from edge import InputError, LiveLimits, StreamEvent, open_source
from edge.video.connection import CaptureConnection, Connection
from edge.video.live import LiveSource

QUICK = LiveLimits(open_seconds=5, stall_seconds=0.15, read_seconds=0.4, attempts=40, first_wait=0.02, longest_wait=0.1)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Only what a test started itself: readers must be gone when their source is closed."""
    yield
    deadline = time.monotonic() + 5
    while any(thread.name == "sge-edge-reader" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a reader thread outlived its source"
        time.sleep(0.01)


class Gate(threading.Event):
    """An event that tells when somebody has come to wait for it."""

    def __init__(self):
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout=None):
        self.reached.set()
        return super().wait(timeout)


class Script(Connection):
    """A camera made of a list: arrays are frames, numbers are waits in seconds, events are waited for, None ends."""

    fps = 12.0

    def __init__(self, steps):
        self._steps = iter(steps)
        self.closed = False

    def read(self):
        for step in self._steps:
            if isinstance(step, threading.Event):
                step.wait(20)
            elif isinstance(step, float):
                time.sleep(step)
            else:
                return step
        return None

    def close(self):
        self.closed = True


def frame(value=0, size=(48, 64)):
    return np.full((*size, 3), value, np.uint8)


def scripted(*connections, limits=QUICK):
    """A live source over the given scripts, one a connection; an exception is raised by its connection."""
    left = iter(connections)

    def connect():
        step = next(left, ConnectionError("gone"))
        if isinstance(step, Exception):
            raise step
        return Script(step)

    return LiveSource(connect, "fake camera", limits, "Check it.")


def collect(source, enough=lambda items: False):
    items = []
    for item in source.items():
        items.append(item)
        if enough(items):
            break
    return items


def kinds(items):
    return [item.kind for item in items if isinstance(item, StreamEvent)]


def test_a_camera_over_http():
    with MjpegCamera() as camera, open_source(camera.url, QUICK) as source:
        assert source.live and source.frame_count is None and (source.width, source.height) == (64, 48)
        taken = [item for item, _ in zip(source, range(5), strict=False)]
        numbers, times = [item[0] for item in taken], [item[1] for item in taken]
        assert numbers == sorted(set(numbers)) and times == sorted(times) and times[0] >= 0
        assert all(image.shape == (48, 64, 3) and image.dtype == np.uint8 for _, _, image in taken)


def test_parts_without_a_length_and_a_password():
    with MjpegCamera(with_length=False, password="dTpzZWNyZXQ=") as camera:
        with pytest.raises(InputError, match="answers 401"):
            open_source(camera.url, QUICK)
        with open_source(camera.url.replace("127", "u:secret@127"), QUICK) as source:
            assert "secret" not in source.name and "127.0.0.1" in source.name
            assert len([item for item, _ in zip(source, range(5), strict=False)]) == 5
    with pytest.raises(InputError) as error:
        open_source("http://u:secret@127.0.0.1:9/", QUICK)
    assert "secret" not in str(error.value)


def test_a_camera_that_stalls_dies_comes_back_and_changes_size():
    with MjpegCamera() as camera, open_source(camera.url, QUICK) as source:
        seen = []

        def script(items):
            item = items[-1]
            if not isinstance(item, StreamEvent):
                seen.append(item[2].shape[:2])
                if len(seen) == 3:
                    camera.size = (96, 64)
                elif (96, 64) in seen and not camera.stalled and "stalled" not in kinds(items):
                    camera.stalled = True
                return "reconnected" in kinds(items) and len(seen) > 8
            if item.kind == "stalled":
                camera.die()
            elif item.kind == "lost":
                camera.stalled = False
                threading.Timer(0.3, camera.start).start()
            return False

        items = collect(source, script)
        assert kinds(items)[:1] == ["size_changed"]
        # The server that dies closes the connection, so the stall may end as a loss at once.
        assert [kind for kind in kinds(items) if kind != "size_changed"][-2:] == ["lost", "reconnected"]
        numbers = [item[0] for item in items if not isinstance(item, StreamEvent)]
        assert numbers == sorted(set(numbers)), "numbers go on after the camera came back"
        for before, event in itertools.pairwise(items):
            if isinstance(event, StreamEvent) and not isinstance(before, StreamEvent):
                assert event.frame_id == before[0]


def test_a_stall_that_ends():
    waits = threading.Event()
    source = scripted([frame(1), waits, frame(2), frame(3)])

    def release(items):
        if kinds(items) == ["stalled"]:
            waits.set()
        return not isinstance(items[-1], StreamEvent) and items[-1][2][0, 0, 0] >= 2

    with source:
        items = collect(source, release)
    assert kinds(items) == ["stalled"] and items[1].to_dict() == {
        "event": "stalled",
        "time": pytest.approx(items[1].time, abs=1e-3),
        "frame_id": 0,
        "message": "no frame for 0.15 s",
    }


def test_a_read_that_hangs_does_not_hang_the_program():
    hangs = threading.Event()
    with scripted([frame(1), hangs], ConnectionError("busy"), [frame(2, (10, 20)), hangs]) as source:
        assert source.fps == 12
        items = collect(source, lambda items: not isinstance(items[-1], StreamEvent) and items[-1][2][0, 0, 0] == 2)
        hangs.set()
    assert kinds(items) == ["stalled", "lost", "reconnected", "size_changed"]
    assert "2 attempts" in items[3].message and items[-1][0] == 1


def test_a_camera_that_never_answers():
    hangs = threading.Event()
    limits = dataclasses.replace(QUICK, open_seconds=0.1)
    with pytest.raises(InputError, match=r"fake camera does not open: no frame within 0\.1 s\. Check it\."):
        scripted([hangs], limits=limits)
    hangs.set()


def test_attempts_run_out():
    limits = dataclasses.replace(QUICK, attempts=3)
    with scripted([frame(1)], limits=limits) as source, pytest.raises(InputError, match=r"in 3 attempts: gone\. Check"):
        collect(source)
    limits = dataclasses.replace(QUICK, attempts=0)
    with scripted([frame(1)], limits=limits) as source, pytest.raises(InputError, match="in 0 attempts: it sends no"):
        collect(source)


def test_back_off_doubles_up_to_the_longest_wait():
    limits = LiveLimits(first_wait=0.5, longest_wait=30)
    assert [limits.wait(attempt) for attempt in (0, 1, 2, 5, 6, 7, 10**6)] == [0.5, 1, 2, 16, 30, 30, 30]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attempts": -1}, "attempts must be 0 or more"),
        ({"first_wait": 0}, "first_wait must be above 0"),
        ({"read_seconds": 1, "stall_seconds": 2}, "read_seconds must be at least stall_seconds"),
    ],
)
def test_limits_refused(values, message):
    with pytest.raises(InputError, match=message):
        LiveLimits(**values)


def test_only_the_newest_frame_waits():
    first_taken, all_read = Gate(), Gate()
    with scripted([frame(1), first_taken, *[frame(value) for value in range(2, 60)], all_read]) as source:
        items = iter(source)
        first = next(items)
        first_taken.set()
        assert all_read.reached.wait(20)
        second = next(items)
        all_read.set()
    assert (first[0], second[0]) == (0, 58) and second[2][0, 0, 0] == 59


def test_what_comes_between_opening_and_reading_makes_the_first_frame_old():
    opened, all_read = threading.Event(), Gate()
    with scripted([frame(1), opened, *[frame(value) for value in range(2, 60)], all_read]) as source:
        opened.set()
        assert all_read.reached.wait(20)
        first = next(iter(source))
        all_read.set()
    assert first[0] == 58 and first[2][0, 0, 0] == 59


def test_close_from_another_thread_ends_the_iteration():
    hangs = threading.Event()
    limits = dataclasses.replace(QUICK, stall_seconds=30, read_seconds=60)
    source = scripted([frame(1), hangs], limits=limits)
    closing = threading.Timer(0.1, source.close)
    closing.start()
    assert len(collect(source)) == 1
    closing.join()
    hangs.set()


def test_close_while_it_waits_to_connect_again():
    limits = dataclasses.replace(QUICK, first_wait=60, longest_wait=60)
    source = scripted([frame(1)], limits=limits)
    closing = threading.Timer(0.2, source.close)
    closing.start()
    assert kinds(collect(source)) == ["lost"]
    closing.join()


def test_damaged_pictures_are_passed_over():
    class Damaged(MjpegCamera):
        def _part(self):
            part = super()._part()
            return part.replace(b"\xff\xd8\xff", b"\x00\x00\x00") if self.sent % 2 else part

    with Damaged() as camera, open_source(camera.url, QUICK) as source:
        values = [round(float(image.mean())) for (_, _, image), _ in zip(source, range(6), strict=False)]
    assert len(set(values)) == 6 and all(value % 2 == 0 for value in values)


def test_a_trimmed_file_behind_a_url_ends_well(tmp_path):
    content = trim_mp4(write_video(tmp_path / "trimmed.mp4"), 13, 20).read_bytes()

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers.get("Authorization") != "Basic dXNlcjpwI3M=":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="files"')
                self.end_headers()
                return
            start, _, stop = self.headers.get("Range", "bytes=0-")[6:].partition("-")
            part = content[int(start) : int(stop) + 1 if stop else None]
            self.send_response(206)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(part)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with open_source(f"http://user:p#s@127.0.0.1:{server.server_port}/trimmed.mp4", QUICK) as source:
            assert source.frame_count == 20
            assert [number_of(frame) for _, _, frame in source] == list(range(13, 33))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_behind_a_url_gives_every_frame(clip, tmp_path):
    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(clip.parent))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with open_source(f"http://127.0.0.1:{server.server_port}/{clip.name}", QUICK) as source:
            assert not source.live and source.frame_count == 12 and len(list(source)) == 12
        with pytest.raises(InputError, match="answers 404"):
            open_source(f"http://127.0.0.1:{server.server_port}/absent.mp4", QUICK)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_opencv_reads_a_stream_within_its_deadline():
    with MjpegCamera() as camera:
        connection = CaptureConnection(camera.url, 0.5)
        assert connection.read().shape == (48, 64, 3)
        camera.stalled = True
        while connection.read() is not None:
            pass
        connection.close()
    with pytest.raises(OSError, match="gets nothing"):
        CaptureConnection("rtsp://127.0.0.1:9/none", 0.5)
