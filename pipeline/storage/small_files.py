"""Receives many small files or objects, each whole, in the order in which they come.

Nothing is asked of one before it is sent. Those of a store or web server come a few dozen at a
time; of a local folder, one after another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from pipeline.errors import NoPermission, UsageError, Vanished
from pipeline.storage import remote
from pipeline.storage.local import listing
from pipeline.storage.location import Location
from pipeline.storage.received import Asked, Received, Result


def receive(
    root: Location,
    wanted: Iterable[Asked],
    *,
    in_flight: int,
    tries: int,
    seems_whole: Callable[[memoryview], bool],
    has_answered: bool = False,
) -> Generator[Received, None, None]:
    """Yield what becomes of each object, as soon as it is known; close it if that is not wanted.

    Args:
        root: a folder, or an address of a store or web server, which may be a whole bucket.
        wanted: objects below it.
        in_flight: how many are asked for at a time, at most: fewer where the server wants that.
        tries: how often each is asked for, at most.
        seems_whole: says of the bytes of an object whose length nobody has announced whether its
            end is there.
        has_answered: whether the server is known to answer: else it is soon given up.

    Raises:
        RemoteUnavailable: the server does not answer at all.
        UsageError: the bucket, its region or the credentials are wrong.
        EnvironmentRefused: the certificate of the server is not trusted.
    """
    if isinstance(root, Path):
        if listing.real_folder(root) is None:
            raise UsageError("there is no such folder", file=str(root), remedy="check --bucket")
        yield from (_local(root, asked) for asked in wanted)
    else:
        with remote.many(root, in_flight, tries, seems_whole, has_answered) as many:
            yield from many.receive(wanted)


def _local(root: Path, asked: Asked) -> Received:
    path = root / asked.name
    url = str(path)
    try:
        body = listing.read_bytes(path)
    except Vanished:
        return Received(asked, url, Result.MISSING, detail="there is no such file")
    except NoPermission:
        return Received(asked, url, Result.FORBIDDEN, detail="the file may not be read")
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if md5 == asked.md5:
        return Received(asked, url, Result.SAME)
    return Received(asked, url, Result.WHOLE, body=memoryview(body), md5=md5)
