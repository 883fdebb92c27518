"""Reads objects that are images of their own: each by one request, announced ahead.

Nothing is asked of an object before it is read: a list may name millions. The answer says which
version it is of, and its length is compared with the one that was listed; what is asked for again
after a cut must be of the same version. So no image is ever a mixture of two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pipeline.errors import ObjectChanged
from pipeline.storage.closing import Closing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.objects import WholeObjects, renewed
from pipeline.storage.http.ranges import FROM_THE_ORIGIN, MOST_BYTES
from pipeline.storage.http.refusals import missing
from pipeline.storage.http.request import Reply
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

_NOTHING: Final = memoryview(b"")


@dataclass(eq=False)
class _Wanted:
    """An object that will be read.

    Attributes:
        source: its name.
        length: bytes that it should have; None: nobody has said.
        ticket: the request; None: it was not made yet.
    """

    source: str
    length: int | None
    ticket: Ticket | None = None


class WholeReader(Closing):
    """Reads whole objects below an address, in the order in which they are announced.

    Args:
        root: the address.
        objects: says of a name below it where that object is.
        transfer: carries the requests out.
        most_bytes: how many announced bytes are asked for ahead; one object may be larger.
    """

    def __init__(
        self,
        root: Remote,
        objects: WholeObjects,
        transfer: Transfer,
        *,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.root = root
        self._objects = objects
        self._transfer = transfer
        self._most_bytes = most_bytes
        self._ahead: deque[_Wanted] = deque()
        self._distrusted: set[str] = set()

    def path(self, source: str) -> Remote:
        """Return the address of a source."""
        return self._objects.location(source)

    def look(self, source: str) -> FileInfo | None:
        """Ask for size and stamp of a source; None if there is none."""
        remote = self._objects.find(source, again=True)
        return None if remote is None else self._info(remote.size, remote.validator)

    def now(self, source: str) -> FileInfo:
        """Ask for size and stamp of a source.

        Raises:
            ObjectMissing: there is none.
        """
        info = self.look(source)
        if info is None:
            raise missing(self.path(source))
        return info

    def _info(self, size: int, validator: str) -> FileInfo:
        return FileInfo(size, self._objects.version(validator))

    def stamp(self, source: str) -> int:
        """Return the stamp of what is read next of a source; its answer is waited for.

        Raises:
            ShardmillError: see `read_whole`; an object of another length has a stamp, too.
        """
        try:
            reply = self._wait(self._first(source))
            info = self._info(reply.length, reply.answer.validator)
        except ObjectChanged:
            info = self.now(source)
        return info.number

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Ask for an object of `length` bytes that will be read soon; `offset` is 0."""
        del offset
        self._ahead.append(_Wanted(source, length))
        self._ask()

    def not_cached(self, source: str, offset: int, length: int) -> None:
        """Have an object sent again, past all caches, when it is read next."""
        del offset, length
        self._distrusted.add(source)

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        """Return that views are valid until the next call."""
        del before_reuse
        return False

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the object ends."""
        wanted = self._first(source)
        try:
            return self._wait(wanted).body[offset : offset + length]
        finally:
            self._done(wanted)

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        """Return the bytes of an object that was `length` bytes long, and how long it is by now.

        If it has another length now, it was changed.

        Raises:
            ObjectMissing: there is no such object any more.
            ObjectChanged: it was replaced while it was read.
            ShardmillError: see `Transfer.wait`.
        """
        wanted = self._first(source, length)
        try:
            reply = self._wait(wanted)
        except ObjectChanged:
            now = self.now(source)
            if now.size == length:
                raise
            return _NOTHING, now.size
        finally:
            self._done(wanted)
        return reply.body, reply.length

    def close(self) -> None:
        """Give up what was announced."""
        while self._ahead:
            self._drop(self._ahead.popleft())

    def _first(self, source: str, length: int | None = None) -> _Wanted:
        """Return the next reading of an object; those that were announced before it are given up.

        One that was not announced comes before all others.
        """
        if any(each.source == source for each in self._ahead):
            while self._ahead[0].source != source:
                self._drop(self._ahead.popleft())
        else:
            self._ahead.appendleft(_Wanted(source, length))
        wanted = self._ahead[0]
        if source in self._distrusted and wanted.ticket is not None:
            self._drop(wanted)
            wanted.ticket = None
        return wanted

    def _wait(self, wanted: _Wanted) -> Reply:
        if wanted.ticket is None:
            wanted.ticket = self._submitted(wanted)
        return self._transfer.wait(wanted.ticket)

    def _done(self, wanted: _Wanted) -> None:
        self._ahead.remove(wanted)
        self._ask()

    def _drop(self, wanted: _Wanted) -> None:
        if wanted.ticket is not None:
            self._transfer.cancel(wanted.ticket)

    def _ask(self) -> None:
        """Ask for what was announced, as far as memory allows."""
        asked = 0
        for wanted in self._ahead:
            asked += wanted.length or 0
            if asked > self._most_bytes and wanted is not self._ahead[0]:
                break
            if wanted.ticket is None:
                wanted.ticket = self._submitted(wanted)

    def _submitted(self, wanted: _Wanted) -> Ticket:
        source = wanted.source
        request = replace(self._objects.whole(source), size=wanted.length)
        if source in self._distrusted:
            self._distrusted.discard(source)
            request = replace(request, headers=request.headers + FROM_THE_ORIGIN)
        return self._transfer.submit(request, renew=partial(renewed, self._objects, source))
