"""A file from a server that sends whole files only: one stream, begun again after each cut."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final, Generic

from pipeline.storage.http.fetch.arrival import Gatherer
from pipeline.storage.http.fetch.growing_file import Follower, GrowingFile
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.fetch.ranged import BEAT_S
from pipeline.storage.http.fetch.session import STEP_S, Outcome, Result, Session, Work
from pipeline.storage.http.fetch.sidecar import Sidecar

_NOTHING: Final = Sidecar(0, (), {})


def fetch_stream(
    session: Session, place: Place, partial: Partial, work: Work[Result]
) -> Outcome[Result]:
    """Fetch a file in one stream; return what the work came to.

    Args:
        session: what it works with.
        place: where the file is.
        partial: where it goes.
        work: reads the file while it grows; called again for each new beginning.

    Raises:
        RemoteUnavailable: the server broke off too often in a row before anything new came.
        ShardmillError: see `Transfer.wait`.
    """
    request = replace(place.request(rate=session.rate), restarts=True)
    stream = _Stream(session, place, partial, work)
    ticket = session.transfer.submit(request, sink=stream.take, renew=place.renew)
    saved_at = -BEAT_S
    try:
        while not stream.follower.is_done:
            if not ticket.is_done:
                session.step((ticket,))
            else:
                session.transfer.wait(ticket)
                stream.end()
                stream.follower.wait(STEP_S)
            session.tell(stream.have, ticket.answer.length)
            if time.monotonic() - saved_at >= BEAT_S:
                partial.save(_NOTHING)
                saved_at = time.monotonic()
    finally:
        session.transfer.cancel(ticket)
        stream.follower.stop()
    follower = stream.follower
    return Outcome(follower.result, follower.error, stream.growing.md5, stream.have)


class _Stream(Gatherer, Generic[Result]):
    """Writes the bytes of a file one behind the other, each time that it is sent.

    Attributes:
        have: how many bytes have come since the server began the file last.
        growing: what is there of it.
        follower: reads it.
    """

    def __init__(
        self, session: Session, place: Place, partial: Partial, work: Work[Result]
    ) -> None:
        super().__init__()
        self._session, self._place, self._partial, self._work = session, place, partial, work
        self._begin()

    def take(self, before: int, data: memoryview) -> None:
        """Take the next bytes; so many are before them."""
        if before < self.have:
            self.follower.stop()
            self._begin()
            self._session.say(f"{self._place.name} broke off, and has no ranges: begun again")
        self.gather(data)
        self.have += len(data)

    def end(self) -> None:
        """End the file: no bytes follow."""
        self.flush()
        self.growing.end(self.have)

    def _begin(self) -> None:
        self.have = self.pending = self._written = 0
        self.growing = GrowingFile(self._partial.temp)
        self.follower = Follower(self.growing, self._work)

    def write(self, data: memoryview) -> None:
        """Write the next bytes, and have them read."""
        self._partial.write_at(self._written, data)
        self._written += len(data)
        self.growing.grow(self._written)
