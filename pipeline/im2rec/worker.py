"""A process that packs: what it is told, what it answers, and how it ends.

It is sent, and so says back, through one pipe:

* first the temporary and the final path of the file that it shall write;
* a `Batch`: it answers with the first `Piece` of it, whose records it keeps in memory;
* None: it answers with the next `Piece`;
* an offset: there it writes the oldest piece that it keeps, and answers `WRITTEN`.

To each piece there is one batch or None, sooner or later, and one offset, in any order. An error
in its stead is why it cannot go on. Pictures never pass through the pipe; and since nothing large
is sent to it while it may be sending, neither side waits for the other forever.
"""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

from pipeline.errors import ShardmillError
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.job import PackJob
from pipeline.im2rec.pictures import Arena, Packer
from pipeline.storage import SharedFile

WRITTEN: Final = "written"


def work(connection: Connection, job: PackJob, others: Sequence[Connection]) -> None:
    """Pack what is sent, until the other end of the connection is closed.

    Args:
        connection: to the process that assembles the file.
        job: what is packed.
        others: the ends, inherited from it, that it has of connections to other workers: as long
            as they are open here, those would not see it die.
    """
    for other in others:
        other.close()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's go to all: the other end decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            temp, path = connection.recv()
            with Packer(job) as packer, SharedFile(temp, path) as file:
                _Dialogue(connection, packer, file).run()
        except ShardmillError as error:
            connection.send(error)


class _Dialogue:
    def __init__(self, connection: Connection, packer: Packer, file: SharedFile) -> None:
        self._connection = connection
        self._packer = packer
        self._file = file
        self._kept: deque[Arena] = deque()

    def run(self) -> None:
        batch = self._next()
        while batch is not None:
            following = None
            for piece, arena in self._packer.pieces(batch):
                self._kept.append(arena)
                self._connection.send(piece)
                following = self._next()
            batch = following

    def _next(self) -> Batch | None:
        while True:
            message = self._connection.recv()
            if not isinstance(message, int):
                return message if isinstance(message, Batch) else None
            arena = self._kept.popleft()
            self._file.write_at(message, arena.content)
            self._packer.release(arena)
            self._connection.send(WRITTEN)
