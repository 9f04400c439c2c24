"""The page: what a browser gets, that nobody holds the detector up, and that it ends cleanly."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from edge import Detection, FrameResult, InputError, StreamEvent, open_source
from edge.sinks.page import MjpegPage, NewestPicture
from edge.sinks.page_server import MOST_OTHERS, MOST_VIEWERS, names_this_machine
from edge.sinks.sink import Outputs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
RED = (30, 30, 220)


def get(url):
    # Whatever proxy this machine has is not for its own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.headers, answer.read()


def result(frame_id, frame):
    return FrameResult(frame_id, frame_id / 50, (Detection("drone", 0, 0.9, (2.0, 30.0, 40.0, 60.0)),), {}, frame)


@contextlib.contextmanager
def served(frame=None, pause=0.02):
    """A page and a thread that feeds it until the block ends; gives (page, outputs)."""
    frame = np.full((96, 128, 3), RED, np.uint8) if frame is None else frame
    page, ended = MjpegPage("127.0.0.1:0", "<tiny> model"), threading.Event()
    with Outputs([page]) as outputs:

        def feed():
            count = 0
            while not ended.wait(pause):
                outputs.write(result(count, frame))
                count += 1

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield page, outputs
        finally:
            ended.set()
            feeder.join()


def test_page_picture_and_status():
    with served() as (page, outputs):
        assert page.url.startswith("http://127.0.0.1:")
        headers, body = get(page.url)
        text = body.decode()
        assert headers["Content-Type"].startswith("text/html") and "&lt;tiny&gt; model" in text
        assert not re.search(r"(src|href)=\"?(https?:)?//", text), "nothing comes from elsewhere"
        for _ in range(3):
            headers, body = get(page.url + "frame.jpg")
        assert headers["Content-Type"] == "image/jpeg"
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (4 * 96, 4 * 128, 3) and np.abs(picture[5, 5].astype(int) - RED).max() < 25
        outputs.event(StreamEvent("stalled", 2.5, 7, "no frame for 2 s"))
        status = json.loads(get(page.url + "status.json")[1])
        assert status["model"] == "<tiny> model" and status["frames"] > 0 and status["fps"] > 0
        assert status["detections"] == {"drone": 1} and status["event"]["event"] == "stalled"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(page.url + "../../etc/passwd")


def test_our_own_source_reads_the_stream():
    with served() as (page, _), open_source(page.url + "stream.mjpg") as source:
        frames = [frame for (_, _, frame), _ in zip(source, range(5), strict=False)]
    assert source.live and frames[0].shape == (4 * 96, 4 * 128, 3)
    assert all(np.abs(frame[5, 5].astype(int) - RED).max() < 25 for frame in frames)


def test_several_clients_and_a_limit():
    with served() as (page, _), contextlib.ExitStack() as stack:
        host = page.url.split("/")[2]
        clients = []
        for _ in range(MOST_VIEWERS):
            client = http.client.HTTPConnection(host, timeout=20)
            stack.callback(client.close)
            client.request("GET", "/stream.mjpg")
            clients.append(client.getresponse())
        for client in clients:
            assert client.status == 200 and client.read(200).count(b"image/jpeg") == 1
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(page.url + "stream.mjpg")
        assert get(page.url + "status.json"), "the status is there for everybody"


def connections(page, count, request=b""):
    """So many open connections that have sent so much."""
    stack, address = contextlib.ExitStack(), ("127.0.0.1", int(page.url.split(":")[2].strip("/")))
    for _ in range(count):
        stack.enter_context(socket.create_connection(address, timeout=20)).sendall(request)
    return stack


def status_of(page, path, host=None):
    """The status line's number of a request, and the first bytes of the body."""
    client = http.client.HTTPConnection(page.url.split("/")[2], timeout=20)
    with contextlib.closing(client):
        client.request("GET", path, headers={} if host is None else {"Host": host})
        answer = client.getresponse()
        return answer.status, answer.read(100)


@pytest.mark.parametrize(("count", "request_"), [(60, b""), (MOST_OTHERS + 60, b"GET /status.js")])
def test_silent_clients_cost_no_thread_and_lock_nobody_out(count, request_):
    with served() as (page, _):
        threads = threading.active_count()
        with connections(page, count, request_):
            assert status_of(page, "/status.json")[0] == 200
            assert status_of(page, "/stream.mjpg")[0] == 200
            assert threading.active_count() == threads


