"""A file from a server that sends whole files only: one stream, begun again after each cut."""

from __future__ import annotations

import time
from typing import Final

from pipeline.errors import RemoteUnavailable
from pipeline.storage.http.fetch.arrival import Gatherer
from pipeline.storage.http.fetch.front import Follower, Front
from pipeline.storage.http.fetch.means import STEP_S, Means, Outcome, Result, Work
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.fetch.ranged import BEAT_S
from pipeline.storage.http.fetch.sidecar import Sidecar

MOST_STREAMS: Final = 8
"""How often a file is begun in one run."""
_NOTHING: Final = Sidecar(0, (), {})


class BegunAgain(Exception):
    """The server sends the file from its first byte again."""


def fetch_stream(
    means: Means, place: Place, partial: Partial, work: Work[Result]
) -> Outcome[Result]:
    """Fetch a file in one stream; return what the work came to.

    Args:
        means: what it works with.
        place: where the file is.
        partial: where it goes.
        work: reads the file while it grows; called again for each new beginning.

    Raises:
        RemoteUnavailable: the server broke off each time.
        ShardmillError: see `Transfer.wait`.
    """
    for _ in range(MOST_STREAMS):
        try:
            return _once(means, place, partial, work)
        except BegunAgain:
            means.say(f"{place.name} broke off, and has no ranges: begun again")
    raise RemoteUnavailable(
        "the server sends whole files only, and broke off each time",
        file=place.name,
        found=f"{MOST_STREAMS} tries",
        remedy="run the same command again, or name another mirror with --mirror",
    )


def _once(means: Means, place: Place, partial: Partial, work: Work[Result]) -> Outcome[Result]:
    front = Front(partial.temp)
    follower = Follower(front, work)
    sink = _Sink(partial, front)
    ticket = means.transfer.submit(
        place.request(rate=means.rate), sink=sink.take, renew=place.renew
    )
    saved_at = -BEAT_S
    try:
        while not follower.is_done:
            if not ticket.is_done:
                means.step((ticket,))
            else:
                means.transfer.wait(ticket)
                sink.end()
                follower.wait(STEP_S)
            means.tell(sink.have, ticket.answer.length)
            if time.monotonic() - saved_at >= BEAT_S:
                partial.save(_NOTHING)
                saved_at = time.monotonic()
    finally:
        means.transfer.cancel(ticket)
        follower.stop()
    return Outcome(follower.result, follower.error, front.md5, sink.have)


class _Sink:
    """Writes the bytes of a stream, one behind the other."""

    def __init__(self, partial: Partial, front: Front) -> None:
        self.have = 0
        self._written = 0
        self._partial, self._front = partial, front
        self._gatherer = Gatherer(self._write)

    def take(self, before: int, data: memoryview) -> None:
        if before < self.have:
            raise BegunAgain
        self._gatherer.take(data)
        self.have += len(data)

    def end(self) -> None:
        self._gatherer.flush()
        self._front.end(self.have)

    def _write(self, data: memoryview) -> None:
        self._partial.write_at(self._written, data)
        self._written += len(data)
        self._front.grow(self._written)
