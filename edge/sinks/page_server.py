"""The HTTP side of the page: which address answers with what."""

from __future__ import annotations

import contextlib
import html
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edge.sinks.newest_picture import NewestPicture
from edge.sinks.page_status import PageStatus

MOST_CLIENTS = 16
_BOUNDARY = "sge-edge-frame"
_SNAPSHOT_SECONDS = 5.0
# What the kernel may hold back for a client: more would show a slow one the past.
_SEND_BUFFER = 1 << 16

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
body{margin:0;background:#111;color:#ddd;font:15px/1.5 system-ui,sans-serif}
img{display:block;max-width:100%;max-height:85vh;margin:auto}
p{margin:.5em 1em}
#event{color:#fb5}
</style></head>
<body><img src="stream.mjpg" alt="the stream with its detections">
<p><b>TITLE</b> <span id="status">waiting for a frame</span></p><p id="event"></p>
<script>
async function tell() {
  const status = document.getElementById("status"), event = document.getElementById("event");
  try {
    const s = await (await fetch("status.json")).json();
    const found = Object.entries(s.detections).map(([label, count]) => label + " " + count).join(", ") || "nothing";
    status.textContent = `${s.fps.toFixed(1)} fps, frame ${s.frame_id}, ${s.time.toFixed(1)} s: ${found}`;
    event.textContent = s.event ? `${s.event.event} at ${s.event.time.toFixed(1)} s: ${s.event.message}` : "";
  } catch { status.textContent = "sge-edge has ended"; }
  setTimeout(tell, 1000);
}
tell();
</script></body></html>
"""


class PageServer(ThreadingHTTPServer):
    """Serves the page, its pictures and its status; one thread a client, at most `MOST_CLIENTS` of them.

    Args:
        address: (host, port); port 0 takes a free one.
        newest: the pictures. status: the counts. title: of the page.

    Raises:
        OSError: the address cannot be had.
    """

    # Their sockets are shut at the end, so that waiting for the threads is short.
    daemon_threads = False

    def __init__(self, address: tuple[str, int], newest: NewestPicture, status: PageStatus, title: str):
        self.newest, self.status = newest, status
        self.page = _PAGE.replace("TITLE", html.escape(title)).encode()
        self._clients: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that left or is too slow is no news.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stops answering, drops the clients and waits for their threads."""
        self.newest.close()
        self.shutdown()
        for client in tuple(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def full(self) -> bool:
        """Whether no further client may look."""
        return self.newest.watchers >= MOST_CLIENTS


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    # A client that takes nothing for so long is dropped.
    timeout = 10

    def do_GET(self) -> None:
        answers = {
            "/": self._index,
            "/stream.mjpg": self._stream,
            "/frame.jpg": self._frame,
            "/status.json": self._status,
        }
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            self.send_error(404)
        else:
            answer()

    def log_message(self, *_: object) -> None:
        pass

    def _index(self) -> None:
        self._send("text/html; charset=utf-8", self.server.page)

    def _status(self) -> None:
        self._send("application/json", json.dumps(self.server.status.to_dict()).encode())

    def _frame(self) -> None:
        newest = self.server.newest
        # The last picture may be of long ago: none is kept up while nobody looks.
        with newest.watching():
            answer = newest.jpeg(newest.number, _SNAPSHOT_SECONDS)
        if answer is None:
            self.send_error(503, "no frame comes")
        else:
            self._send("image/jpeg", answer[1])

    def _stream(self) -> None:
        if self.server.full():
            self.send_error(503, f"{MOST_CLIENTS} clients look already")
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.wfile.write(f"--{_BOUNDARY}\r\n".encode())
        newest = self.server.newest
        number = newest.number
        with newest.watching():
            while (answer := newest.jpeg(number)) is not None:
                number, jpeg = answer
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # Browsers show a picture when the boundary after it has come.
                self.wfile.write(head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode())

    def _send(self, content_type: str, body: bytes) -> None:
        self._begin(content_type, len(body))
        self.wfile.write(body)

    def _begin(self, content_type: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
