"""A web server in this process that serves one object, and answers badly as often as it is told."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self, TypeAlias

ETAG: Final = '"v1"'
_QUIET: Final = 3  # looks in a row that find no connection

Act: TypeAlias = "Callable[[Handler], None]"
"""What is done about one request instead of serving it."""


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


class Handler(BaseHTTPRequestHandler):
    """Serves the content of its server, with ranges and If-Match."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        home = self.server.home
        headers = {name.lower(): value for name, value in self.headers.items()}
        home.seen.append(Seen(self.command, self.path, headers))
        act = home.script.popleft() if home.script else serve
        act(self)

    do_HEAD = do_GET  # noqa: N815 - the standard library looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def send(self, status: int, headers: Mapping[str, str], body: bytes, cut: int = -1) -> None:
        """Send an answer; with `cut`, so many bytes of the body, and no more."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut < 0 else body[:cut])
        self.close_connection = cut >= 0


class Server(ThreadingHTTPServer):
    """The server of the standard library; `home` is whom it belongs to."""

    daemon_threads = True
    home: Loopback

    def process_request(self, request: Any, client_address: Any) -> None:
        self.home.connected(1)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.home.connected(-1)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has hung up."""


@dataclass
class Loopback:
    """Serves one object from when it is entered.

    Attributes:
        content: the object, at every path.
        etag: its ETag; empty: none is sent.
        script: what is done about the next requests, one each; after that they are served.
        seen: all requests.
    """

    content: bytes
    etag: str = ETAG
    script: deque[Act] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    _connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connected(self, more: int) -> None:
        """Take in that a connection was opened (1) or closed (-1)."""
        with self._lock:
            self._connections += more

    def forget(self) -> None:
        """Forget all requests, also those of clients that have hung up before they were read."""
        quiet = 0
        while quiet < _QUIET:
            time.sleep(0.01)
            quiet = 0 if self._connections else quiet + 1
        self.seen.clear()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/object"

    def __enter__(self) -> Self:
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.home = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serve(handler: Handler, cut: int = -1) -> None:
    """Serve the object as a server should."""
    home = handler.server.home
    headers = {"Accept-Ranges": "bytes"} | ({"ETag": home.etag} if home.etag else {})
    if handler.headers.get("If-Match") not in {None, home.etag}:
        handler.send(412, headers, b"")
        return
    size = len(home.content)
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
    if match is None or handler.command == "HEAD":
        handler.send(200, headers, home.content, cut)
        return
    first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if first >= size:
        handler.send(416, headers | {"Content-Range": f"bytes */{size}"}, b"")
        return
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    handler.send(206, headers, home.content[first : last + 1], cut)


def cut_after(count: int) -> Act:
    """Promise all and close the connection after so many bytes."""
    return lambda handler: serve(handler, count)


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Act:
    """Answer so."""
    return lambda handler: handler.send(status, headers or {}, body)


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True