def test_many_who_ask_for_single_pictures_do_not_lock_out_the_stream(monkeypatch):
    monkeypatch.setattr("edge.sinks.page_server._SNAPSHOT_SECONDS", 600.0)
    # No frame comes: everybody who asks for one waits.
    with MjpegPage("0") as page, connections(page, 40, b"GET /frame.jpg HTTP/1.0\r\n\r\n"):
        pause = threading.Event()
        assert any(page._newest.viewers == 40 or pause.wait(0.02) for _ in range(3000))
        client = http.client.HTTPConnection(page.url.split("/")[2], timeout=20)
        with contextlib.closing(client):
            client.request("GET", "/stream.mjpg")
            assert client.getresponse().status == 200
        assert status_of(page, "/status.json")[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("192.168.1.7", 200),
        ("[::1]:8080", 200),
        ("localhost:9000", 200),
        ("page.localhost", 200),
        (socket.gethostname(), 200),
        ("rebound.example", 421),
        ("127.0.0.1.rebound.example:8080", 421),
        ("localhost.example", 421),
        ("[::1", 421),
    ],
)
def test_a_foreign_host_is_not_answered(host, status):
    """A page of the web may point a name of its own at this address; no browser lies about the name it asked for."""
    with MjpegPage("0") as page:
        for path in ("/", "/status.json"):
            assert status_of(page, path, host)[0] == status


def test_the_name_served_at_is_answered():
    with MjpegPage("localhost:0") as page:
        assert get(page.url)[1]
    assert names_this_machine("camera.lan:8080", "Camera.lan") and not names_this_machine("other.lan", "camera.lan")


def test_what_is_no_request_is_refused():
    with MjpegPage("0") as page:
        for request, status in ((b"hello\r\n\r\n", b"400"), (b"POST / HTTP/1.1\r\n\r\n", b"501")):
            with socket.create_connection(("127.0.0.1", int(page.url.split(":")[2].strip("/"))), timeout=20) as client:
                client.sendall(request)
                assert client.recv(20).split()[1] == status


def test_a_client_that_reads_nothing_holds_nobody_up():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with served(noise, pause=0.001) as (page, _):
        host, port = page.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))) as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.sendall(b"GET /stream.mjpg HTTP/1.0\r\n\r\n")
            with open_source(page.url + "stream.mjpg") as source:
                before = json.loads(get(page.url + "status.json")[1])["frames"]
                taken = [frame_id for (frame_id, _, _), _ in zip(source, range(20), strict=False)]
                after = json.loads(get(page.url + "status.json")[1])["frames"]
            assert len(taken) == 20 and after > before


def test_nothing_is_drawn_while_nobody_looks(monkeypatch):
    monkeypatch.setattr("edge.sinks.sink.draw_detections", None)
    page = MjpegPage("0")
    with Outputs([page]) as outputs:
        for count in range(5):
            outputs.write(result(count, None))
        assert json.loads(get(page.url + "status.json")[1])["frames"] == 5


@pytest.mark.parametrize("now", [0.0, 1.0, 1e9])
def test_pictures_no_faster_than_asked_and_encoded_once(monkeypatch, now):
    """Also on a machine that started a second ago, which is where its clock began."""
    clock = [now]
    monkeypatch.setattr("edge.sinks.page.monotonic", lambda: clock[0])
    newest = NewestPicture(most_fps=1e-3)
    assert not newest.wanted
    with newest.watching():
        assert newest.wanted
        newest.put(np.zeros((8, 8, 3), np.uint8))
        assert not newest.wanted
        clock[0] += 1001
        assert newest.wanted
    first = newest.jpeg()
    monkeypatch.setattr(cv2, "imencode", None)
    assert newest.jpeg() == first and first[0] == 1


def test_it_ends_with_clients_connected_and_leaves_no_thread():
    before = set(threading.enumerate())
    with served() as (page, _):
        host, port = page.url.split("/")[2].split(":")
        watching = socket.create_connection((host, int(port)))
        watching.sendall(b"GET /stream.mjpg HTTP/1.0\r\n\r\n")
        silent = socket.create_connection((host, int(port)))
        assert watching.recv(100)
    watching.close()
    silent.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=5)


def test_addresses():
    with MjpegPage("0") as page:
        taken = page.url.split("/")[2]
        assert taken.startswith("127.0.0.1:")
        with pytest.raises(InputError, match=f"cannot serve at {taken}: .*in use"), MjpegPage(taken):
            pass
    for address in ("here", "127.0.0.1:", "127.0.0.1:99999"):
        with pytest.raises(InputError, match=r"expected host:port .* Received"):
            MjpegPage(address)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_in_chromium(tmp_path):
    picture = tmp_path / "page.png"
    with served(np.full((240, 320, 3), RED, np.uint8)) as (page, _):
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-proxy-server",
            "--window-size=500,400",
        ]
        command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", "--timeout=4000", page.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert picture.exists(), done.stderr[-2000:]
    seen = cv2.imread(str(picture))
    red = np.abs(seen.astype(int) - RED).max(axis=2) < 40
    assert red.sum() > 0.5 * 240 * 320, "the stream is not in the page"
