"""Small documents that several hosts may want to write at once, of which one is to win.

Everywhere else two who write one file write the same bytes. Here they do not, and each has to know
whether its own are there. A store that heeds conditions says it, and so does a file that is made
anew; elsewhere one writes, waits, and reads again.
"""

from __future__ import annotations

import enum
from pathlib import Path

from pipeline.storage import remote
from pipeline.storage.local import exclusive
from pipeline.storage.location import Location


class Exchanged(enum.Enum):
    """What became of a document that was to take the place of another."""

    DONE = "it is there, and nobody else's was put there at the same time"
    PERHAPS = "it was put, and somebody else may have put another at the same time"
    REFUSED = "something else was there than was seen"


def exchange(path: Location, seen: bytes, content: bytes) -> Exchanged:
    """Put a small document in the place of what was seen there.

    Nothing is synced: what is put like this may be lost.

    Args:
        path: of the document; its name ends in ``.json``.
        seen: what was there; b"": nothing, or an object that was withdrawn.
        content: what is to be there.

    Raises:
        ShardmillError: it cannot be written, or the store refuses or does not answer.
    """
    if isinstance(path, Path):
        is_alone = exclusive.exchange(path, seen, content)
    else:
        is_alone = remote.store(path).exchange(path, seen, content)
    if is_alone is None:
        return Exchanged.REFUSED
    return Exchanged.DONE if is_alone else Exchanged.PERHAPS


def small_document(path: Location) -> bytes:
    """Return the content of a JSON document at this moment; b"": there is none, or a withdrawn one.

    Raises:
        ShardmillError: it cannot be read.
    """
    if isinstance(path, Path):
        return exclusive.read(path)
    return remote.store(path).small_document(path)


def small_documents(folder: Location) -> dict[str, bytes]:
    """Return the contents of the JSON documents of a folder by name, as they are at this moment.

    Nothing that was listed before is believed. Hidden and withdrawn ones do not count.

    Raises:
        ShardmillError: they cannot be read.
    """
    if isinstance(folder, Path):
        return exclusive.small_documents(folder)
    return remote.store(folder).small_documents(folder)
