"""One question to a ``luigid`` and its answer over HTTP, bounded in time and in memory.

Luigi's own client follows redirects, reads answers of any length, and lets an answer trickle in
for ever. This one does not: whoever answers at the scheduler's address is not trusted.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from pipeline import plaintext
from pipeline.errors import EnvironmentRefused, TransientError

Address = tuple[str, int]
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
_PIECE = 1 << 16
_AROUND = 1 << 20  # bytes of an answer that are not of its body: headers, lengths of chunks
_SERVER_ERROR = 500
_START = 160  # bytes of what is no answer that may be shown


@dataclass(frozen=True)
class Limits:
    """How much an answer may take.

    Attributes:
        silence_s: seconds to connect, and between two pieces of the answer.
        answer_s: seconds for the whole answer.
        answer_bytes: length of the body. Parsed, it takes up to some twenty times of that.
    """

    silence_s: float = 10.0
    answer_s: float = 30.0
    answer_bytes: int = 8 << 20


def ask(
    address: Address, method: str, arguments: Mapping[str, object], limits: Limits | None = None
) -> Any:
    """Call a method of a luigid once.

    Args:
        address: host and port of the luigid.
        method: a method of Luigi's scheduler.
        arguments: of the method; they must be what JSON can hold.
        limits: of the answer.

    Returns:
        What the method returned, of whatever shape the other side likes: check it.

    Raises:
        TransientError: nothing answers, or not in time, or the server has an error of its own.
        EnvironmentRefused: the answer is not that of a luigid, or is too long.
    """
    allowed = limits or Limits()
    body = urlencode({"data": json.dumps(arguments)}).encode()
    try:
        status, page = _post(address, f"/api/{method}", body, allowed)
    except (OSError, http.client.IncompleteRead) as error:
        raise _silent(address, str(error) or type(error).__name__) from error
    except _TooLongError as error:
        expected = f"at most {allowed.answer_bytes} bytes"
        raise refused(address, method, expected, "an answer that is longer") from error
    except (http.client.HTTPException, ValueError) as error:  # a length that is none is the latter
        found = f"{type(error).__name__}: {plaintext.beginning(error)}"
        raise refused(address, method, "an answer of HTTP", found) from error
    if status >= _SERVER_ERROR:
        raise _silent(address, f"HTTP status {status}")
    if status != http.HTTPStatus.OK:
        expected = "HTTP status 200; a redirect is not followed"
        raise refused(address, method, expected, f"HTTP status {status}")
    return read_answer(address, method, page)


def read_answer(address: Address, method: str, page: bytes) -> Any:
    """Return what a method returned.

    Raises:
        EnvironmentRefused: that is no answer of a luigid.
    """
    try:
        return json.loads(page)["response"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        start = page[:_START].decode(errors="backslashreplace")
        expected = 'JSON of the form {"response": ...}'
        raise refused(address, method, expected, plaintext.beginning(start)) from error


def refused(address: Address, method: str, expected: str, found: str) -> EnvironmentRefused:
    """Return the error of an answer that no luigid gives."""
    return EnvironmentRefused(
        f"what answers at {address[0]}:{address[1]} is not a luigid that this program understands",
        place=f"the answer to {method}",
        expected=expected,
        found=found,
        remedy="give --scheduler-host the address of a luigid of your own, on a network of your"
        " own, or leave it out to work alone; what is finished is kept",
    )


def _silent(address: Address, found: str) -> TransientError:
    return TransientError(
        f"the luigid at {address[0]}:{address[1]} does not answer",
        found=found,
        remedy="start it again, or leave --scheduler-host out to work alone; run the same command"
        " again: what is finished is kept",
    )


def _post(address: Address, path: str, body: bytes, limits: Limits) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    deadline = time.monotonic() + limits.answer_s
    connection = http.client.HTTPConnection(*address, timeout=limits.silence_s)
    try:
        connection.request("POST", path, body, _HEADERS)
        most = limits.answer_bytes + _AROUND
        stream = _Stream(_BoundedReader(connection.sock, limits.silence_s, deadline, most))
        response = http.client.HTTPResponse(cast("socket.socket", stream), method="POST")
        response.begin()
        return response.status, _read(response, limits.answer_bytes)
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    pieces, size = list[bytes](), 0
    while piece := response.read(_PIECE):
        size += len(piece)
        if size > most:
            raise _TooLongError
        pieces.append(piece)
    if response.length:  # bytes that were announced and did not come
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


class _TooLongError(Exception):
    """An answer is longer than it may be."""


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until a moment that no number of small pieces can put off.

    It counts what it reads: a chunk of length -1 has `http.client` read all that comes.
    """

    def __init__(
        self, connection: socket.socket, silence_s: float, deadline: float, most: int
    ) -> None:
        super().__init__()
        self._connection = connection
        self._silence_s = silence_s
        self._deadline = deadline
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._connection.settimeout(min(self._silence_s, left))
        received = self._connection.recv_into(buffer)
        self._left -= received
        if self._left < 0:
            raise _TooLongError
        return received


class _Stream:
    """What `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, reader: _BoundedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)
