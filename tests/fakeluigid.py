"""What answers at a scheduler's address without being a luigid: HTTP as bad as a test wants it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from luigi.scheduler import Scheduler

from tasks.run.exchange import Address, Limits

Reply = Callable[[socket.socket], object]


@contextlib.contextmanager
def serving(reply: Reply) -> Iterator[Address]:
    """Listen on a free port, read what is asked, and leave the answer to `reply`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serve = threading.Thread(target=_serve, args=(listener, reply), daemon=True)
        serve.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
    serve.join()


def _serve(listener: socket.socket, reply: Reply) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                _hear(connection)
                reply(connection)


def _hear(connection: socket.socket) -> None:
    """Read a whole question: a closed connection with something unread is a reset one."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(1 << 16) or b"\r\n\r\n"
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0
    )
    while len(body) < length:
        body += connection.recv(1 << 16) or b" " * length


def page(body: bytes, status: str = "200 OK", *headers: str) -> Reply:
    """Return a reply of this status and body."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    head = "".join(f"{line}\r\n" for line in lines).encode()
    return lambda connection: connection.sendall(head + b"\r\n" + body)


def response(value: object) -> Reply:
    """Return a luigid's reply."""
    return page(json.dumps({"response": value}).encode())


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Reply:
    """Return a reply that has no end."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return reply


class InProcess:
    """Luigi's scheduler, asked as over HTTP: what is said and answered is JSON."""

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        usual: Any = Scheduler
        self.scheduler: Any = scheduler or usual(retry_delay=0.0, prune_on_get_work=True)
        self.asked = list[str]()

    def __call__(
        self, address: Address, method: str, arguments: Any, limits: Limits | None = None
    ) -> Any:
        """Call a method of the scheduler."""
        del address, limits
        self.asked.append(method)
        answer = getattr(self.scheduler, method)(**json.loads(json.dumps(arguments)))
        return json.loads(json.dumps(answer))
