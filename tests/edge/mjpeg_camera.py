"""A camera for tests: motion JPEG over HTTP that stalls, dies, comes back and changes its size on command."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


class MjpegCamera:
    """Use it as a context manager. The attributes may be changed while it runs.

    Attributes:
        url: of the stream. size: (height, width) of the next frames. stalled: whether it sends nothing.
        with_length: whether parts announce their length. password: None asks for none.
        sent: how many frames went out. clients: how many connections have been taken.
    """

    def __init__(self, size=(48, 64), with_length=True, password=None):
        self.size, self.with_length, self.password = size, with_length, password
        self.stalled, self.sent, self.clients = False, 0, 0
        self._port = 0
        self._stop = threading.Event()
        self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.die()

    def start(self):
        """Opens the port, the same one each time."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                camera._answer(self)

        self._stop.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        self.url = f"http://127.0.0.1:{self._port}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def die(self):
        """Drops its clients and closes the port."""
        if self._server is not None:
            self._stop.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def _answer(self, handler):
        if self.password and self.password not in handler.headers.get("Authorization", ""):
            handler.send_error(401)
            return
        if not handler.path.endswith(".mjpg"):
            handler.send_error(404)
            return
        self.clients += 1
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        handler.end_headers()
        try:
            while not self._stop.wait(0.005):
                if not self.stalled:
                    handler.wfile.write(self._part())
                    self.sent += 1
        except OSError:
            pass

    def _part(self):
        picture = np.full((*self.size, 3), self.sent % 200, np.uint8)
        body = cv2.imencode(".jpg", picture)[1].tobytes()
        length = f"Content-Length: {len(body)}\r\n" if self.with_length else ""
        return f"--cut\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + body + b"\r\n"
