"""A request on its way: what came of it so far, over as many tries as it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from pipeline.errors import ObjectRefused
from pipeline.storage.http.answers import (
    OK,
    PARTIAL,
    Answer,
    Outcome,
    Wanted,
    announced,
    error_code,
    judge,
    judge_length,
    parse,
)
from pipeline.storage.http.request import Reply, Request, origin

Sink: TypeAlias = Callable[[int, memoryview], object]
"""Is given how many of the bytes that were asked for came before, and the next ones, valid during
the call. The count goes back to 0 where what came cannot be relied on, or not continued."""
Renew: TypeAlias = Callable[[Request], Request]
"""Returns the same request with another address or other headers, signed anew."""

_ERROR_BODY: Final = 1 << 16  # bytes that are read of the body of an error, to keep the connection
_PROGRESS: Final = 1 << 16  # bytes of a try that show that the next is worth while


class Ticket:
    """One request; `Transfer.submit` returns it, `Transfer.wait` takes it.

    Attributes:
        request: what is asked for, as it was signed last.
        url: where it is asked for now, after redirects.
        tries: how often it was asked for.
        answered: whether a server has answered any of them.
        failures: tries in a row that brought nothing.
        lasting: the last of them whose fault is of a kind that most often lasts.
        repeats: tries in a row that brought bytes, though none that had not come before.
        trouble: what the last try that failed came to, for people; "": none has failed.
        asked_s: for how many seconds the server asked to be left alone then; 0: it did not.
        began_at: when the try under way began, by the clock of whoever carries it out.
        took: how many seconds the last try took.
        renewed: whether it was signed anew.
        redirects: how many were followed.
        outcome: of the last try.
        answer: of the last try.
        reply: the result, when it is there.
        error: why there is none.
    """

    def __init__(self, request: Request, sink: Sink | None = None, renew: Renew | None = None):
        self.request = request
        self.url = request.url
        self.renew = renew
        self.tries = 0
        self.answered = False
        self.failures = 0
        self.lasting = 0
        self.repeats = 0
        self.trouble = ""
        self.asked_s = 0.0
        self.began_at = self.took = 0.0
        self.renewed = False
        self.redirects = 0
        self.answer = Answer()
        self.outcome: Outcome | None = None
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self._head: list[bytes] = []
        self._sink = sink
        self._received = 0  # of what was asked for, over all tries
        self._furthest = 0  # the most that this was: what is sent again is no progress
        self._taken = 0  # in this try
        self._announced: int | None = None
        self._validator = request.validator
        self._buffer = bytearray()
        self._rest = b""
        self._wanted = Wanted()

    @property
    def netrc(self) -> bool:
        """Whether a name and a password are looked up: never for http where https was asked for."""
        is_safe = origin(self.url)[0] == "https" or origin(self.request.url)[0] != "https"
        return self.request.netrc and is_safe

    @property
    def is_done(self) -> bool:
        """Whether there is a reply or an error."""
        return self.reply is not None or self.error is not None

    @property
    def received(self) -> int:
        """How many bytes of what was asked for are there."""
        return self._received

    @property
    def headers(self) -> list[bytes]:
        """The header lines of the next try; those of the user only for the host that is meant."""
        own = self.request.headers
        if own and origin(self.url) != origin(self.request.url):
            own = ()
        lines = [line.encode("latin-1") for line in self._wanted.conditions]
        return lines + [f"{name}: {value}".encode() for name, value in own]

    def begin(self, head: list[bytes]) -> None:
        """Forget the last try; what came of the body is kept if the rest can be told from it.

        Args:
            head: gets the lines of the headers.
        """
        self._head = head
        request = self.request
        if not self._validator or request.restarts:
            self._received = 0
        length = None if request.length is None else request.length - self._received
        self._wanted = Wanted(
            request.offset + self._received,
            length,
            request.size,
            self._validator,
            request.head,
            "" if self._received else request.unless,
        )
        self.tries += 1
        self.outcome, self.answer = None, Answer()
        self._taken, self._announced, self._rest = 0, None, b""

    def take(self, piece: memoryview) -> int | None:
        """Take the next bytes of a body; 0 ends the try."""
        if self.outcome is None:
            self._look()
        if self.outcome is not Outcome.RIGHT:
            self._rest += piece
            final = self.answer.status in {OK, PARTIAL} or len(self._rest) > _ERROR_BODY
            return 0 if final else None
        size = len(piece)
        self._taken += size
        if self._announced is not None and self._taken > self._announced:
            self.outcome = Outcome.TOO_LONG
            self.restart()  # nobody knows which of the bytes are the right ones
            return 0
        end = self._received + size
        if self._sink is None and end <= len(self._buffer):
            self._buffer[self._received : end] = piece
        else:
            try:
                self._keep(piece, end)
            except Exception as error:  # noqa: BLE001 - libcurl calls this: `wait` raises it
                self.error = error
                return 0
        self._received = end
        # One that announces more bytes than its range has would be waited for in vain.
        is_all = self._taken == self._announced
        return 0 if is_all and (self.answer.length or 0) > self._taken else None

    def conclude(self, code: int) -> Outcome:
        """Say what became of a try that is over, by libcurl's code.

        A range that is right and shorter than what was asked for is `Outcome.SHORT`, too.
        """
        outcome = self.outcome or self._look()
        if self._rest and outcome is not Outcome.RIGHT:
            self.answer = replace(self.answer, code=error_code(self._rest))
            outcome = judge(self._wanted, self.answer)
        if outcome is Outcome.RIGHT and not self.request.head:
            outcome = judge_length(self._expected, self._taken)
            cut = outcome is Outcome.SHORT or self._expected is None
            if code and cut:
                outcome = Outcome.BROKEN
        elif code and self.answer.status == 0:
            outcome = Outcome.BROKEN
        at_end = self._received > 0 and self.answer.total == self._wanted.offset
        if outcome is Outcome.UNSATISFIABLE and self.request.length is None and at_end:
            outcome = Outcome.RIGHT  # all had come, and only the end of it was cut off
        self._count_progress()
        self.answered = self.answered or self.answer.status > 0
        self.outcome = outcome
        return outcome

    def _count_progress(self) -> None:
        """Count the tries in a row that came to nothing anew, where this one brought something."""
        gained = self._received - self._furthest
        self._furthest = max(self._furthest, self._received)
        if gained >= _PROGRESS and (self._validator or self.request.restarts):
            self.failures = self.repeats = 0
        elif self.request.restarts and self._taken >= _PROGRESS:
            self.failures, self.repeats = 0, self.repeats + 1

    def result(self) -> Reply:
        """Return the reply, or raise why there is none."""
        if self.reply is None:
            raise self.error or RuntimeError("the request is under way")
        return self.reply

    def restart(self) -> None:
        """Forget what has come."""
        self._received = 0

    def finish(self) -> None:
        """Make a reply of what has come."""
        body = memoryview(self._buffer)[: 0 if self._sink else self._received]
        self.reply = Reply(self.answer, body, self._received, self.url)

    @property
    def _expected(self) -> int | None:
        """How many bytes this try should have brought."""
        sent = self.answer.content_range
        ends = sent is not None and sent[2] is not None and sent[0] + sent[1] == sent[2]
        # A range that goes beyond the end of the object is answered by what there is of it.
        return self._announced if self._wanted.length is None or ends else self._wanted.length

    def _look(self) -> Outcome:
        """Judge the headers, which are all there."""
        self.answer = parse(self._head)
        self.outcome = judge(self._wanted, self.answer)
        if self.outcome is not Outcome.RIGHT:
            return self.outcome
        self._announced = announced(self._wanted, self.answer)
        self._validator = self._validator or self.answer.validator
        if self._sink is None and not self._buffer:
            size = self.request.length or (0 if self.request.head else self._announced) or 0
            if size <= self.request.most or self.request.length is not None:
                self._buffer = bytearray(size)
        return self.outcome

    def _keep(self, piece: memoryview, end: int) -> None:
        """Take bytes that do not simply go into the buffer."""
        if self._sink is not None:
            self._sink(self._received, piece)
            return
        if max(end, self._announced or 0) > self.request.most:
            raise ObjectRefused(
                "the object is too large to be read at once", file=self.request.shown
            )
        self._buffer.extend(bytes(max(end, 2 * len(self._buffer)) - len(self._buffer)))
        self._buffer[self._received : end] = piece
