"""The loop that carries out requests, a few dozen at a time, and tries them again.

One process has one `Transfer`, made after it was forked: connections that two processes share
would mix what they read. There are no threads: whoever waits for one request drives all of them,
and the kernel receives into its own buffers meanwhile.
"""

from __future__ import annotations

import heapq
import os
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urljoin

from pipeline.errors import ShardmillError
from pipeline.storage.closing import Closing
from pipeline.storage.http import refusals
from pipeline.storage.http.answers import Outcome
from pipeline.storage.http.handle import Handle
from pipeline.storage.http.libcurl import pycurl
from pipeline.storage.http.request import Reply, Request, origin
from pipeline.storage.http.retries import RARELY, RETRIED, Patience, retry_after
from pipeline.storage.http.silence import Silence
from pipeline.storage.http.ticket import Renew, Sink, Ticket
from pipeline.storage.http.window import Window
from pipeline.storage.location import HTTP

IN_FLIGHT: Final = 64
"""Requests at a time, where nobody says otherwise."""
_STEP: Final = 1.0  # seconds after which a wait looks up, so that a signal is heard
_NO_SOCKETS: Final = 0.01  # seconds to wait while libcurl has none, as when it looks up a name
_IN_ADDRESSES: Final = ":/?#[]@!$&'()*+,;=%~"
_SIGNED: Final = frozenset({Outcome.FORBIDDEN, Outcome.EXPIRED})
_WRONG_REGION: Final = frozenset({301, 400})  # by which S3 refuses what is signed for another


