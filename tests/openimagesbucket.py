"""A web server in this process: the public bucket of Open Images and the folder of its files.

It serves what S3 and Google's storage would, with ETags, ranges and conditions, keeps a log of all
requests, and answers badly where a rule says so.

    with Bucket(drawn / "bucket", drawn / "raw") as bucket:
        bucket.rule("train/", answer(503), times=2)
        ...
        assert bucket.sent("train/") == [...]

An image is at ``bucket.images/train/ID.jpg`` (`--bucket`), and at ``bucket.url/NAME/train/ID.jpg``
where the server is an endpoint of S3 and ``s3://NAME`` the bucket (`--s3-endpoint`). A published
file is at ``bucket.files/NAME``.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self, TypeAlias
from urllib.parse import unquote, urlsplit

from pipeline.sample import openimages as sample

NAME: Final = "open-images-dataset"
FILES: Final = "files"
PAGE: Final = b"<!DOCTYPE html>\n<html><body>Please log in to the network.</body></html>\n"
_NO_SUCH_KEY: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>"
)
_DENIED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Access Denied</Message></Error>"
)
XML: Final = {"Content-Type": "application/xml"}

Act: TypeAlias = "Callable[[Handler], None]"
"""What is done about one request instead of serving it."""


@dataclass
class Seen:
    """A request as it came in, and what was answered.

    Attributes:
        method: ``GET`` or ``HEAD``.
        path: without the first slash and a query.
        headers: by their names in lower case.
        status: of the answer; 0: none was sent.
        sent: bytes of its body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0
    sent: int = 0

    @property
    def is_signed(self) -> bool:
        return "authorization" in self.headers


@dataclass
class Rule:
    """What is done about some requests: those after the first `skip`, each `every`-th of them."""

    match: re.Pattern[str]
    act: Act
    times: int | None
    every: int
    skip: int
    met: int = 0

    def applies(self, path: str) -> bool:
        if not self.match.search(path) or self.times == 0:
            return False
        self.met += 1
        turn = self.met - self.skip
        if turn < 1 or (turn - 1) % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Handler(BaseHTTPRequestHandler):
    """Serves the objects of its server; `seen` is the request that it is about."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    seen: Seen

    def do_GET(self) -> None:
        bucket = self.server.bucket
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        self.seen = Seen(self.command, path, headers)
        act = bucket.begin(self.seen)
        try:
            act(self)
        finally:
            bucket.end()

    do_HEAD = do_GET  # noqa: N815 - the standard library looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def send(
        self, status: int, headers: Mapping[str, str], body: bytes, *, cut: int | None = None
    ) -> None:
        """Send an answer; with `cut`, so many bytes of the body before the connection is closed."""
        self.seen.status = status
        self.send_response(status)
        lengths = {} if status in {204, 304} else {"Content-Length": str(len(body))}
        for name, value in {**lengths, **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status not in {204, 304}:
            part = body if cut is None else body[:cut]
            self.seen.sent = len(part)  # before the client can have it
            self.wfile.write(part)
            self.wfile.flush()
        if cut is not None:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    bucket: Bucket

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has hung up."""


