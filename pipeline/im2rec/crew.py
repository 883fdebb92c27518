"""Those who pack: processes, or this one alone. Their pieces come in the order of the list."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

from pipeline.errors import ShardmillError
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.job import PackJob
from pipeline.im2rec.pictures import Packer, Piece
from pipeline.im2rec.worker import work
from pipeline.storage import SharedFile, StagedFile

_AHEAD: Final = 12 << 20  # bytes of records that a worker may keep and yet be asked for more


class Crew(Protocol):
    """Packs batches."""

    def pieces(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Piece]]:
        """Yield the pieces of all batches in order, until the last one is written.

        Each must be placed before the next one is taken.

        Raises:
            ShardmillError: what a batch raises; a worker is dead, or cannot write.
        """

    def place(self, offset: int) -> None:
        """Have the piece that was yielded last written at an offset, soon."""

    @property
    def written(self) -> int:
        """Up to which offset all is written."""


@contextlib.contextmanager
def assembled(job: PackJob) -> Iterator[Crew]:
    """Give those who pack; when the context is left by an error, they stop at once."""
    if job.threads == 1:
        with Packer(job) as packer:
            yield _Alone(packer)
        return
    members: list[_Member] = []
    try:
        for _ in range(job.threads):
            members.append(_hired(job, members))
        yield _Team(members)
    except BaseException:
        for member in members:
            member.process.kill()
        raise
    finally:
        for member in members:
            member.connection.close()
        for member in members:
            member.process.join()


class _Alone:
    """This process."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._offset = self.written = 0

    def pieces(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Piece]]:
        with SharedFile(file.temp, file.path) as shared:
            for batch in batches:
                for piece, arena in self._packer.pieces(batch):
                    yield batch, piece
                    shared.write_at(self._offset, arena.content)
                    self.written = self._offset + piece.bytes
                    self._packer.release(arena)

    def place(self, offset: int) -> None:
        self._offset = offset


@dataclass(eq=False)
class _Member:
    """A worker, and what is between it and this process.

    Attributes:
        process: it.
        connection: to it.
        batch: what it packs.
        ready: its pieces that were not yielded yet.
        sizes: bytes of each piece that is not written yet, in order.
        places: where those of them go that were placed.
        asks: whether it waits for the next thing to pack.
        between: whether that is the rest of its batch.
    """

    process: BaseProcess
    connection: Connection
    batch: Batch | None = None
    ready: deque[tuple[Batch, Piece]] = field(default_factory=deque)
    sizes: deque[int] = field(default_factory=deque)
    places: deque[_Place] = field(default_factory=deque)
    asks: bool = True
    between: bool = False


@dataclass
class _Place:
    end: int
    written: bool = False


class _Team:
    """Processes, each with a batch of its own."""

    def __init__(self, members: list[_Member]) -> None:
        self._members = members
        self._turns: deque[_Member] = deque()  # whose batch comes when
        self._places: deque[_Place] = deque()
        self._batches: Iterator[Batch] = iter(())
        self.written = 0

    def pieces(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Piece]]:
        self._batches = batches
        for member in self._members:
            _send(member, (file.temp, file.path))
            self._supply(member)
        while self._turns or self._places:
            while self._turns and self._turns[0].ready:
                batch, piece = self._turns[0].ready.popleft()
                yield batch, piece
                if piece.end == len(batch):
                    self._turns.popleft()
            if self._turns or self._places:
                self._listen()

    def place(self, offset: int) -> None:
        member = self._turns[0]
        size = member.sizes[len(member.places)]
        place = _Place(offset + size)
        member.places.append(place)
        self._places.append(place)
        _send(member, offset)

    def _listen(self) -> None:
        speaking = wait([member.connection for member in self._members])
        for member in self._members:
            if member.connection in speaking:
                self._heard(member, _received(member))
                self._supply(member)

    def _heard(self, member: _Member, message: object) -> None:
        if isinstance(message, ShardmillError):
            raise message
        if isinstance(message, Piece) and member.batch is not None:
            member.ready.append((member.batch, message))
            member.sizes.append(message.bytes)
            member.asks, member.between = True, message.end < len(member.batch)
            return
        member.sizes.popleft()
        member.places.popleft().written = True
        while self._places and self._places[0].written:
            self.written = self._places.popleft().end

    def _supply(self, member: _Member) -> None:
        """Give a worker that asks for it something to pack, unless it keeps too much."""
        if not member.asks or sum(member.sizes) > _AHEAD:
            return
        if not member.between:
            batch = next(self._batches, None)
            if batch is None:
                return
            member.batch = batch
            self._turns.append(member)
        member.asks = False
        _send(member, None if member.between else member.batch)


def _hired(job: PackJob, before: list[_Member]) -> _Member:
    # A fork has what is loaded, and takes functions that cannot be pickled for transforms.
    forks = sys.platform.startswith("linux")
    get = multiprocessing.get_context
    context = get("fork") if forks else get("spawn")
    here, there = context.Pipe()
    others = [*(member.connection for member in before), here] if forks else []
    process = context.Process(target=work, args=(there, job, others), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: they hold no lock of ours
        process.start()
    there.close()
    return _Member(process, here)


def _send(member: _Member, message: object) -> None:
    try:
        member.connection.send(message)
    except ConnectionError as error:
        raise _last_word(member) or _dead(member) from error


def _last_word(member: _Member) -> ShardmillError | None:
    """Return the error that a worker has sent before it ended, if there is one."""
    with contextlib.suppress(EOFError, OSError):
        while member.connection.poll():
            message = member.connection.recv()
            if isinstance(message, ShardmillError):
                return message
    return None


def _received(member: _Member) -> object:
    try:
        return member.connection.recv()
    except (EOFError, ConnectionError) as error:
        raise _dead(member) from error


def _dead(member: _Member) -> ShardmillError:
    member.process.join(timeout=5)
    code = member.process.exitcode
    ended = f"status {code}" if code is None or code >= 0 else signal.Signals(-code).name
    return ShardmillError(
        "a process that packs pictures has died, and nothing was published",
        expected="that it goes on to the end of the list",
        found=f"it was ended by {ended}",
        remedy="run the same command again; where memory is short, with a smaller --num-thread",
    )
