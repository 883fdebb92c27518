"""Notices that no server gives anything, so that it is said while requests are tried again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from pipeline.storage.http.handle import BUFFER, CONNECT_SECONDS
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.waiting import QUIET_S, SAY_AGAIN_S, say_tries

_STEP: Final = 0.5  # seconds
_LONGEST_STEP: Final = 1.0  # between two looks: longer ones the program was at other work


class Silence:
    """Watches the requests of one transfer.

    What counts is time in which the network was listened to and nothing came of any request. It
    ends with the next byte of an answer that is taken, or a request that is done.

    Args:
        patience: when a request is given up.
        clock: returns seconds.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._looked_at = clock()
        self._said_at: float | None = None
        self._quiet_s = 0.0
        self._done = 0
        self._seen = (0, 0)

    def ended(self) -> None:
        """Count a request that is done as a sign of life."""
        self._done += 1

    def look(self, tickets: Callable[[], Collection[Ticket]]) -> None:
        """Say what is tried, if nothing has come for a while; `tickets` are under way."""
        now = self._clock()
        passed = now - self._looked_at
        if passed < _STEP:
            return
        self._looked_at = now
        waiting = tickets()
        seen = (self._done, sum(ticket.received for ticket in waiting))
        if not waiting or seen != self._seen:
            self._seen, self._quiet_s = seen, 0.0
            return
        self._quiet_s += min(passed, _LONGEST_STEP)
        slowest = min((ticket.request.rate for ticket in waiting if ticket.request.rate), default=0)
        limit = QUIET_S + (BUFFER / slowest if slowest else 0.0)
        if self._quiet_s >= limit and self._may_say(now):
            self._said_at = now
            self._say(max(waiting, key=lambda ticket: ticket.failures))

    def _may_say(self, now: float) -> bool:
        return self._said_at is None or now - self._said_at >= SAY_AGAIN_S

    def _say(self, ticket: Ticket) -> None:
        left = self._patience.left(ticket.failures, ticket.lasting)
        took = ticket.took if ticket.failures else CONNECT_SECONDS
        waits = self._patience.longest_wait(ticket.failures, left, ticket.asked_s)
        seconds = waits + left * took
        why = ticket.trouble or "no answer yet"
        if ticket.asked_s > self._patience.longest:
            waited = self._patience.granted(ticket.asked_s)
            why += f", and to wait {ticket.asked_s:,.0f} s; it is asked again after {waited:,.0f} s"
        most = ticket.failures + left
        say_tries(ticket.request.shown, why, ticket.failures + 1, most, seconds)
