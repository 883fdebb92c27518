"""How remote places are reached, and what reads their objects.

`RemoteOptions` decides no byte of an output. A process says once, by `use`, which ones hold for it;
what is forked from it inherits them. boto3 and libcurl are imported when a remote place is met, and
not before.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from pipeline.errors import ObjectChanged, UsageError
from pipeline.storage import scratch
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local.listing import Entry, too_long
from pipeline.storage.location import S3, Location, Remote
from pipeline.storage.readers import Ranges, Sources
from pipeline.storage.remote_options import DEFAULT, RemoteOptions
from pipeline.storage.s3.settings import Settings

if TYPE_CHECKING:
    from pipeline.storage.http.contents import Contents
    from pipeline.storage.http.many import Many
    from pipeline.storage.http.objects import WholeObjects
    from pipeline.storage.http.request import Request
    from pipeline.storage.http.transfer import Transfer
    from pipeline.storage.s3.removals import Removals
    from pipeline.storage.s3.store import Store

_STEP: Final = 1 << 24  # bytes that are read at once


@dataclass(frozen=True)
class Piece:
    """An object that is to be a part of another one, as it was when its bytes were known.

    Attributes:
        place: its address.
        info: size and stamp.
    """

    place: Remote
    info: FileInfo


_used = [DEFAULT]  # of this process; the one place that holds them
_stores: dict[Settings, Store] = {}  # that this process has met, or one before it
_renewed = [0.0]  # when all that was listed was forgotten, by the monotonic clock
_contents: list[Contents] = []  # at most one: what was read of small objects


def use(options: RemoteOptions) -> None:
    """Reach remote places by these options from now on.

    Raises:
        UsageError: the scratch folder is an address.
    """
    scratch.use(options.scratch)
    _used[0] = options


@contextlib.contextmanager
def using(options: RemoteOptions) -> Iterator[None]:
    """Reach remote places by these options while the context lasts."""
    before = _used[0]
    use(options)
    try:
        yield
    finally:
        use(before)


def stat(place: Remote) -> FileInfo | None:
    """Return size and stamp of an object; None: there is none."""
    if place.scheme == S3:
        known = store(place).known.stat(place)
        return None if known is None else known.as_file
    remote = _objects(place.parent).find(place.name)
    return None if remote is None else remote.info


def told_md5(place: Remote) -> str | None:
    """Return the MD5 of a file in hex that its web server tells; None: it tells none, or no file.

    A store of S3 has ETags that look like an MD5 and are none, where it encrypts.
    """
    remote = None if place.scheme == S3 else _objects(place.parent).find(place.name)
    return (remote.md5 or None) if remote is not None else None


def sizes(folder: Remote) -> dict[str, int]:
    """Return the objects directly in a folder by name, with their sizes; none of a web server."""
    if folder.scheme != S3:
        return {}
    return {name: info.size for name, info in store(folder).objects(folder).items()}


def store(place: Remote) -> Store:
    """Return the store that holds an address.

    Raises:
        UsageError: it is the address of a web server, which neither lists nor takes files.
    """
    if place.scheme != S3:
        raise UsageError(
            "a web server, where only a store or a local folder can stand",
            expected="s3://BUCKET/PREFIX, or a local path",
            found=str(place),
        )
    settings = _used[0].s3
    if settings not in _stores:
        from pipeline.storage.s3.store import Store  # noqa: PLC0415  (boto3: only for S3)

        _stores[settings] = Store(settings)
    return _stores[settings]


def entries(folder: Remote) -> list[Entry]:
    """Return what a folder holds; the stamp of an object is a hash of its own.

    Raises:
        UsageError: it is one of a web server.
    """
    there = store(folder)
    objects = there.objects(folder).items()
    files = [Entry(name, "file", info.size, info.as_file.number) for name, info in objects]
    return files + [Entry(name, "folder", 0) for name in there.folders(folder)]


def read_many(places: Iterable[Remote], most: int | None = None) -> dict[Remote, bytes]:
    """Return the contents of small objects, without those that are gone; see `Contents`.

    Raises:
        OutputDamaged: one has more than `most` bytes.
    """
    seen = {place: info for place in places if (info := stat(place)) is not None}
    if not seen:
        return {}
    for place, info in seen.items():
        if most is not None and info.size > most:
            raise too_long(str(place), most)
    from pipeline.storage.http.contents import (  # noqa: PLC0415  (libcurl: only for the remote)
        Contents,
    )

    if not _contents:
        _contents.append(Contents())
    return _contents[0].read(seen, _objects, transfer())


def whole_objects(places: Sequence[Remote]) -> Iterator[tuple[Remote, FileInfo, bytes | None]]:
    """Yield the contents of small objects, all of them asked for at once; see `http.contents`."""
    from pipeline.storage.http import (  # noqa: PLC0415  (libcurl: only for the remote)
        contents,
    )

    yield from contents.whole_objects(places, _objects, transfer())


def piece(source: Location, target: Location) -> Piece | None:
    """Return what a store copies to join it to others; None: it cannot, or there is no store.

    Args:
        source: what is to be copied.
        target: what is made of it and others.
    """
    if not (isinstance(source, Remote) and isinstance(target, Remote)):
        return None
    if (source.scheme, source.host) != (S3, target.host):
        return None
    info = stat(source)
    return None if info is None else Piece(source, info)


def read_piece(piece: Piece) -> Iterator[memoryview]:
    """Yield the bytes of an object, which must be what it was.

    Raises:
        ObjectChanged: it is another one.
    """
    with open_ranges(piece.place) as reader:
        if reader.info != piece.info:
            raise ObjectChanged(
                "an object was replaced while it was joined to others",
                file=str(piece.place),
                remedy="run the same command again",
            )
        offset = 0
        while view := reader.read(offset, _STEP):
            yield view
            offset += len(view)


def removals(root: Remote) -> Removals:
    """Return what plans and carries out removals below an address; it looks anew."""
    there = store(root)
    from pipeline.storage.s3.removals import Removals  # noqa: PLC0415  (boto3: only for S3)

    return Removals(root, there)


def renew(after_s: float = 0.0) -> None:
    """List every watched folder again when it is next asked for.

    Args:
        after_s: seconds since this was done last that must have passed; else nothing is done.
    """
    now = time.monotonic()
    if now - _renewed[0] >= after_s:
        _renewed[0] = now
        for each in _stores.values():
            each.known.renew()


os.register_at_fork(after_in_child=renew)  # what the parent knew may be from long ago


def open_ranges(place: Remote) -> Ranges:
    """Return what reads an object, best from front to back.

    Raises:
        ObjectMissing: there is none.
    """
    from pipeline.storage.http.sequential import (  # noqa: PLC0415  (libcurl: only for the remote)
        open_object,
    )

    return open_object(place, _objects(place.parent), transfer())


def open_sources(root: Remote) -> Sources:
    """Return what reads byte ranges of the objects below a folder."""
    from pipeline.storage.http.ranges import (  # noqa: PLC0415  (libcurl: only for the remote)
        RemoteReader,
    )

    return RemoteReader(root, _objects(root), transfer())


def open_whole(root: Remote) -> Sources:
    """Return what reads the objects below a folder, each of them whole."""
    from pipeline.storage.http.whole import (  # noqa: PLC0415  (libcurl: only for the remote)
        WholeReader,
    )

    return WholeReader(root, _objects(root), transfer())


def walk(root: Remote) -> Iterator[tuple[str, FileInfo]]:
    """Yield the name below an address of each object there, with its size and stamp.

    Raises:
        ShardmillError: the store refuses or does not answer.
    """
    from pipeline.storage.s3 import client, listing  # noqa: PLC0415  (boto3: only for S3)

    for name, info in listing.walk(client.connect(_used[0].s3), root):
        yield name, info.as_file


def ask(root: Remote, names: Sequence[str]) -> list[FileInfo | None]:
    """Return size and stamp of files on a web server, asked for together; None: there is none.

    Raises:
        ObjectRefused: the server does not give one out, or does not say how large it is.
        RemoteUnavailable: it does not answer.
    """
    from pipeline.storage.http.look import (  # noqa: PLC0415  (libcurl: only for the remote)
        look_at_many,
    )

    objects = _objects(root)
    seen = look_at_many(transfer(), [objects.whole(name) for name in names])
    return [None if each is None else FileInfo(*each) for each in seen]


def many(
    root: Remote,
    in_flight: int,
    tries: int,
    seems_whole: Callable[[memoryview], bool],
    has_answered: bool,
) -> Many:
    """Return what receives many small objects below an address; see `small_files.receive`."""
    from pipeline.storage.http import process  # noqa: PLC0415  (libcurl: only for the remote)
    from pipeline.storage.http.many import Many  # noqa: PLC0415  (the same)
    from pipeline.storage.http.objects import renewed  # noqa: PLC0415  (the same)

    settings, renew = _used[0].s3, None
    if root.scheme == S3 and settings.unsigned and settings.profile is None:
        from pipeline.storage.s3 import public  # noqa: PLC0415  (only for S3)

        request_for: Callable[[str], Request] = partial(public.request_for, root, settings)
    else:
        objects = _objects(root)
        request_for = objects.whole
        renew = partial(renewed, objects) if root.scheme == S3 else None
    own = process.patient(in_flight, tries)
    return Many(own, request_for, renew, tries, seems_whole, has_answered)


def transfer() -> Transfer:
    """Return what carries the requests of this process out."""
    from pipeline.storage.http import process  # noqa: PLC0415  (libcurl: only for the remote)

    return process.transfer(_used[0].in_flight)


def _objects(folder: Remote) -> WholeObjects:
    if folder.scheme == S3:
        from pipeline.storage.s3.objects import S3Objects  # noqa: PLC0415  (boto3: only for S3)

        return S3Objects(folder, _used[0].s3)
    from pipeline.storage.http.objects import (  # noqa: PLC0415  (libcurl: only for the remote)
        WebObjects,
    )

    return WebObjects(folder, transfer())
