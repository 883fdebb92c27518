"""Files that a source itself keeps in an output folder, and what they were when they got there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.storage import Location


@dataclass(frozen=True)
class KeptFile:
    """A file as it was written.

    Attributes:
        path: of the file.
        bytes: its size.
        digest: its MD5, 32 hex digits, or its CRC-32, 8 hex digits.
    """

    path: Location
    bytes: int
    digest: str


@dataclass(frozen=True)
class Placeholders:
    """What stands in a path in the place of what varies; see `pipeline.state.ownership`.

    Attributes:
        split: of the name of a split.
        name: of any name.
        digest: of a digest.
        number: of a number.
    """

    split: str
    name: str
    digest: str
    number: int


@dataclass(frozen=True)
class Unneeded:
    """Files that a source keeps for what nobody asks for any more.

    Attributes:
        what: what they were kept for, for people.
        files: those that nothing else needs, tables before the rest.
    """

    what: str
    files: tuple[Location, ...]


@dataclass(frozen=True)
class KeptFiles:
    """Some files, as one of the source's tables names them.

    Attributes:
        name: what they are, for people; those of many tables have one name.
        read: reads the table; it can be sent to another process.
    """

    name: str
    read: Callable[[], Iterator[KeptFile]]


@dataclass(frozen=True)
class Original:
    """A file as it was written, and where its bytes have come from.

    Attributes:
        file: the file; its digest is an MD5.
        key: of the object, below whatever bucket has it.
    """

    file: KeptFile
    key: str


@dataclass(frozen=True)
class Originals:
    """Some files that have come from a bucket; see `KeptFiles`."""

    name: str
    read: Callable[[], Iterator[Original]]
