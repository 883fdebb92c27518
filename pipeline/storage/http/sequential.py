"""Reads a remote object from its beginning to its end, parts ahead of where its reader is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from pipeline.storage.closing import Closing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.objects import Objects, RemoteObject
from pipeline.storage.http.refusals import missing
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

PART: Final = 8 << 20
"""Bytes of one request."""
BUFFERS: Final = 6
"""Parts in memory: the one that is read, and those that are under way: 48 MiB in all."""
_NOTHING: Final = memoryview(b"")


def open_object(place: Remote, objects: Objects, transfer: Transfer) -> SequentialReader:
    """Return what reads one object, which is looked at now.

    Args:
        place: its address.
        objects: of the address above it.
        transfer: carries the requests out.

    Raises:
        ObjectMissing: there is none.
    """
    found = objects.find(place.name)
    if found is None:
        raise missing(place)
    renew = partial(objects.renew, place.name)
    return SequentialReader(place, found, transfer, renew=renew)


class SequentialReader(Closing):
    """Reads one object front to back, with the methods of `storage.RangeReader`.

    What is read in another order comes by a request of its own, and nothing ahead of it. The view
    that `read` returns is valid until the next `read`.

    Args:
        path: the address of the object.
        remote: the object, as it was looked at: each part must be of it.
        transfer: carries the requests out.
        renew: returns the object with an address that is signed anew.
        part: bytes of one request.
    """

    def __init__(
        self,
        path: Remote,
        remote: RemoteObject,
        transfer: Transfer,
        *,
        renew: Callable[[RemoteObject], RemoteObject] = lambda stale: stale,
        part: int = PART,
    ) -> None:
        self.path = path
        self.info = remote.info
        self._remote = remote
        self._transfer = transfer
        self._renew = renew
        self._part = part
        self._end = 0  # of what was read last
        self._parts: dict[int, tuple[Ticket, bytearray]] = {}
        self._free: list[bytearray] = []

    def now(self) -> FileInfo:
        """Return size and stamp of the object: each part that was read was checked to be of it."""
        return self.info

    def will_need(self, offset: int, length: int) -> None:
        """Do nothing: what follows is asked for as soon as there is room for it."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the object ends.

        Raises:
            ObjectChanged: the object is another than when it was looked at.
            ShardmillError: see `Transfer.wait`.
        """
        end = min(offset + length, self.info.size)
        if offset >= end:
            return _NOTHING
        first, last = offset // self._part, (end - 1) // self._part
        goes_on, self._end = offset == self._end, end
        if not goes_on and not self._parts.keys() >= set(range(first, last + 1)):
            request = self._remote.request(offset, end - offset)
            return self._transfer.get(request, renew=self._renewed).body
        if first == last:
            return self._piece(first, offset, end)
        joined = bytearray()
        for number in range(first, last + 1):
            begin = number * self._part
            joined += self._piece(number, max(offset, begin), min(end, begin + self._part))
        return memoryview(joined)

    def close(self) -> None:
        """Give up what is under way."""
        for number in list(self._parts):
            self._drop(number)
        self._free.clear()

    def _piece(self, number: int, offset: int, end: int) -> memoryview:
        """Return bytes of one part; the parts after it are asked for."""
        for other in [each for each in self._parts if not number <= each < number + BUFFERS]:
            self._drop(other)
        for each in range(number, min(number + BUFFERS, -(-self.info.size // self._part))):
            if each not in self._parts:
                self._parts[each] = self._submit(each)
        ticket, buffer = self._parts[number]
        if ticket.is_done:
            self._transfer.step(0)  # the others go on while this one is worked on
        self._transfer.wait(ticket)
        begin = number * self._part
        return memoryview(buffer)[offset - begin : end - begin]

    def _submit(self, number: int) -> tuple[Ticket, bytearray]:
        buffer = self._free.pop() if self._free else bytearray(min(self._part, self.info.size))
        begin = number * self._part
        request = self._remote.request(begin, min(self._part, self.info.size - begin))
        sink = partial(_put, memoryview(buffer))
        return self._transfer.submit(request, sink=sink, renew=self._renewed), buffer

    def _renewed(self, request: Request) -> Request:
        if self._remote.url == request.url:
            self._remote = self._renew(self._remote)
        return replace(request, url=self._remote.url, headers=self._remote.headers)

    def _drop(self, number: int) -> None:
        ticket, buffer = self._parts.pop(number)
        self._transfer.cancel(ticket)
        self._free.append(buffer)


def _put(buffer: memoryview, at: int, piece: memoryview) -> None:
    buffer[at : at + len(piece)] = piece
