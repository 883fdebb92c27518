"""Whole small objects, many at a time, each fetched once by a process for as long as it is there.

What is kept is told by size and stamp, as the newest listing has them; an object that was replaced
is fetched anew.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from pipeline.errors import ObjectChanged, ObjectMissing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.objects import Objects, RemoteObject
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

MOST_KEPT: Final = 64 << 20
"""Bytes of all contents that are kept."""

_LARGEST_KEPT: Final = 4 << 20  # bytes of one
_TRIES: Final = 4  # of an object that is replaced again and again while it is read
_NOTHING: Final = b""


class Contents:
    """The contents of objects that this process has read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Remote, tuple[FileInfo, bytes]] = OrderedDict()
        self._bytes = 0

    def keep(self, place: Remote, info: FileInfo, content: bytes) -> None:
        """Keep the content of an object, unless it is large; older ones are given up for it."""
        if old := self._kept.pop(place, None):
            self._bytes -= len(old[1])
        if len(content) > _LARGEST_KEPT:
            return
        self._kept[place] = info, content
        self._bytes += len(content)
        while self._bytes > MOST_KEPT:
            self._bytes -= len(self._kept.popitem(last=False)[1][1])

    def kept(self, place: Remote, info: FileInfo) -> bytes | None:
        """Return the content of an object, if it is kept."""
        known = self._kept.get(place)
        return None if known is None or known[0] != info else known[1]

    def read(
        self,
        seen: Mapping[Remote, FileInfo],
        objects: Callable[[Remote], Objects],
        transfer: Transfer,
    ) -> dict[Remote, bytes]:
        """Return the contents of objects by their addresses, without those that are gone.

        Args:
            seen: what is known of each.
            objects: returns what signs the addresses of the objects in a folder.
            transfer: carries the requests out.

        Raises:
            ShardmillError: see `Transfer.wait`.
        """
        contents, wanted = dict[Remote, bytes](), list[Remote]()
        for place, info in seen.items():
            known = self.kept(place, info) if info.size else _NOTHING
            if known is None:
                wanted.append(place)
            else:
                contents[place] = known
        for attempt in range(_TRIES):
            asked, wanted = wanted, []
            for place, info, content in whole_objects(asked, objects, transfer, again=attempt > 0):
                if content is None and attempt < _TRIES - 1:
                    wanted.append(place)
                elif content is not None:
                    contents[place] = content
                    self.keep(place, info, content)
        return contents


def whole_objects(
    places: Iterable[Remote],
    objects: Callable[[Remote], Objects],
    transfer: Transfer,
    *,
    again: bool = False,
) -> Iterator[tuple[Remote, FileInfo, bytes | None]]:
    """Yield the contents of objects, all of which are asked for at once, without those not there.

    None stands for the content of one that was replaced or removed since it was looked at.

    Args:
        places: their addresses.
        objects: returns what signs the addresses of the objects in a folder.
        transfer: carries the requests out.
        again: whether what is known of them is old.
    """
    reading = _submitted(places, objects, transfer, again=again)
    try:
        while reading:
            place, remote, ticket = reading[0]
            try:
                content: bytes | None = bytes(transfer.wait(ticket).body)
            except (ObjectChanged, ObjectMissing):
                content = None
            reading.popleft()
            yield place, remote.info, content
    finally:
        for _, _, ticket in reading:
            transfer.cancel(ticket)


def _submitted(
    places: Iterable[Remote],
    objects: Callable[[Remote], Objects],
    transfer: Transfer,
    *,
    again: bool,
) -> deque[tuple[Remote, RemoteObject, Ticket]]:
    """Ask for the whole of each object that is there."""
    by_folder = dict[Remote, Objects]()
    reading = deque[tuple[Remote, RemoteObject, Ticket]]()
    for place in places:
        if place.parent not in by_folder:
            by_folder[place.parent] = objects(place.parent)
        of_folder = by_folder[place.parent]
        remote = of_folder.find(place.name, again=again)
        if remote is not None and remote.info.size:
            renew = partial(_renewed, of_folder, place.name, remote)
            request = remote.request(0, remote.info.size)
            reading.append((place, remote, transfer.submit(request, renew=renew)))
    return reading


def _renewed(objects: Objects, name: str, remote: RemoteObject, request: Request) -> Request:
    fresh = objects.renew(name, remote)
    return replace(request, url=fresh.url, headers=fresh.headers)
