"""The process of `faultproxy.FaultProxy`: passes requests on to one server, and spoils answers.

It speaks HTTP/1.1 on a port of loopback that it prints. What it shall do comes as JSON by ``PUT``
to ``/-/rules``; ``GET /-/log`` returns what it did. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PIECE = 1 << 16
LIMIT = 1 << 20
CONTROL = "/-/"


@dataclass
class Rule:
    """What is done about the requests that it is for; see `faultproxy.FaultProxy.rule`."""

    fault: str
    match: str = ""
    skip: int = 0
    times: int = -1
    every: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    after: int = 0
    by: int = 0
    seconds: float = 0.0
    seen: int = 0
    done: int = 0

    def applies(self, line: str) -> bool:
        if not re.search(self.match, line):
            return False
        self.seen += 1
        turn = self.seen - self.skip
        if turn <= 0 or (turn - 1) % self.every or self.done == self.times:
            return False
        self.done += 1
        return True


@dataclass
class Head:
    """The first line and the headers of a request or an answer."""

    first: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def put(self, name: str, value: str | None) -> None:
        """Replace a header, or remove it."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    def encode(self) -> bytes:
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def status(self) -> int:
        return int(self.first.split()[1])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next head; None where the connection ends."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(first, [(name, value.strip()) for name, _, value in pairs])


async def body_of(
    reader: asyncio.StreamReader, head: Head, *, until_end: bool
) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as they are on the wire."""
    if "chunked" in head.get("transfer-encoding").lower():
        size = -1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await reader.readexactly(size + 2)
        return
    length = head.get("content-length")
    left = int(length) if length else (sys.maxsize if until_end else 0)
    while left and (piece := await reader.read(min(PIECE, left))):
        left -= len(piece)
        yield piece


class Proxy:
    """Passes requests on to one server."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = host, port
        self.rules: list[Rule] = []
        self.log: list[dict[str, Any]] = []
        self.under_way = self.most_under_way = 0
        self.tasks: set[asyncio.Task[None] | None] = set()  # asyncio itself forgets them

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client, by one connection to the server."""
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            while (head := await read_head(reader)) is not None:
                if not await connection.answer(head):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            connection.close()
            self.tasks.discard(task)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request as one that has no answer yet."""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1

    def control(self, path: str, body: bytes) -> bytes:
        if path == CONTROL + "rules":
            self.rules = [Rule(**rule) for rule in json.loads(body)]
        if path == CONTROL + "clear":
            self.log.clear()
            self.most_under_way = 0
        return json.dumps({"log": self.log, "most": self.most_under_way}).encode()


class Connection:
    """One client, and the server as it is asked for this client."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.proxy = proxy
        self.reader, self.writer = reader, writer
        self.server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        for writer in (self.writer, self.server[1] if self.server else None):
            if writer is not None:
                writer.close()

    async def answer(self, head: Head) -> bool:
        """Answer one request; return whether the connection is good for another."""
        method, path, _ = head.first.split(" ", 2)
        if head.get("expect").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head.put("expect", None)
        body = b"".join([piece async for piece in body_of(self.reader, head, until_end=False)])
        if path.startswith(CONTROL):
            await self.send(200, {}, self.proxy.control(path, body))
            return True
        line = f"{method} {path} {head.get('range')}".strip()
        rules = [rule for rule in self.proxy.rules if rule.applies(line)]
        entry = {"request": line, "fault": [rule.fault for rule in rules], "status": 0, "sent": 0}
        self.proxy.log.append(entry)
        with self.proxy.waiting():
            stays = await self.spoil(head, rules, entry)
            if stays is not None:
                return stays
            answer, server = await self.ask(head, body)
        if any(rule.fault == "lose" for rule in rules):
            return False
        entry["status"] = answer.status
        bare = head.first.startswith("HEAD ") or answer.status in {204, 304}
        pieces = None if bare else body_of(server, answer, until_end=True)
        return await self.pass_on(answer, pieces, rules, entry)

    async def spoil(self, head: Head, rules: list[Rule], entry: dict[str, Any]) -> bool | None:
        """Do what the rules say about a request; None: it is to be passed on."""
        for rule in rules:
            if rule.fault == "delay":
                await asyncio.sleep(rule.seconds)
            elif rule.fault == "answer":
                entry["status"] = rule.status
                await self.send(rule.status, rule.headers, rule.body.encode())
                return True
            elif rule.fault == "reset":
                linger = struct.pack("ii", 1, 0)
                sock = self.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            elif rule.fault == "whole":
                head.put("Range", None)
            elif rule.fault == "elsewhere":
                head.put("Range", _moved(head.get("range"), rule.by))
        return None

    async def ask(self, head: Head, body: bytes) -> tuple[Head, asyncio.StreamReader]:
        """Pass a request on; a connection that the server has closed is made anew."""
        for _ in range(2):
            fresh = self.server is None
            if self.server is None:
                self.server = await asyncio.open_connection(*self.proxy.upstream, limit=LIMIT)
            reader, writer = self.server
            with contextlib.suppress(ConnectionError):
                writer.write(head.encode() + body)
                await writer.drain()
            answer = await read_head(reader)
            while answer is not None and answer.status == 100:
                answer = await read_head(reader)
            if answer is not None:
                return answer, reader
            writer.close()
            self.server = None
            if fresh:
                break
        raise ConnectionResetError

    async def pass_on(
        self,
        answer: Head,
        pieces: AsyncIterator[bytes] | None,
        rules: list[Rule],
        entry: dict[str, Any],
    ) -> bool:
        by_fault = {rule.fault: rule for rule in rules}
        if pieces is not None and {"gzip", "flip"} & by_fault.keys():
            whole = b"".join([piece async for piece in pieces])
            if "gzip" in by_fault:
                whole = gzip.compress(whole)
                answer.put("Content-Encoding", "gzip")
            elif whole:
                place = by_fault["flip"].after % len(whole)
                whole = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            answer.put("Content-Length", str(len(whole)))
            pieces = _once(whole)
        if "length" in by_fault:
            length = int(answer.get("content-length") or 0) + by_fault["length"].by
            answer.put("Content-Length", str(length))
        for rule in rules:
            for name, value in rule.headers.items():
                answer.put(name, value)
        left = by_fault["cut"].after if "cut" in by_fault else sys.maxsize
        self.writer.write(answer.encode())
        if pieces is not None:
            async for piece in pieces:
                self.writer.write(piece[:left])
                entry["sent"] += min(left, len(piece))
                left -= min(left, len(piece))
                await self.writer.drain()
                if not left:
                    return False
        await self.writer.drain()
        ended = not answer.get("content-length") and not answer.get("transfer-encoding")
        return "length" not in by_fault and not (ended and pieces is not None)

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        pairs = [("Content-Length", str(len(body))), *headers.items()]
        self.writer.write(Head(f"HTTP/1.1 {status} -", pairs).encode() + body)
        await self.writer.drain()


def _moved(value: str, by: int) -> str | None:
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", value)
    return f"bytes={int(match[1]) + by}-{int(match[2]) + by}" if match else None


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


async def main(host: str, port: int) -> None:
    """Serve until the standard input ends."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=LIMIT)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
