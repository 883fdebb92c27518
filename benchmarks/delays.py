"""A server seen from far away: a forwarder on loopback that delays what the server says.

Every piece of an answer is passed on so many seconds after it came, so that the rate is that of the
server, and each answer begins later.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

_PIECE: Final = 1 << 16
_MOST_WAITING: Final = 1024  # pieces of a connection
_Piece = tuple[float, bytes]


@contextlib.contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """Give a port of a process that forwards to another port while the context lasts."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    arguments = (port, seconds, sending)
    process = multiprocessing.get_context("spawn").Process(target=_forward, args=arguments)
    process.start()
    try:
        yield receiving.recv()
    finally:
        process.kill()
        process.join()


def _forward(port: int, seconds: float, sending: Connection) -> None:
    asyncio.run(_serve(port, seconds, sending))


async def _serve(port: int, seconds: float, sending: Connection) -> None:
    tasks = set[asyncio.Task[None]]()  # the loop itself holds them only weakly

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass(reader, ours, 0.0))
            group.create_task(_pass(theirs, writer, seconds))

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(forward(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    sending.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on all that is read, each piece so many seconds after it came, and then the end."""
    pieces: asyncio.Queue[_Piece] = asyncio.Queue(_MOST_WAITING)
    clock = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, pieces))
        while (piece := await pieces.get())[1]:
            await asyncio.sleep(piece[0] + seconds - clock())
            with contextlib.suppress(ConnectionError):
                writer.write(piece[1])
                await writer.drain()
    writer.close()


async def _read(reader: asyncio.StreamReader, pieces: asyncio.Queue[_Piece]) -> None:
    clock, content = asyncio.get_running_loop().time, b"-"
    while content:
        content = b""
        with contextlib.suppress(ConnectionError):
            content = await reader.read(_PIECE)
        await pieces.put((clock(), content))
