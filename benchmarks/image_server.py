"""A bucket on loopback that has one image under every key, and answers after a while.

It runs in a process of its own and takes part of the processors that its clients are measured on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import multiprocessing
import random
import ssl
import subprocess
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

SIDES: Final = (1024, 683)
_END: Final = b"\r\n\r\n"
_CLOSED: Final = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)


def image() -> bytes:
    """Return a JPEG of some 300 kB."""
    width, height = SIDES
    noise = random.Random(0).randbytes(width * height // 16)
    small = Image.frombytes("L", (width // 4, height // 4), noise[: (width // 4) * (height // 4)])
    sink = io.BytesIO()
    small.resize(SIDES, Image.Resampling.BICUBIC).convert("RGB").save(sink, "JPEG", quality=95)
    return sink.getvalue()


class Certificate(NamedTuple):
    """Files of a certificate and of its key."""

    file: Path
    key: Path


def certificate(folder: Path) -> Certificate:
    """Make a certificate of 127.0.0.1."""
    made = Certificate(folder / "server.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(made.key), "-out", str(made.file)]
    subprocess.run(command, check=True, capture_output=True)
    return made


@contextlib.contextmanager
def serving(seconds: float, trusted: Certificate | None = None) -> Iterator[str]:
    """Give the address of the server while the context lasts.

    Args:
        seconds: until the first byte of each answer.
        trusted: its certificate; None: it is not encrypted.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    arguments = (seconds, trusted, sending)
    process = multiprocessing.get_context("spawn").Process(target=_run, args=arguments)
    process.start()
    try:
        yield f"{'https' if trusted else 'http'}://127.0.0.1:{receiving.recv()}"
    finally:
        process.kill()
        process.join()


def _run(seconds: float, trusted: Certificate | None, sending: Connection) -> None:
    asyncio.run(_serve(seconds, trusted, sending))


async def _serve(seconds: float, trusted: Certificate | None, sending: Connection) -> None:
    body = image()
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "{etag}"'.encode() + _END

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_CLOSED):
            while True:
                asked = await reader.readuntil(_END)
                await asyncio.sleep(seconds)
                writer.write(head if asked.startswith(b"HEAD") else head + body)
                await writer.drain()
        writer.close()

    context = None
    if trusted is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*trusted)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, backlog=256)
    sending.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()
