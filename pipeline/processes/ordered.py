"""Does one thing for each of many places by several processes, and gives the results in order.

This process is one of them. It hands out places in order, as tickets on a pipe from which every
other process takes the next one as soon as it is free, and receives a pickled result through a
pipe from each. While the result that comes next is not there, it takes a place itself. How far all
of them may be ahead of that result is bounded, by number and by bytes; see `AHEAD`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import select
import struct
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final, Generic, Protocol, TypeVar

from pipeline.errors import ShardmillError, TransientError
from pipeline.processes import children
from pipeline.processes.children import Child

AHEAD: Final = 32
"""How many places a process may be ahead of the result that comes next, on average."""
AHEAD_BYTES: Final = 8 << 20
"""How many bytes of results, for each process, may wait for their turn and yet more be begun."""
QUEUED: Final = 8
"""How many places a child may have been given without having answered."""
PIPE_BYTES: Final = 1 << 20
"""What the pipe from a child holds, where the system allows that."""

Result = TypeVar("Result")
_Result_co = TypeVar("_Result_co", covariant=True)
_TICKET: Final = struct.Struct("<Q")  # a place
_HEAD: Final = struct.Struct("<Q?")  # of an answer: the place, and whether an error follows


class Work(Protocol[_Result_co]):
    """What is done for each place."""

    def __call__(self, place: int) -> _Result_co:
        """Return the result of a place.

        In several processes it is pickled, and so is an error.
        """

    def forked(self) -> None:
        """Give up what a child may not share with its parent, before it is given a place."""


@contextlib.contextmanager
def in_order(
    work: Work[Result], count: int, processes: int, name: str
) -> Iterator[Iterator[Result]]:
    """Give the results of all places in order; an error comes where its place comes.

    The other processes begin before the context is entered. They have ended when it is left, at
    once where that is by an error. Where processes cannot be forked, this one does it alone.

    Args:
        work: what is done.
        count: of the places, which are 0 to count - 1.
        processes: how many work, with this one.
        name: what errors call one of them: ``a process that packs``.

    Raises:
        TransientError: by the iterator: a process is dead, of whatever cause.
    """
    processes = min(processes, count)
    if processes <= 1 or not children.FORKS:
        yield map(work, range(count))
        return
    tickets, handing_out = os.pipe()
    with children.group() as members:
        try:
            for _ in range(processes - 1):
                ends = tickets, handing_out
                members.append(children.start(_serve, work, *ends, others=members, duplex=False))
            yield iter(_Ordered(work, count, members, handing_out, name))
        finally:  # no more tickets: whoever waits for one ends
            os.close(handing_out)
            os.close(tickets)


class _Ordered(Generic[Result]):
    """Hands places out, takes places itself, and gives the results in order."""

    def __init__(
        self, work: Work[Result], count: int, members: list[Child], handing_out: int, name: str
    ) -> None:
        self._work = work
        self._count = count
        self._members = {child.connection.fileno(): child for child in members}
        self._handing_out = handing_out
        self._name = name
        self._poll = select.poll()
        for descriptor in self._members:
            self._poll.register(descriptor, select.POLLIN)
        self._turn = 0  # whose result comes next
        self._next = 0  # the first place that nobody has taken
        self._outstanding = 0  # places that children have been given and not answered
        self._kept: dict[int, bytes | Exception] = {}  # answers whose turn has not come
        self._kept_bytes = 0

    def __iter__(self) -> Iterator[Result]:
        while self._turn < self._count:
            result = self._result()
            self._turn += 1
            yield result

    def _result(self) -> Result:
        self._receive(wait=False)
        while self._turn not in self._kept:
            self._hand_out()
            if self._next == self._turn:  # nobody has it, and nobody is to wait for another
                self._next += 1
                return self._work(self._turn)
            if self._may_begin():
                self._keep_own()
                self._receive(wait=False)
            else:
                self._receive(wait=True)
        self._hand_out()
        answer = self._kept.pop(self._turn)
        if isinstance(answer, Exception):
            raise answer
        self._kept_bytes -= len(answer)
        return self._opened(answer)

    def _may_begin(self) -> bool:
        """Whether a place may be begun before its turn."""
        processes = len(self._members) + 1
        most = min(self._count, self._turn + AHEAD * processes)
        return self._next < most and self._kept_bytes < AHEAD_BYTES * processes

    def _hand_out(self) -> None:
        """Give children places, fewer towards the end, so that all end at about one time."""
        left = (self._count - self._next) // (2 * (len(self._members) + 1))
        most = min(QUEUED, left + 1) * len(self._members)
        while self._outstanding < most and self._may_begin():
            os.write(self._handing_out, _TICKET.pack(self._next))
            self._next += 1
            self._outstanding += 1

    def _keep_own(self) -> None:
        place = self._next
        self._next += 1
        try:
            self._keep(_answer(self._work, place))
        except Exception as error:  # noqa: BLE001 - it is raised when its turn comes
            self._kept[place] = error

    def _receive(self, *, wait: bool) -> None:
        """Take in what children have answered; wait for one answer, if there is none."""
        while ready := self._poll.poll(None if wait else 0):
            wait = False
            for descriptor, _ in ready:
                child = self._members[descriptor]
                try:
                    answer = child.connection.recv_bytes()
                except (EOFError, OSError) as error:
                    raise self._dead(child) from error
                self._outstanding -= 1
                self._keep(answer)

    @staticmethod
    def _opened(answer: bytes) -> Result:
        """Return the result in an answer, or raise the error in it."""
        _, failed = _HEAD.unpack_from(answer)
        content = pickle.loads(memoryview(answer)[_HEAD.size :])  # noqa: S301 - our own child's
        if failed:
            raise content
        result: Result = content
        return result

    def _keep(self, answer: bytes) -> None:
        place, _ = _HEAD.unpack_from(answer)
        self._kept[place] = answer
        self._kept_bytes += len(answer)

    def _dead(self, child: Child) -> TransientError:
        return TransientError(
            f"{self._name} has died",
            expected="that it goes on to the end",
            found=child.how_it_ended(),
            remedy="run the same command again; where memory is short, with fewer --workers",
        )


def _serve(connection: Connection, work: Work[object], tickets: int, handing_out: int) -> None:
    """Answer each ticket, until there are none and the parent hands out no more."""
    os.close(handing_out)
    _widen(connection)
    work.forked()
    with contextlib.suppress(BrokenPipeError):  # the parent wants no more
        while ticket := os.read(tickets, _TICKET.size):
            (place,) = _TICKET.unpack(ticket)
            try:
                answer = _answer(work, place)
            except Exception as error:  # noqa: BLE001 - the parent raises it
                answer = _HEAD.pack(place, True) + _pickled(error)
            connection.send_bytes(answer)


def _answer(work: Work[object], place: int) -> bytes:
    return _HEAD.pack(place, False) + pickle.dumps(work(place), pickle.HIGHEST_PROTOCOL)


def _pickled(error: Exception) -> bytes:
    """Return an error as bytes that can be read back; of a defect with where it was raised."""
    if not isinstance(error, ShardmillError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        content = pickle.dumps(error)
        pickle.loads(content)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - of a class that others wrote
        return pickle.dumps(RuntimeError("".join(traceback.format_exception(error))))
    return content


def _widen(connection: Connection) -> None:
    """Have the pipe hold more, so that a child goes on while its parent is busy with a place."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(connection.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
