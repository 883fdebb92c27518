"""What is asked of a server, and what it answered in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pipeline.storage.http.answers import Answer
from pipeline.storage.location import shown

MOST_IN_MEMORY: Final = 1 << 28
"""Bytes of an object that is read at once, at most."""
SILENT_SECONDS: Final = 30
"""Seconds after which a server that sends next to nothing is asked anew."""
SLOW_BYTES: Final = 1000
"""Bytes a second, fewer of which are next to nothing."""
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Request:
    """A range of bytes of one object, the whole object, or only what is known of it.

    Attributes:
        url: where it is asked for. It may hold a signature, so that it is shown nowhere.
        name: what errors call the object: its address without anything secret.
        offset: first byte that is wanted.
        length: how many bytes are wanted, at least 1; None: all from `offset` on.
        size: of the whole object in bytes, where that is known: another size is another object.
        validator: the strong ETag, or the date of the last modification, that the object must
            have; empty: not known.
        headers: names and values that the user gives, for the host of `url` alone.
        head: whether only the headers of the whole object are wanted.
        netrc: whether the user's ``.netrc`` is looked into for a name and a password.
        ca_file: PEM file of the certificates that are trusted; empty: see `trust`.
        rate: how many bytes a second are read at most; 0: as many as come.
        restarts: whether a body that was cut is sent again from its first byte, as of a server
            that has no ranges; else what is missing of it is asked for.
        unless: the ETag of an object that is there already, with its quotes: if that is the one
            that would be sent, nothing is; empty: the object is sent in any case.
        most: bytes of an object whose size is not known, at most; larger ones are refused.
        silent_s: seconds after which a server that sends next to nothing has gone.
        slow_bytes: a second, fewer of which are next to nothing.
    """

    url: str = field(repr=False)
    name: str = ""
    offset: int = 0
    length: int | None = None
    size: int | None = None
    validator: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    head: bool = False
    netrc: bool = False
    ca_file: str = ""
    rate: int = 0
    restarts: bool = False
    unless: str = ""
    most: int = MOST_IN_MEMORY
    silent_s: int = SILENT_SECONDS
    slow_bytes: int = SLOW_BYTES

    @property
    def is_whole(self) -> bool:
        """Whether the object is asked for from its first byte to its last."""
        return self.offset == 0 and self.length is None

    @property
    def shown(self) -> str:
        """What errors call the object."""
        return self.name or shown(self.url)


@dataclass(frozen=True)
class Reply:
    """A complete and correct answer.

    Attributes:
        answer: status and headers of the last answer.
        body: the bytes that were asked for; empty where they went to a sink.
        length: how many bytes that was.
        url: where the object was found after all redirects; it may hold a secret.
    """

    answer: Answer
    body: memoryview
    length: int
    url: str = field(repr=False)


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address: what a header of the user's is meant for."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
