"""The HTTP side of the page: which requests are answered, with what, and how many at once."""

from __future__ import annotations

import asyncio
import contextlib
import html
import http.client
import io
import ipaddress
import json
import socket
import threading
from http import HTTPStatus
from urllib.parse import urlsplit

from edge.sinks.page import NewestPicture, PageStatus

# Viewers of the stream, and all other connections: those that ask for something short, or for nothing yet.
MOST_VIEWERS = 16
MOST_OTHERS = 64
# A client that sends no request or takes nothing for so long is dropped.
_CLIENT_SECONDS = 10.0
_SNAPSHOT_SECONDS = 5.0
# How often a viewer's connection is checked while no picture comes.
_CHECK_SECONDS = 1.0
_LONGEST_REQUEST = 1 << 14
_BOUNDARY = "sge-edge-frame"
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
async function update() {
  const status = document.getElementById("status"), event = document.getElementById("event");
  try {
    const s = await (await fetch("status.json")).json();
    const found = Object.entries(s.detections).map(([label, count]) => label + " " + count).join(", ") || "nothing";
    status.textContent = `${s.fps.toFixed(1)} fps, frame ${s.frame_id}, ${s.time.toFixed(1)} s: ${found}`;
    event.textContent = s.event ? `${s.event.event} at ${s.event.time.toFixed(1)} s: ${s.event.message}` : "";
  } catch { status.textContent = "sge-edge has ended"; }
  setTimeout(update, 1000);
}
update();
</script></body></html>
"""


class PageServer:
    """Serves the page, its pictures and its status in one thread, however many connections there are.

    At most `MOST_VIEWERS` get the stream. Of all other connections the oldest is dropped where there would be more than
    `MOST_OTHERS`: clients that are silent or ask too often do not lock out others. A request must name this machine,
    see `names_this_machine`.

    Args:
        address: (host, port); port 0 takes a free one.
        newest: the pictures. status: the counts. title: of the page.

    Attributes:
        server_port: the port that was taken.

    Raises:
        OSError: the address cannot be taken.
    """

    def __init__(self, address: tuple[str, int], newest: NewestPicture, status: PageStatus, title: str):
        self._host, self._newest, self._status = address[0], newest, status
        self._page = _PAGE.replace("TITLE", html.escape(title)).encode()
        self._others: dict[asyncio.Task[None], None] = {}
        self._streams = 0
        self._started = threading.Event()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family)
        self.server_port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="sge-edge-page", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        self._started.wait()

    def end(self) -> None:
        """Stops answering and drops the clients."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over, self._changed = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._newest.on_put = self._wake_soon
        # This stops listening; when it returns, `asyncio.run` cancels the answers under way.
        server = await asyncio.start_server(self._answer, sock=self._socket, limit=_LONGEST_REQUEST, backlog=128)
        self._started.set()
        await self._over.wait()
        server.close()

    def _wake_soon(self) -> None:
        # A picture may still come after the end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _current_task()
        if len(self._others) >= MOST_OTHERS:
            oldest = next(iter(self._others))
            del self._others[oldest]
            oldest.cancel()
        self._others[client] = None
        # Draining then waits until the kernel has everything.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _CLIENT_SECONDS)
            await self._reply(request, reader, writer)
            writer.close()
        except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, http.client.HTTPException):
            # A client that left, is too slow or speaks another protocol is none of the stream's concern.
            pass
        finally:
            self._others.pop(client, None)
            if not writer.is_closing():
                writer.transport.abort()

    async def _reply(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, headers = request.partition(b"\r\n")
        words = line.decode("latin-1").split()
        if len(words) != 3:
            return await self._refuse(writer, HTTPStatus.BAD_REQUEST, "no HTTP request")
        hosts = http.client.parse_headers(io.BytesIO(headers)).get_all("Host", [])
        if any(not names_this_machine(host, self._host) for host in hosts):
            advice = "Use its IP address, or name it: --serve NAME:PORT."
            return await self._refuse(
                writer, HTTPStatus.MISDIRECTED_REQUEST, f"this machine is not known as {hosts[0]}. {advice}"
            )
        if words[0] != "GET":
            return await self._refuse(writer, HTTPStatus.NOT_IMPLEMENTED, "there is only GET")
        path = words[1].partition("?")[0]
        if path == "/":
            await self._send(writer, "text/html; charset=utf-8", self._page)
        elif path == "/status.json":
            await self._send(writer, "application/json", json.dumps(self._status.to_dict()).encode())
        elif path == "/frame.jpg":
            await self._frame(writer)
        elif path == "/stream.mjpg":
            await self._stream(reader, writer)
        else:
            await self._refuse(writer, HTTPStatus.NOT_FOUND, "there is nothing here")

    async def _frame(self, writer: asyncio.StreamWriter) -> None:
        # The last picture may be old: none is drawn without a viewer.
        try:
            with self._newest.watching():
                _, jpeg = await asyncio.wait_for(self._picture_after(self._newest.number), _SNAPSHOT_SECONDS)
        except asyncio.TimeoutError:
            await self._refuse(writer, HTTPStatus.SERVICE_UNAVAILABLE, "no frame comes")
        else:
            await self._send(writer, "image/jpeg", jpeg)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._streams >= MOST_VIEWERS:
            return await self._refuse(
                writer, HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} viewers have the stream already"
            )
        self._others.pop(_current_task(), None)
        self._streams += 1
        try:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            writer.write(_head(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={_BOUNDARY}"))
            await self._write(writer, f"--{_BOUNDARY}\r\n".encode())
            number = self._newest.number
            with self._newest.watching():
                while not (reader.at_eof() or writer.is_closing()):
                    try:
                        number, jpeg = await asyncio.wait_for(self._picture_after(number), _CHECK_SECONDS)
                    except asyncio.TimeoutError:
                        continue
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    # Browsers show a picture when the boundary after it has come.
                    await self._write(writer, head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode())
        finally:
            self._streams -= 1

    async def _picture_after(self, number: int) -> tuple[int, bytes]:
        while self._newest.number <= number:
            await self._changed.wait()
        return self._newest.jpeg()

    async def _refuse(self, writer: asyncio.StreamWriter, status: HTTPStatus, reason: str) -> None:
        await self._send(writer, "text/plain; charset=utf-8", f"{reason}\n".encode(), status)

    async def _send(
        self, writer: asyncio.StreamWriter, content_type: str, body: bytes, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        await self._write(writer, _head(status, content_type, f"Content-Length: {len(body)}\r\n") + body)

    async def _write(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        writer.write(content)
        await asyncio.wait_for(writer.drain(), _CLIENT_SECONDS)


def _current_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None, "called by a task"
    return task


def names_this_machine(host: str, served: str) -> bool:
    """Whether a request's Host means this machine: an IP address, `localhost`, its own name, or the name served at.

    Any other name may have been pointed here by a foreign page in the user's browser, to read what it must not
    (DNS rebinding).

    Args:
        host: the header, with or without a port. served: the host that the user named.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name.partition("%")[0]))
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    return name.endswith(".localhost") or name in ("localhost", served.lower(), own, short, f"{short}.local")


def _head(status: HTTPStatus, content_type: str, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n{more}Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    ).encode()
