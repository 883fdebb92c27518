"""How many requests are under way at a time: fewer while a server asks for fewer."""

from __future__ import annotations

from typing import Final

from pipeline.storage.http.answers import Outcome
from pipeline.storage.http.ticket import Ticket

_FEWER: Final = frozenset({429, 503})  # the answers that ask for fewer requests
_RIGHT: Final = frozenset({Outcome.RIGHT, Outcome.SAME})


class Window:
    """Halved when a server asks for fewer requests, and won back one by one.

    Requests that began before it was halved say nothing of what it is now.

    Args:
        most: requests at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(most)
        self._halved_at = float("-inf")

    def ended(self, outcome: Outcome, ticket: Ticket, now: float) -> int:
        """Take in what a try has come to, and return how many may be under way from now on.

        Args:
            outcome: of the try.
            ticket: its request.
            now: by the clock that `ticket.began_at` is of.
        """
        if ticket.answer.status in _FEWER or outcome is Outcome.BUSY:
            if ticket.began_at >= self._halved_at:
                self._size = max(1.0, self._size / 2)
                self._halved_at = now
        elif outcome in _RIGHT:
            self._size = min(float(self._most), self._size + 1 / self._size)
        return int(self._size)
