"""A process of the pool: the messages that it takes, its answers, and how it ends.

Both sides talk through one pipe. The process is sent:

* first the temporary and the final path of the file that it writes into;
* a `Batch`: it answers with the first `Chunk` of it, whose records it keeps in memory;
* None: it answers with the next `Chunk`;
* an offset: it writes the oldest chunk that it keeps there, and answers `WRITTEN`.

Each chunk is followed by one batch or None, and by one offset, in any order. An error that comes
in place of an answer is why the process cannot go on. Images never pass through the pipe. Nothing
large is sent to a process that may be sending, so neither side waits for the other forever.
"""

from __future__ import annotations

import contextlib
from collections import deque
from multiprocessing.connection import Connection
from typing import Final

from pipeline.errors import ShardmillError
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.encode import RecordBuffer, RecordEncoder
from pipeline.im2rec.job import PackJob
from pipeline.storage import SharedFile

WRITTEN: Final = "written"


def work(connection: Connection, job: PackJob) -> None:
    """Pack what is sent, until the other end of the connection is closed.

    Args:
        connection: to the process that publishes the file.
        job: what is packed.
    """
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            temp, path = connection.recv()
            with RecordEncoder(job) as encoder, SharedFile(temp, path) as file:
                _Conversation(connection, encoder, file).run()
        except ShardmillError as error:
            connection.send(error)


class _Conversation:
    def __init__(self, connection: Connection, encoder: RecordEncoder, file: SharedFile) -> None:
        self._connection = connection
        self._encoder = encoder
        self._file = file
        self._kept: deque[RecordBuffer] = deque()

    def run(self) -> None:
        batch = self._next()
        while batch is not None:
            following = None
            for chunk, buffer in self._encoder.chunks(batch):
                self._kept.append(buffer)
                self._connection.send(chunk)
                following = self._next()
            batch = following

    def _next(self) -> Batch | None:
        while True:
            message = self._connection.recv()
            if not isinstance(message, int):
                return message if isinstance(message, Batch) else None
            buffer = self._kept.popleft()
            self._file.write_at(message, buffer.content)
            self._encoder.release(buffer)
            self._connection.send(WRITTEN)
