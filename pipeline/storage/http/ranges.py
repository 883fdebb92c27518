"""Reads byte ranges of remote objects, with the methods of the reader of local files.

Announcing a range starts its request, so that dozens of them are under way while images are worked
on; reading it waits for its own alone. Each request names the version of the object that was looked
at: where it was replaced meanwhile, that is an error, and never a mixture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from pipeline.errors import ObjectChanged, ObjectMissing
from pipeline.storage.closing import Closing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.announced import Announced, Group, Key
from pipeline.storage.http.objects import Objects, RemoteObject
from pipeline.storage.http.refusals import missing
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

MOST_BYTES: Final = 32 << 20
"""How many bytes that are announced are asked for before they are read."""
_NOTHING: Final = memoryview(b"")
FROM_THE_ORIGIN: Final = (("Cache-Control", "no-cache"),)


class RemoteReader(Closing):
    """Reads byte ranges of many objects below an address.

    Args:
        root: the address.
        objects: says of a name below it which object that is.
        transfer: carries the requests out.
        most_bytes: how many announced bytes are asked for ahead; one range may be larger.
    """

    def __init__(
        self, root: Remote, objects: Objects, transfer: Transfer, *, most_bytes: int = MOST_BYTES
    ) -> None:
        self.root = root
        self._objects = objects
        self._transfer = transfer
        self._most_bytes = most_bytes
        self._known: dict[str, RemoteObject | None] = {}
        self._changed: set[str] = set()  # to be looked at anew
        self._announced = Announced()
        self._is_announcing = False  # since the last read
        self._distrusted: set[Key] = set()

    def path(self, source: str) -> Remote:
        """Return the address of a source."""
        return self._objects.location(source)

    def look(self, source: str) -> FileInfo | None:
        """Return what is known of a source without reading it; None if there is none."""
        remote = self._find(source)
        return None if remote is None else remote.info

    def now(self, source: str) -> FileInfo:
        """Return size and stamp of a source as it is read.

        It was looked at once, and each range that was read since was checked to be of it.
        """
        return self._object(source).info

    def stamp(self, source: str) -> int:
        """Return the stamp to record with what is read next of a source that is a whole file."""
        return self._object(source).number

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Ask for a range that will be read soon.

        Ranges are to be read in the order in which they are announced: one that is passed over is
        given up.
        """
        key = self._clipped(source, offset, length)
        if key[2] > 0:
            self._announced.add(key)
            self._is_announcing = True
            self._ask()

    def not_cached(self, source: str, offset: int, length: int) -> None:
        """Have the range sent again, past all caches, when it is read next."""
        key = self._clipped(source, offset, length)
        group = self._announced.find(key)
        if group is not None:
            self._drop(group)
        self._distrusted.add(key)

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        """Return that views are valid until the next call."""
        del before_reuse
        return False

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the object ends.

        The view is valid until the next `read`.

        Raises:
            ObjectMissing: there is no such object.
            ObjectChanged: it is another than when it was looked at.
            ShardmillError: see `Transfer.wait`.
        """
        key = self._clipped(source, offset, length)
        if key[2] <= 0:
            self._object(source)
            return _NOTHING
        if not self._is_announcing:  # nothing more will be joined
            self._announced.close()
        self._is_announcing = False
        try:
            group = self._announced.find(key)
            return self._read_now(key) if group is None else self._read_announced(group, key)
        except (ObjectChanged, ObjectMissing):
            self._known.pop(source, None)
            self._changed.add(source)
            raise
        finally:
            self._ask()

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        """Return the bytes of an object that was `length` bytes long, and how long it is by now.

        If it has another length now, it was changed.
        """
        try:
            return self.read(source, 0, length), self._object(source).size
        except ObjectChanged:
            now = self._object(source)
            if now.size == length:
                raise
            return _NOTHING, now.size

    def close(self) -> None:
        """Give up what was announced."""
        while self._announced:
            self._drop(self._announced.first())

    def _find(self, source: str) -> RemoteObject | None:
        if source not in self._known:
            self._known[source] = self._objects.find(source, again=source in self._changed)
            self._changed.discard(source)
        return self._known[source]

    def _object(self, source: str) -> RemoteObject:
        found = self._find(source)
        if found is None:
            raise missing(self.path(source))
        return found

    def _clipped(self, source: str, offset: int, length: int) -> Key:
        """Return the part of a range that the object has; nothing of one that is not there."""
        remote = self._find(source)
        end = min(offset + length, remote.size) if remote is not None else offset
        return source, offset, end - offset

    def _ask(self) -> None:
        """Ask for what was announced, as far as memory allows."""
        while (group := self._announced.due(self._most_bytes)) is not None:
            self._announced.asked(group, self._submit(group.source, group.start, group.size))

    def _submit(
        self,
        source: str,
        offset: int,
        length: int,
        extra: tuple[tuple[str, str], ...] = (),
    ) -> Ticket:
        request = self._object(source).request(offset, length)
        if extra:
            request = replace(request, headers=request.headers + extra)
        return self._transfer.submit(request, renew=partial(self._renewed, source, extra))

    def _renewed(
        self, source: str, extra: tuple[tuple[str, str], ...], request: Request
    ) -> Request:
        """Return a refused request, signed anew; requests that were refused together share it."""
        known = self._object(source)
        if known.url == request.url:
            known = self._known[source] = self._objects.renew(source, known)
        return replace(request, url=known.url, headers=known.headers + extra)

    def _read_now(self, key: Key) -> memoryview:
        extra = FROM_THE_ORIGIN if key in self._distrusted else ()
        self._distrusted.discard(key)
        return self._transfer.wait(self._submit(*key, extra)).body

    def _read_announced(self, group: Group, key: Key) -> memoryview:
        for earlier in self._announced.before(group):
            self._drop(earlier)
        if group.ticket is None:
            ticket = self._submit(group.source, group.start, group.size)
            self._announced.asked(group, ticket)
        else:
            ticket = group.ticket
        with contextlib.ExitStack() as failed:
            failed.callback(self._announced.drop, group)
            body = self._transfer.wait(ticket).body
            failed.pop_all()
        begin = key[1] - group.start
        self._announced.read(group, key)
        return body[begin : begin + key[2]]

    def _drop(self, group: Group) -> None:
        self._announced.drop(group)
        if group.ticket is not None:
            self._transfer.cancel(group.ticket)
