"""What a server says of a file before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.errors import ObjectMissing, ObjectRefused, ShardmillError
from pipeline.storage.http import refusals
from pipeline.storage.http.answers import PARTIAL, Answer, Outcome
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer

_ANSWERS: Final = frozenset({Outcome.RIGHT, Outcome.NO_RANGES, Outcome.UNSATISFIABLE})


@dataclass(frozen=True)
class Look:
    """What a server says of a file.

    Attributes:
        size: in bytes; None: the server does not say.
        validator: strong ETag, else the date of the last modification, else empty.
        has_ranges: whether parts of the file can be asked for.
        url: where it was found after all redirects; it may hold a secret.
        answer: that says so.
    """

    size: int | None
    validator: str
    has_ranges: bool
    url: str = field(repr=False)
    answer: Answer

    def no_ranges(self, request: Request) -> ShardmillError:
        """Return the error that the server sends nothing but the whole file."""
        return refusals.refusal(Outcome.NO_RANGES, request, self.answer, 0, request.url)


def look(transfer: Transfer, request: Request) -> Look | None:
    """Ask for what is known of a file, by HEAD; None if there is none.

    Where the server does not take HEAD, or does not say by it whether it has ranges, the first
    byte is asked for.

    Raises:
        ObjectRefused: the server does not give the file out.
        RemoteUnavailable: it does not answer.
    """
    whole = replace(request, offset=0, length=None, head=True)
    try:
        reply = transfer.get(whole)
    except ObjectMissing:
        return None
    except ObjectRefused:  # a signed address, or a small server, may take nothing but GET
        return _first_byte(transfer, replace(whole, head=False, length=1))
    answer = reply.answer
    ranges = answer.headers.get("accept-ranges", "").lower()
    if answer.length is None or ranges not in {"bytes", "none"}:
        return _first_byte(transfer, replace(whole, head=False, length=1))
    return Look(answer.length, answer.validator, ranges == "bytes", reply.url, answer)


def look_at_many(transfer: Transfer, requests: Sequence[Request]) -> list[tuple[int, str] | None]:
    """Ask for size and validator of many whole files at a time; None of one that is not there.

    Raises:
        ObjectRefused: the server does not give one out, or does not say how large it is.
        RemoteUnavailable: it does not answer.
    """
    tickets = [
        (request, transfer.submit(replace(request, offset=0, length=None, head=True)))
        for request in requests
    ]
    return [_size_of(transfer, request, ticket) for request, ticket in tickets]


def _size_of(transfer: Transfer, request: Request, ticket: Ticket) -> tuple[int, str] | None:
    try:
        answer = transfer.wait(ticket).answer
    except ObjectMissing:
        return None
    except ObjectRefused:  # it may take nothing but GET
        answer = None
    if answer is not None and answer.length is not None:
        return answer.length, answer.validator
    seen = _first_byte(transfer, replace(request, offset=0, head=False, length=1))
    if seen is None:
        return None
    if seen.size is None:
        raise ObjectRefused("the server does not say how large the file is", file=request.shown)
    return seen.size, seen.validator


def _first_byte(transfer: Transfer, request: Request) -> Look | None:
    ticket = transfer.submit(request)
    while not ticket.is_done:
        transfer.step()
    if ticket.outcome is Outcome.MISSING:
        return None
    if ticket.outcome not in _ANSWERS:
        ticket.result()
    answer = ticket.answer
    if ticket.outcome is Outcome.UNSATISFIABLE:  # an empty file has no first byte
        return Look(answer.total, answer.validator, answer.total is not None, ticket.url, answer)
    has_ranges = answer.status == PARTIAL or answer.content_range is not None
    size = answer.total if has_ranges else answer.length
    return Look(size, answer.validator, has_ranges, ticket.url, answer)
