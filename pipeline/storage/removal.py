"""What is to be removed, wherever it lies: as it was when a person was asked about it."""

from __future__ import annotations

import stat as stat_module
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.storage.location import Location, Remote

Owns = Callable[[Any], bool]
"""Whether a location is one of this program's, by its name."""


@dataclass(frozen=True)
class Doomed:
    """A file, link, empty folder or object to be removed, as it was when it was looked at.

    Attributes:
        path: where it is.
        size: bytes; 0 of a folder.
        identity: of the inode: its type, device and number; of what is no folder also the size
            and the modification time in nanoseconds. Of an object: the type of a file, and a hash
            of size and ETag.
    """

    path: Location
    size: int
    identity: tuple[int, ...]

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.identity[0] == stat_module.S_IFDIR


@dataclass(frozen=True)
class Plan:
    """What is to be removed below a root, in this order.

    Attributes:
        root: the folder that nothing outside of is removed.
        items: what goes; a folder comes after its content.
        strangers: what was met and stays: a link on the way, or something of another owner.
    """

    root: Location
    items: tuple[Doomed, ...] = ()
    strangers: tuple[Location, ...] = ()

    @property
    def bytes(self) -> int:
        """The size in bytes of all that would be removed."""
        return sum(item.size for item in self.items)

    @property
    def files(self) -> int:
        """How many files and links would be removed."""
        return sum(not item.is_folder for item in self.items)

    def __add__(self, other: Plan) -> Plan:
        """Return a plan of both, this one first."""
        strangers = self.strangers + other.strangers
        return replace(self, items=self.items + other.items, strangers=strangers)

    def beginning_with(self, path: Location) -> Plan:
        """Return the plan with one item moved to its beginning, if it has that."""
        return replace(self, items=tuple(sorted(self.items, key=lambda item: item.path != path)))


@dataclass(frozen=True)
class Outcome:
    """What became of a plan: items that are gone now, and those that had changed and stay."""

    removed: tuple[Doomed, ...] = ()
    kept: tuple[Doomed, ...] = ()


@dataclass(frozen=True)
class Unfinished:
    """Parts that were sent to a store, and neither made an object of nor given up.

    Attributes:
        place: the address that the object was to get.
        age_s: seconds since it was begun, by the clock of the store.
        upload_id: by which the store knows it.
    """

    place: Remote
    age_s: float
    upload_id: str = field(repr=False)
