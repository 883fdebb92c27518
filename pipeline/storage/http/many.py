"""Receives many small objects, each whole and by one request, in the order in which they come.

What has come is compared with the MD5 that its ETag is, where it is one. Requests are handed over
as there is room for them, so that a list of millions takes no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pipeline.errors import ObjectChanged
from pipeline.storage.closing import Closing
from pipeline.storage.http.answers import Outcome
from pipeline.storage.http.many_answers import (
    etag_of,
    is_md5,
    refused,
    says_its_length,
    unreachable,
)
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.received import Asked, Received, Result

MOST_BYTES: Final = 1 << 25
"""Bytes of one object, at most."""
SILENT_SECONDS: Final = 10
"""Seconds after which a server that sends next to nothing is asked anew."""
SLOW_BYTES: Final = 100
"""Bytes a second, fewer of which are next to nothing: many objects may share a slow line."""
BUSY: Final = frozenset({429, 503})
"""The answers of a server that is too busy now."""
UNREACHABLE: Final = 3
"""How many objects, at most, are asked for in vain before a server that never answered is given
up."""


@dataclass(eq=False)
class _Pending:
    """An object that was asked for and has not come.

    Attributes:
        asked: the object.
        request: how it is asked for.
        ticket: the request under way.
        tries: of requests before that one.
        seen: the MD5 of a body that did not agree with its ETag.
    """

    asked: Asked
    request: Request
    ticket: Ticket
    tries: int = 0
    seen: str = ""


class Many(Closing):
    """Receives objects; see `receive`.

    Args:
        transfer: carries the requests out.
        request_for: returns the request for the whole of an object by its name.
        renewed: signs a request for an object anew, once, if it is refused; None: none is signed.
        tries: how often each is asked for, at most; and as often again if the server was too busy
            each time, and others have come meanwhile.
        seems_whole: says of the bytes of an object whose length nobody has announced whether its
            end is there.
        answered: whether the server is known to answer.
    """

    def __init__(
        self,
        transfer: Transfer,
        request_for: Callable[[str], Request],
        renewed: Callable[[str, Request], Request] | None,
        tries: int,
        seems_whole: Callable[[memoryview], bool],
        answered: bool = False,
    ) -> None:
        self._transfer = transfer
        self._request_for = request_for
        self._renewed = renewed
        self._tries = tries
        self._seems_whole = seems_whole
        self.answered = answered
        self._pending = list[_Pending]()
        self._busy = list[tuple[_Pending, Received]]()
        self._has_come = self._has_ever_come = False
        self._unanswered = 0  # in a row, each after all tries

    def receive(self, wanted: Iterable[Asked]) -> Iterator[Received]:
        """Yield what becomes of each object, as soon as it is known.

        Raises:
            Unreachable: the server does not answer, or is too busy for everything.
            UsageError: the bucket, its region or the credentials are wrong.
            EnvironmentRefused: the certificate of the server is not trusted.
        """
        remaining = iter(wanted)
        is_more = True
        while is_more or self._pending or self._busy:
            # No more than can be taken in: a server at hand answers while others are handed over.
            while is_more and self._transfer.has_room and not self._done:
                asked = next(remaining, None)
                is_more = asked is not None
                if asked is not None:
                    self._begin(asked)
            if self._pending and not self._done:
                self._transfer.step()
            if not self.answered:
                self._check_answers(is_more=is_more)
            for pending in self._done:
                received = self._concluded(pending)
                if received is None:
                    continue
                self._pending.remove(pending)
                if received.result is Result.FAILED and received.status in BUSY:
                    self._busy.append((pending, received))
                    continue
                self._count(pending, received)
                yield received
            if self._busy and not (is_more or self._pending):
                yield from self._another_round()

    def _another_round(self) -> Iterator[Received]:
        """Ask again for what the server was too busy for, if others have come since it was asked.

        Else yield that it has not come.

        Raises:
            Unreachable: nothing has come at all.
        """
        busy, self._busy = self._busy, []
        if not self._has_ever_come and len(busy) >= UNREACHABLE:
            raise unreachable("too busy for everything", busy[0][0].ticket)
        if self._has_come:
            self._has_come = False
            for pending, received in busy:
                self._begin(pending.asked, received.tries)
        else:
            yield from (received for _, received in busy)

    def close(self) -> None:
        """Give up what has not come."""
        for pending in self._pending:
            self._transfer.cancel(pending.ticket)
        self._pending.clear()

    @property
    def _done(self) -> list[_Pending]:
        return [each for each in self._pending if each.ticket.is_done]

    def _begin(self, asked: Asked, tries: int = 0) -> None:
        """Ask for an object, which was asked for so many times before."""
        request = replace(
            self._request_for(asked.name),
            unless=f'"{asked.md5}"' if asked.md5 else "",
            most=MOST_BYTES,
            silent_s=SILENT_SECONDS,
            slow_bytes=SLOW_BYTES,
        )
        renew = None if self._renewed is None else partial(self._renewed, asked.name)
        ticket = self._transfer.submit(request, renew=renew)
        self._pending.append(_Pending(asked, request, ticket, tries))

    def _check_answers(self, *, is_more: bool) -> None:
        """Give up where nothing was ever answered: of several objects, or of all if they are fewer.

        Args:
            is_more: whether objects are wanted that were not asked for yet.
        """
        self.answered = any(each.ticket.answered for each in self._pending)
        silent = [each for each in self._pending if each.ticket.failures]
        enough = UNREACHABLE if is_more else min(UNREACHABLE, len(self._pending))
        if silent and not self.answered and len(silent) >= enough:
            raise unreachable("no answer", silent[0].ticket)

    def _count(self, pending: _Pending, received: Received) -> None:
        """Take in what became of an object; give up where the server has fallen silent."""
        failed = received.result is Result.FAILED
        self._has_come = self._has_come or not failed
        self._has_ever_come = self._has_ever_come or not failed
        self._unanswered = self._unanswered + 1 if failed and not received.status else 0
        if self._unanswered >= UNREACHABLE:
            raise unreachable("no answer any more", pending.ticket)

    def _concluded(self, pending: _Pending) -> Received | None:
        """Return what became of an object; None: it is asked for again."""
        tries = pending.tries + pending.ticket.tries
        received = self._verdict(pending, tries, is_last=tries >= self._tries)
        if received is None:
            pending.tries = tries
            pending.ticket = self._transfer.submit(pending.request, renew=pending.ticket.renew)
        return received

    def _verdict(self, pending: _Pending, tries: int, *, is_last: bool) -> Received | None:
        """Return what a request that has ended came to; None: another one may come to more."""
        ticket = pending.ticket
        if ticket.reply is None:
            is_open = isinstance(ticket.error, ObjectChanged) and not is_last
            return None if is_open else refused(pending.asked, ticket, tries)
        answer, body = ticket.reply.answer, ticket.reply.body
        etag, url = etag_of(answer), ticket.request.shown
        received = Received(pending.asked, url, Result.SAME, answer.status, tries, etag=etag)
        if ticket.outcome is Outcome.SAME:
            return received
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        detail, result = "", Result.FAILED
        if is_md5(etag, answer) and md5 != etag:
            detail = f"the MD5 of what is sent is {md5}, and its ETag says {etag}"
            result = Result.UNUSABLE if md5 == pending.seen else Result.FAILED
            pending.seen = md5
        elif not says_its_length(answer) and not self._seems_whole(body):
            detail = "the end is cut off each time"
        if not detail:
            return replace(received, result=Result.WHOLE, body=body, md5=md5)
        if result is Result.FAILED and not is_last:
            return None
        return replace(received, result=result, detail=detail)
