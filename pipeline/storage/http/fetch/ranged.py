"""A file from a server that sends parts of it: over several connections, and gone on with."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Final, Generic

from pipeline.storage.http.fetch.arrival import PartArrival
from pipeline.storage.http.fetch.growing_file import Follower, GrowingFile
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.fetch.session import STEP_S, Found, Outcome, Result, Session, Work
from pipeline.storage.http.fetch.sidecar import Kept
from pipeline.storage.http.ticket import Ticket

BEAT_S: Final = 5.0
"""Seconds after which the sidecar is written at the latest: so others see that this is at work."""
_DURABLE_S: Final = 60.0  # a sync waits for all that is being written


class Ranged(Generic[Result]):
    """The download of one file in parts, with a thread that reads them as they arrive.

    Args:
        session: what it works with.
        place: where the file is.
        found: what the server says of it.
        partial: where it goes.
        kept: what is there.
    """

    def __init__(
        self, session: Session, place: Place, found: Found, partial: Partial, kept: Kept
    ) -> None:
        self._session, self._place, self._found = session, place, found
        self._partial, self._kept, self._parts = partial, kept, kept.parts
        self._flying: dict[Ticket, PartArrival] = {}
        self._there = kept.parts.present
        self._unsaved = 0
        self._saved_at = self._durable_at = time.monotonic()

    def run(self, work: Work[Result]) -> Outcome[Result]:
        """Fetch what is missing; return what the work came to.

        Raises:
            ShardmillError: the server failed, has another file by now, or the disk is full; what
                has arrived is kept.
            AlreadyAtWork: another process has gone on with it.
        """
        self._save(durable=False)
        whole = [(n, piece) for n, piece in self._parts.pieces.items() if self._parts.is_whole(n)]
        growing = GrowingFile(self._partial.temp, self._parts.part, whole)
        follower = Follower(growing, work)
        try:
            growing.follow(self._parts)
            while not follower.is_done:
                self._fill()
                self._wait(follower)
                self._land()
                self._lose(growing.follow(self._parts))
                self._save_in_time()
                self._session.tell(self._there, self._parts.size)
        finally:
            try:
                self._give_up()
            finally:
                follower.stop()
        return Outcome(follower.result, follower.error, growing.md5, self._parts.size)

    def save(self) -> None:
        """Write down, durably, what is there."""
        self._save(durable=True)

    def _fill(self) -> None:
        """Ask for parts until all connections have something to do."""
        wanted = list[int]()
        busy = [arrival.number for arrival in self._flying.values()]
        while len(busy) < self._session.connections:
            number = self._parts.next_missing(busy)
            if number is None:
                break
            wanted.append(number)
            busy.append(number)
        if wanted:
            taken = sum(ticket.request.rate for ticket in self._flying)
            rate = max(1, (self._session.rate - taken) // len(wanted)) if self._session.rate else 0
            for number in wanted:
                self._ask(number, rate)

    def _ask(self, number: int, rate: int) -> None:
        """Ask for what is missing of a part, at so many bytes a second; 0: as many as come."""
        kept = self._kept
        arrival = PartArrival(self._partial, self._parts, number, kept.current, self._came)
        before = self._parts.pieces.get(number)
        self._there += arrival.have - (before.length if before else 0)
        start, missing = arrival.start + arrival.have, arrival.length - arrival.have
        request = replace(
            self._place.request(start, missing, rate),
            size=self._parts.size,
            validator=self._found.validator,
        )
        renew = self._place.renew
        self._flying[self._session.transfer.submit(request, sink=arrival.take, renew=renew)] = (
            arrival
        )

    def _wait(self, follower: Follower[Result]) -> None:
        if self._flying:
            self._session.step(self._flying)
        else:
            follower.wait(STEP_S)

    def _land(self) -> None:
        """Note the parts that have arrived, and raise what failed."""
        for ticket in [each for each in self._flying if each.is_done]:
            self._session.transfer.wait(ticket)
            arrival = self._flying[ticket]
            arrival.flush()
            self._note(arrival)
            del self._flying[ticket]  # until then it is given up if something fails

    def _give_up(self) -> None:
        """End all requests, and note what has come of each."""
        for ticket, arrival in self._flying.items():
            self._session.transfer.cancel(ticket)
            # It is on its way out for a reason that is said, such as a full disk.
            with contextlib.suppress(Exception):
                arrival.flush()
            self._note(arrival)

    def _note(self, arrival: PartArrival) -> None:
        if arrival.piece is not None:
            self._parts.put(arrival.number, arrival.piece)

    def _lose(self, lost: list[int]) -> None:
        for number in lost:
            self._there -= self._parts.extent(number)[1]
            self._session.say(
                f"bytes from {self._parts.extent(number)[0]:,} on are not as they were written:"
                " that part is fetched again"
            )

    def _came(self, count: int) -> None:
        self._there += count
        self._unsaved += abs(count)

    def _save_in_time(self) -> None:
        now = time.monotonic()
        if self._unsaved >= self._parts.part or now - self._saved_at >= BEAT_S:
            durable = self._unsaved > 0 and now - self._durable_at >= _DURABLE_S
            for arrival in self._flying.values():
                arrival.flush()
                self._note(arrival)
            self._save(durable=durable)

    def _save(self, *, durable: bool) -> None:
        self._partial.save(self._kept.state, durable=durable)
        self._unsaved, self._saved_at = 0, time.monotonic()
        if durable:
            self._durable_at = self._saved_at