class Transfer(Closing):
    """Carries out requests by libcurl's multi interface.

    Args:
        in_flight: how many requests are under way at a time; others wait for their turn.
        patience: how often and how long a request is tried again.
        yielding: whether fewer are under way while the server asks for fewer; see `Window`.
        clock: returns seconds; of the waits between two tries.
        sleep: waits so many seconds, where nothing else is to be done.
        chance: returns a number from 0 to 1.
    """

    def __init__(
        self,
        in_flight: int = IN_FLIGHT,
        *,
        patience: Patience | None = None,
        yielding: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.in_flight = in_flight
        self._window = Window(in_flight) if yielding else None
        self._patience = patience or Patience()
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._silence = Silence(self._patience, clock)
        self.process = os.getpid()
        self._multi = _multi(in_flight)
        self._raised: list[BaseException] = []
        self._free: list[Handle] = []
        self._busy: dict[pycurl.Curl, tuple[Handle, Ticket]] = {}
        self._waiting: deque[Ticket] = deque()
        self._delayed: list[tuple[float, int, Ticket]] = []
        self._count = 0

    @property
    def under_way(self) -> int:
        """How many requests have not ended yet, those among them that wait for their turn."""
        return len(self._busy) + len(self._waiting) + len(self._delayed)

    @property
    def has_room(self) -> bool:
        """Whether one more request would begin at once."""
        return len(self._busy) + len(self._waiting) < self.in_flight

    def submit(
        self, request: Request, *, sink: Sink | None = None, renew: Renew | None = None
    ) -> Ticket:
        """Begin a request at once, or when another has ended; return what `wait` takes.

        Args:
            request: what is asked for.
            sink: takes the body in pieces, in order; None: the reply has it.
            renew: signs the request anew, once, where the server refuses the signature.
        """
        self._check_process()
        ticket = Ticket(request, sink, renew)
        self._waiting.append(ticket)
        self._start()
        self._drive()
        return ticket

    def wait(self, ticket: Ticket) -> Reply:
        """Return the reply to a request; all others go on meanwhile.

        Raises:
            ObjectMissing: there is no such object.
            ObjectRefused: it is not given out, or in a form that cannot be used.
            ObjectChanged: it is another than the request says.
            NoRanges: the server sends nothing but the whole of it.
            RemoteUnavailable: the server failed at every try.
            EnvironmentRefused: the certificate of the server is not trusted.
        """
        while not ticket.is_done:
            self.step()
        return ticket.result()

    def get(self, request: Request, *, renew: Renew | None = None) -> Reply:
        """Carry out one request; see `wait`."""
        return self.wait(self.submit(request, renew=renew))

    def step(self, seconds: float = _STEP) -> None:
        """Drive all requests until one has ended, or so many seconds have passed."""
        self._check_process()
        self._start()
        self._silence.look(self._tickets)
        if self._drive():
            return
        if self._delayed:
            seconds = min(seconds, max(0.0, self._delayed[0][0] - self._clock()))
        if self._busy:
            self._listen(seconds)
            self._drive()
        elif seconds > 0:
            self._sleep(seconds)

    def cancel(self, ticket: Ticket) -> None:
        """Give up a request; of one that has ended nothing is changed."""
        self._check_process()
        for curl in [curl for curl, (_, other) in self._busy.items() if other is ticket]:
            self._take_back(curl)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        if not ticket.is_done:
            ticket.error = RuntimeError("the request was given up")
        self._delayed = [each for each in self._delayed if each[2] is not ticket]
        heapq.heapify(self._delayed)

    def rest(self) -> None:
        """Close the connections, unless a request is under way."""
        if not self._busy:
            self._multi.close()
            self._multi = _multi(self.in_flight)

    def close(self) -> None:
        """Give up all requests and close all connections."""
        self._check_process()
        for ticket in self._tickets():
            self.cancel(ticket)
        for handle in self._free:
            handle.close()
        self._free.clear()
        self._multi.close()

    def _tickets(self) -> list[Ticket]:
        """Return the requests that have not ended yet."""
        busy = [ticket for _, ticket in self._busy.values()]
        return [*busy, *self._waiting, *(each[2] for each in self._delayed)]

    def _check_process(self) -> None:
        if os.getpid() != self.process:
            raise RuntimeError("connections are not shared with a process that was forked later")

    def _start(self) -> None:
        """Begin what is due, as far as there is room."""
        now = self._clock() if self._delayed else 0.0
        while self._delayed and self._delayed[0][0] <= now:
            self._waiting.appendleft(heapq.heappop(self._delayed)[2])
        while self._waiting and len(self._busy) < self.in_flight:
            handle = self._free.pop() if self._free else Handle(self._raised)
            ticket = self._waiting.popleft()
            handle.load(ticket)
            ticket.began_at = self._clock()
            self._busy[handle.curl] = handle, ticket
            self._multi.add_handle(handle.curl)

    def _drive(self) -> bool:
        """Let libcurl do what can be done without waiting; return whether a try has ended."""
        self._multi.perform()
        if self._raised:
            raise self._raised.pop()
        ended = False
        while True:
            left, right, wrong = self._multi.info_read()
            for curl in right:
                self._end(curl, 0)
            for curl, code, _text in wrong:
                self._end(curl, code)
            ended = ended or bool(right or wrong)
            if not left:
                break
        if ended:
            self._start()
        return ended

    def _listen(self, seconds: float) -> None:
        """Wait until a socket has something, so many seconds at most."""
        due = self._multi.timeout()
        if due >= 0:
            seconds = min(seconds, due / 1000)
        if seconds > 0 and self._multi.select(seconds) < 0:
            time.sleep(min(seconds, _NO_SOCKETS))

    def _take_back(self, curl: pycurl.Curl) -> Ticket:
        handle, ticket = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        handle.unload()
        self._free.append(handle)
        return ticket

    def _end(self, curl: pycurl.Curl, code: int) -> None:
        """Decide what follows from a try that is over."""
        ticket = self._take_back(curl)
        ticket.took = self._clock() - ticket.began_at
        outcome = ticket.conclude(code)
        if self._window is not None:
            self.in_flight = self._window.ended(outcome, ticket, self._clock())
        if ticket.error is not None:  # raised by its sink
            return
        if outcome in {Outcome.RIGHT, Outcome.SAME}:
            ticket.finish()
            self._silence.ended()
        elif _follow(ticket, outcome) or self._renew(ticket, outcome):
            self._waiting.appendleft(ticket)
        elif outcome is Outcome.NO_RANGES and ticket.received and ticket.request.is_whole:
            ticket.restart()
            self._try_again(ticket, outcome, code)
        elif outcome in RETRIED | RARELY and code not in refusals.TRUST | refusals.ADDRESS:
            self._try_again(ticket, outcome, code)
        elif ticket.error is None:
            ticket.error = refusals.refusal(
                outcome, ticket.request, ticket.answer, code, ticket.url
            )

    def _try_again(self, ticket: Ticket, outcome: Outcome, code: int) -> None:
        ticket.failures += 1
        ticket.trouble = refusals.failure(outcome, ticket.answer, code)
        is_lasting = outcome in RARELY or code in refusals.RESOLVE
        ticket.lasting = ticket.lasting + 1 if is_lasting else 0
        if self._patience.is_over(ticket.failures, ticket.lasting, ticket.repeats):
            times = max(ticket.failures, ticket.repeats)
            ticket.error = refusals.exhausted(outcome, ticket.request, ticket.answer, code, times)
            return
        asked = retry_after(ticket.answer.headers.get("retry-after", ""), time.time())
        ticket.asked_s = asked or 0.0
        seconds = self._patience.seconds(ticket.failures, asked, self._chance)
        self._count += 1
        heapq.heappush(self._delayed, (self._clock() + seconds, self._count, ticket))

    @staticmethod
    def _renew(ticket: Ticket, outcome: Outcome) -> bool:
        """Sign a refused request anew, once; return whether that was done."""
        is_refused = outcome in _SIGNED or ticket.answer.status in _WRONG_REGION
        if ticket.renew is None or ticket.renewed or not is_refused:
            return False
        ticket.renewed = True
        try:
            ticket.request = ticket.renew(ticket.request)
        except ShardmillError as error:
            ticket.error = error
            return False
        ticket.url, ticket.redirects = ticket.request.url, 0
        return True


def _multi(in_flight: int) -> pycurl.CurlMulti:
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, max(in_flight, IN_FLIGHT))
    return multi


def _follow(ticket: Ticket, outcome: Outcome) -> bool:
    """Turn a request to where a redirect leads; return whether that was done."""
    if outcome is not Outcome.MOVED:
        return False
    try:
        url = urljoin(ticket.url, ticket.answer.headers["location"])
        scheme, host, _ = origin(url)
    except ValueError:  # it is no address
        return False
    if scheme not in HTTP or not host or ticket.redirects >= refusals.MOST_REDIRECTS:
        return False
    url = quote(url, safe=_IN_ADDRESSES, encoding="latin-1")  # as the bytes came
    ticket.redirects += 1
    ticket.url = url
    return True
