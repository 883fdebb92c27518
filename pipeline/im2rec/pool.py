"""Packs batches in a pool of processes, or in this one; chunks come in the order of the list."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Final, Protocol

from pipeline.errors import ShardmillError
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.encode import Chunk, RecordEncoder
from pipeline.im2rec.job import PackJob
from pipeline.im2rec.worker import work
from pipeline.processes import children
from pipeline.processes.children import Child
from pipeline.storage import StagedFile

_AHEAD: Final = 12 << 20  # bytes of records that a worker may keep and yet be asked for more


class Packers(Protocol):
    """What packs batches: this process, or several."""

    def chunks(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Chunk]]:
        """Yield the chunks of all batches in order, until the last one is written.

        Each must be placed before the next one is taken.

        Raises:
            ShardmillError: what a batch raises; a worker is dead, or cannot write.
        """

    def place(self, offset: int) -> None:
        """Have the chunk that was yielded last written at an offset, soon."""

    @property
    def written(self) -> int:
        """Up to which offset all is written."""


@contextlib.contextmanager
def open_pool(job: PackJob) -> Iterator[Packers]:
    """Start the processes that pack; an error that leaves the context stops them at once."""
    if job.threads == 1:
        with RecordEncoder(job) as encoder:
            yield InProcess(encoder)
        return
    with children.group() as members:
        for _ in range(job.threads):
            members.append(children.start(work, job, others=members))
        yield WorkerPool([Worker(child) for child in members])


class InProcess:
    """Packs in this process."""

    def __init__(self, encoder: RecordEncoder) -> None:
        self._encoder = encoder
        self.written = 0

    def chunks(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Chunk]]:
        """Yield the chunks of all batches; see `Packers.chunks`."""
        for batch in batches:
            for chunk, buffer in self._encoder.chunks(batch):
                yield batch, chunk
                self.written += file.write(buffer.content)  # and hashed, while it is at hand
                self._encoder.release(buffer)

    def place(self, offset: int) -> None:
        """Do nothing: the chunk that was yielded last is written behind all others by itself."""


@dataclass(eq=False)
class Worker:
    """A process that packs, and what it was asked for and has answered; see `worker.work`.

    Attributes:
        child: the process, and the pipe to it.
        batch: what it packs.
        ready: its chunks that were not yielded yet.
        sizes: bytes of each chunk that is not written yet, in order.
        places: where those of them go that were placed.
        idle: whether it waits for the next thing to pack.
        unfinished: whether that is the rest of its batch.
    """

    child: Child
    batch: Batch | None = None
    ready: deque[tuple[Batch, Chunk]] = field(default_factory=deque)
    sizes: deque[int] = field(default_factory=deque)
    places: deque[_Place] = field(default_factory=deque)
    idle: bool = True
    unfinished: bool = False


@dataclass
class _Place:
    end: int
    written: bool = False


class WorkerPool:
    """Packs by several processes, each of which has a batch of its own."""

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers
        self._turns: deque[Worker] = deque()  # whose batch comes when
        self._places: deque[_Place] = deque()
        self._batches: Iterator[Batch] = iter(())
        self.written = 0

    def chunks(self, file: StagedFile, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Chunk]]:
        """Yield the chunks of all batches; see `Packers.chunks`."""
        self._batches = batches
        for worker in self._workers:
            _send(worker, (file.temp, file.path))
            self._feed(worker)
        while self._turns or self._places:
            while self._turns and self._turns[0].ready:
                batch, chunk = self._turns[0].ready.popleft()
                yield batch, chunk
                if chunk.end == len(batch):
                    self._turns.popleft()
            if self._turns or self._places:
                self._listen()

    def place(self, offset: int) -> None:
        """Have the chunk that was yielded last written; see `Packers.place`."""
        worker = self._turns[0]
        size = worker.sizes[len(worker.places)]
        place = _Place(offset + size)
        worker.places.append(place)
        self._places.append(place)
        _send(worker, offset)

    def _listen(self) -> None:
        readable = wait([worker.child.connection for worker in self._workers])
        for worker in self._workers:
            if worker.child.connection in readable:
                self._on_message(worker, _received(worker))
                self._feed(worker)

    def _on_message(self, worker: Worker, message: object) -> None:
        if isinstance(message, ShardmillError):
            raise message
        if isinstance(message, Chunk) and worker.batch is not None:
            worker.ready.append((worker.batch, message))
            worker.sizes.append(message.bytes)
            worker.idle, worker.unfinished = True, message.end < len(worker.batch)
            return
        worker.sizes.popleft()
        worker.places.popleft().written = True
        while self._places and self._places[0].written:
            self.written = self._places.popleft().end

    def _feed(self, worker: Worker) -> None:
        """Give a worker that is idle something to pack, unless it keeps too much."""
        if not worker.idle or sum(worker.sizes) > _AHEAD:
            return
        if not worker.unfinished:
            batch = next(self._batches, None)
            if batch is None:
                return
            worker.batch = batch
            self._turns.append(worker)
        worker.idle = False
        _send(worker, None if worker.unfinished else worker.batch)


def _send(worker: Worker, message: object) -> None:
    try:
        worker.child.connection.send(message)
    except ConnectionError as error:
        raise _last_word(worker) or _dead(worker) from error


def _last_word(worker: Worker) -> ShardmillError | None:
    """Return the error that a worker has sent before it ended, if there is one."""
    with contextlib.suppress(EOFError, OSError):
        while worker.child.connection.poll():
            message = worker.child.connection.recv()
            if isinstance(message, ShardmillError):
                return message
    return None


def _received(worker: Worker) -> object:
    try:
        return worker.child.connection.recv()
    except (EOFError, ConnectionError) as error:
        raise _dead(worker) from error


def _dead(worker: Worker) -> ShardmillError:
    return ShardmillError(
        "a process that packs images has died, and nothing was published",
        expected="that it goes on to the end of the list",
        found=worker.child.how_it_ended(),
        remedy="run the same command again; where memory is short, with a smaller --num-thread",
    )
