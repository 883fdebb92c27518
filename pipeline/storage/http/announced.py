"""Ranges that are announced before they are read, joined where they are neighbours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from pipeline.storage.http.ticket import Ticket

GAP: Final = 128 << 10
"""Bytes between two ranges below which both come by one request: they cost less than another."""
LARGEST: Final = 1 << 20
"""Bytes of one request up to which it is joined with what follows."""

Key = tuple[str, int, int]
"""Source, offset and length of a range."""


@dataclass(eq=False)
class Group:
    """Ranges of one source that come by one request.

    Attributes:
        source: name of the object.
        start: first byte.
        end: the byte behind the last.
        keys: the ranges in it, and how often each is still to be read.
        ticket: the request; None: it was not made yet.
    """

    source: str
    start: int
    end: int
    keys: dict[Key, int] = field(default_factory=dict)
    ticket: Ticket | None = None

    @property
    def size(self) -> int:
        """How many bytes are asked for."""
        return self.end - self.start

    def takes(self, key: Key) -> bool:
        """Whether a range may be joined to what is here."""
        source, offset, length = key
        end = max(self.end, offset + length)
        near = self.start <= offset < self.end + GAP
        return source == self.source and near and end - self.start <= LARGEST


class Announced:
    """What was announced and is not read yet, in the order of the announcements.

    The last group is open: what is announced next may still be joined to it.
    """

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self._by_key: dict[Key, Group] = {}
        self._open: Group | None = None
        self._asked = 0  # bytes of the groups that are asked for

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, key: Key) -> None:
        """Note that a range will be read."""
        group = self._by_key.get(key)
        if group is None:
            group = self._open
            if group is None or not group.takes(key):
                source, offset, length = key
                group = self._open = Group(source, offset, offset + length)
                self._groups.append(group)
            group.end = max(group.end, key[1] + key[2])
            self._by_key[key] = group
        group.keys[key] = group.keys.get(key, 0) + 1

    def close(self) -> None:
        """Join nothing more to the last group."""
        self._open = None

    def due(self, budget: int) -> Group | None:
        """Return the next group to ask for, if so many bytes in all are not exceeded by it."""
        for group in self._groups:
            if group.ticket is None:
                fits = self._asked == 0 or self._asked + group.size <= budget
                return group if fits and group is not self._open else None
        return None

    def asked(self, group: Group, ticket: Ticket) -> None:
        """Note that a group was asked for."""
        if group is self._open:
            self._open = None
        group.ticket = ticket
        self._asked += group.size

    def find(self, key: Key) -> Group | None:
        """Return the group that a range is in; None if it was not announced."""
        return self._by_key.get(key)

    def first(self) -> Group:
        """Return the group that was announced first."""
        return self._groups[0]

    def before(self, group: Group) -> list[Group]:
        """Return the groups that were announced earlier, and that nobody will read any more."""
        earlier = list[Group]()
        for each in self._groups:
            if each is group:
                break
            earlier.append(each)
        return earlier

    def read(self, group: Group, key: Key) -> None:
        """Note that a range of a group has been read."""
        group.keys[key] -= 1
        if not group.keys[key]:
            del group.keys[key], self._by_key[key]
        if not group.keys:
            self.drop(group)

    def drop(self, group: Group) -> None:
        """Forget a group and its bytes."""
        if group is self._open:
            self._open = None
        if group.ticket is not None:
            self._asked -= group.size
        for key in group.keys:
            del self._by_key[key]
        self._groups.remove(group)
