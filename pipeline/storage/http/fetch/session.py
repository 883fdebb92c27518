"""What a download works with, and what comes of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from pipeline.archives.signatures import HEAD_BYTES
from pipeline.errors import NoRanges, ObjectChanged
from pipeline.storage.http.answers import Answer
from pipeline.storage.http.fetch.first_bytes import refusal
from pipeline.storage.http.fetch.growing_file import GrowingFile
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.request import Reply
from pipeline.storage.http.ticket import Ticket

if TYPE_CHECKING:  # libcurl: only where a transfer is made
    from pipeline.storage.http.transfer import Transfer

STEP_S: Final = 0.1
"""Seconds for which the network is listened to before anything else is looked at."""

Result = TypeVar("Result")
Work: TypeAlias = Callable[[GrowingFile], Result]
"""Reads a file, front to back, while it grows."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of a file that has arrived.

    Attributes:
        result: what the work returned.
        error: what it raised.
        md5: of the file, if it was read to its end.
        size: of the file, in bytes.
    """

    result: Result | None
    error: Exception | None
    md5: str | None
    size: int


@dataclass(frozen=True)
class Session:
    """What a download works with.

    Attributes:
        transfer: carries out requests.
        connections: how many at a time.
        rate: bytes a second of all together; 0: as many as come.
        held: a context in which no signal interrupts; one that came does at its end.
        tell: told how many bytes are there, and of how many; None: that is not known.
        say: told what a person should know.
    """

    transfer: Transfer
    connections: int = 4
    rate: int = 0
    held: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    tell: Callable[[int, int | None], None] = lambda _done, _total: None
    say: Callable[[str], None] = lambda _text: None

    def step(self, tickets: Iterable[Ticket]) -> None:
        """Let the network do what it can for a moment, or until one of the tickets is done."""
        end, mine = time.monotonic() + STEP_S, list(tickets)
        # What Python raises in a call from libcurl is lost.
        with self.held():
            while (left := end - time.monotonic()) > 0 and not any(t.is_done for t in mine):
                self.transfer.step(left)

    def wait(self, ticket: Ticket) -> Reply:
        """Return the reply to a request; see `Transfer.wait`."""
        while not ticket.is_done:
            self.step((ticket,))
        return self.transfer.wait(ticket)


@dataclass(frozen=True)
class Found:
    """What a server says of a file.

    Attributes:
        size: bytes; None: it does not say.
        validator: its ETag, else its date, else "".
        has_ranges: whether it sends parts of it.
    """

    size: int | None
    validator: str
    has_ranges: bool


class _Enough(Exception):
    """No more bytes are wanted."""


def ask(session: Session, place: Place, file: str) -> Found:
    """Ask a server for the first bytes of a file, and see whether they can be those of an archive.

    Raises:
        ArchiveRefused: they are those of a web page or the like; with what to do.
        ShardmillError: no such file is given out, see `Place.find` and `Transfer.wait`.
    """
    place.find()
    ticket = session.transfer.submit(place.request(0, HEAD_BYTES), renew=place.renew)
    has_ranges = True
    try:
        reply = session.wait(ticket)
        head, answer = bytes(reply.body), reply.answer
        has_ranges = answer.total is not None
    except NoRanges:
        head, answer, has_ranges = *_beginning(session, place), False
    except ObjectChanged:
        if ticket.answer.total != 0:  # of a file without a byte there is no first one
            raise
        head, answer = b"", ticket.answer
    finally:
        session.transfer.cancel(ticket)
    ended = len(head) < HEAD_BYTES
    if refused := refusal(file, head, place.name, ended=ended):
        raise refused
    size = answer.total if has_ranges else answer.length
    return Found(size, answer.validator, has_ranges)


def _beginning(session: Session, place: Place) -> tuple[bytes, Answer]:
    """Return the first bytes of what a server without ranges sends."""
    head = bytearray()

    def take(before: int, data: memoryview) -> None:
        head[before:] = data[: HEAD_BYTES - before]
        if len(head) >= HEAD_BYTES:
            raise _Enough

    ticket = session.transfer.submit(place.request(), sink=take, renew=place.renew)
    try:
        with contextlib.suppress(_Enough):
            session.wait(ticket)
        return bytes(head), ticket.answer
    finally:
        session.transfer.cancel(ticket)