@dataclass
class Bucket:
    """Serves from when it is entered.

    Attributes:
        folder: of the images.
        raw: of the published files; None: there are none.
        objects: what is served beside both, or instead of it, by path; None: it is not there.
        log: all requests, in their order.
        etags: whether an ETag is sent.
        peak: the largest number of requests that were answered at a time.
    """

    folder: Path
    raw: Path | None = None
    objects: dict[str, bytes | None] = field(default_factory=dict)
    log: list[Seen] = field(default_factory=list)
    etags: bool = True
    peak: int = 0
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: int = 0
    _port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def images(self) -> str:
        """The address of the bucket, for `--bucket`."""
        return self.url

    @property
    def files(self) -> str:
        """The address of the folder of published files."""
        return f"{self.url}/{FILES}"

    def configure(self, drawn: Path, folder: Path) -> Path:
        """Write the configuration of a drawn set whose files and images are fetched from here.

        Args:
            drawn: the folder of the set, whose `raw` and `bucket` this server serves.
            folder: where the configuration goes, with its table of files beside it.
        """
        text = (drawn / sample.CONFIG).read_text()
        own = text.replace(f'bucket = "{sample.BUCKET}"', f'bucket = "{self.images}"')
        raw = {path.name: path.read_bytes() for path in sorted((drawn / sample.RAW).iterdir())}
        (folder / sample.TABLE).parent.mkdir(parents=True)
        (folder / sample.TABLE).write_bytes(sample.table(raw, self.files))
        (folder / sample.CONFIG).write_text(own)
        return folder / sample.CONFIG

    def rule(
        self, match: str, act: Act, *, times: int | None = None, every: int = 1, skip: int = 0
    ) -> None:
        """Do `act` about requests whose path has this regular expression in it.

        The first rule that applies decides. `times`: so many requests and no more; None: all.
        """
        with self._lock:
            self._rules.append(Rule(re.compile(match), act, times, every, skip))

    def forget(self) -> None:
        """Forget all rules and requests."""
        with self._lock:
            self._rules.clear()
            self.log.clear()
            self.peak = self._busy

    def requests(self, match: str = "") -> list[Seen]:
        """Return the requests so far whose path has this regular expression in it."""
        with self._lock:
            return [seen for seen in self.log if re.search(match, seen.path)]

    def sent(self, match: str = "") -> dict[str, int]:
        """Return how many bytes of bodies were sent of each path."""
        total: dict[str, int] = {}
        for seen in self.requests(match):
            total[seen.path] = total.get(seen.path, 0) + seen.sent
        return total

    def begin(self, seen: Seen) -> Act:
        """Take in that a request has come; return what is to be done about it."""
        with self._lock:
            self.log.append(seen)
            self._busy += 1
            self.peak = max(self.peak, self._busy)
            acts = (rule.act for rule in self._rules if rule.applies(seen.path))
            return next(acts, serve)

    def end(self) -> None:
        """Take in that it is answered."""
        with self._lock:
            self._busy -= 1

    def content(self, path: str) -> bytes | None:
        """Return an object; None: there is none."""
        name = path.removeprefix(f"{NAME}/")
        if name in self.objects:
            return self.objects[name]
        is_file = name.startswith(f"{FILES}/") and self.raw is not None
        place = self.raw / name.removeprefix(f"{FILES}/") if self.raw and is_file else None
        place = place or self.folder / name
        return place.read_bytes() if ".." not in name and place.is_file() else None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.bucket = self
        self._port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serve(handler: Handler, *, cut: int | None = None, etag: str | None = None) -> None:
    """Serve an object as S3 does."""
    bucket, headers = handler.server.bucket, handler.seen.headers
    body = bucket.content(handler.seen.path)
    if body is None:
        handler.send(404, XML, _NO_SUCH_KEY)
        return
    md5 = hashlib.md5(body, usedforsecurity=False)
    tag = f'"{md5.hexdigest()}"' if etag is None else etag
    answer = {"Accept-Ranges": "bytes", "ETag": tag if bucket.etags else ""}
    if f"{FILES}/" in handler.seen.path:
        answer["x-goog-hash"] = f"md5={base64.b64encode(md5.digest()).decode()}"
    if headers.get("if-none-match") == tag:
        handler.send(304, answer, b"")
    elif headers.get("if-match", tag) != tag:
        handler.send(412, answer, b"")
    else:
        _whole_or_part(handler, body, answer, tag, cut)


def _whole_or_part(
    handler: Handler, body: bytes, answer: dict[str, str], tag: str, cut: int | None
) -> None:
    wanted = handler.seen.headers.get("range", "")
    if handler.seen.headers.get("if-range", tag) != tag:
        wanted = ""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    if match is None or match.groups() == ("", ""):
        handler.send(200, answer, body, cut=cut)
        return
    size = len(body)
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if first >= size:
        handler.send(416, answer | {"Content-Range": f"bytes */{size}"}, b"")
        return
    answer["Content-Range"] = f"bytes {first}-{last}/{size}"
    handler.send(206, answer, body[first : last + 1], cut=cut)


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Act:
    """Answer so, whatever is asked for."""
    return lambda handler: handler.send(status, headers or {}, body)


def denied(handler: Handler) -> None:
    """Answer as a bucket does that does not give an object out."""
    handler.send(403, XML, _DENIED)


def absent(handler: Handler) -> None:
    """Answer as a bucket does that has no such object."""
    handler.send(404, XML, _NO_SUCH_KEY)


def page(handler: Handler) -> None:
    """Answer with a page for people, as a network does in which one has to log in."""
    handler.send(200, {"Content-Type": "text/html"}, PAGE)


def cut_after(count: int) -> Act:
    """Promise all of an object and close the connection after so many bytes."""
    return lambda handler: serve(handler, cut=count)


def tagged(etag: str) -> Act:
    """Serve an object with this ETag, such as ``'"abc-2"'``; "": with none."""
    return lambda handler: serve(handler, etag=etag)


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def without_ranges(handler: Handler) -> None:
    """Serve the whole object, whatever part is asked for."""
    body = handler.server.bucket.content(handler.seen.path)
    if body is None:
        absent(handler)
    else:
        handler.send(200, {}, body)


def stall(count: int = 0, gate: threading.Event | None = None) -> Act:
    """Promise all of an object, send so many bytes and then nothing until the gate opens.

    Without a gate, until the server is closed.
    """

    def act(handler: Handler) -> None:
        bucket = handler.server.bucket
        body = bucket.content(handler.seen.path) or b""
        handler.seen.status = 200
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.seen.sent = count
        handler.wfile.write(body[:count])
        handler.wfile.flush()
        (gate or bucket.closing).wait()
        handler.close_connection = True

    return act


def held(gate: threading.Event) -> Act:
    """Wait until the gate opens, then serve."""

    def act(handler: Handler) -> None:
        gate.wait()
        serve(handler)

    return act
