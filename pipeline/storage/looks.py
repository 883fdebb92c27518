"""How files and objects look that are inputs of their own: sizes and stamps, and their content.

A stamp is a number by which a change is noticed without reading: that of a file follows from size
and times, see `pipeline.storage.local.stamps`, and that of an object from its size and version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import xxhash

from pipeline.storage import remote, remote_files
from pipeline.storage.local import fingerprints, listing, stamps
from pipeline.storage.location import Location, Remote

_STEP: Final = 1 << 20  # bytes that are read at once


def look_anew() -> None:
    """Have stores and servers asked again for what they have said of files below an address."""
    remote_files.forget()


def file_stamps(root: Location, names: Iterable[str]) -> list[tuple[int, int]]:
    """Return size and stamp of each regular file, links followed; (-1, `ABSENT`) for no file.

    Below an address of a store all are told by one listing of it, which is kept until
    `look_anew`; a web server is asked for each.

    Args:
        root: folder that the names are relative to.
        names: paths; an absolute one counts as it is, and below an address it names nothing.
    """
    if isinstance(root, Remote):
        return remote_files.file_stamps(root, list(names))
    return listing.file_stamps(root, names)


def file_sizes(root: Location, names: Iterable[str]) -> list[int]:
    """Return the size of each regular file, links followed; -1 where there is none."""
    return [size for size, _ in file_stamps(root, names)]


def settled(location: Location) -> int:
    """Return the stamp to record of a file, object or folder before it is read.

    A folder of a store has none that would tell of a change: it is `UNSETTLED`. `ABSENT` where
    there is nothing.
    """
    if isinstance(location, Path):
        return stamps.settled(location)
    info = remote.stat(location)
    return stamps.ABSENT if info is None else info.number


def read_stamped(location: Location) -> tuple[int, bytes]:
    """Read a file; return the stamp to record, and the xxh3-128 of its content, 16 bytes.

    Raises:
        NoPermission: it may not be read.
        Vanished: it is gone.
        ObjectMissing: so is an object.
    """
    if isinstance(location, Path):
        return stamps.read_stamped(location)
    hasher, done = xxhash.xxh3_128(), 0
    with remote.open_ranges(location) as reader:
        while view := reader.read(done, _STEP):
            hasher.update(view)
            done += len(view)
        return reader.info.number, hasher.digest()


def read_files(root: Location, names: Sequence[str]) -> list[tuple[int, bytes | None]]:
    """Read files, several at a time; return of each its stamp, and the xxh3-128 of its content.

    Of a file that may not be read that is `UNSETTLED` and None.

    Raises:
        Vanished: one is gone.
        ObjectMissing: so is an object.
    """
    if isinstance(root, Path):
        return fingerprints.read_files(root, names)
    sizes = file_sizes(root, names)
    read = list[tuple[int, bytes | None]]()
    with remote.open_whole(root) as reader:
        for name, size in zip(names, sizes, strict=True):
            reader.will_need(name, 0, size)
        for name, size in zip(names, sizes, strict=True):
            stamp = reader.stamp(name)
            data, now = reader.read_whole(name, size)
            is_whole = now == size
            content = xxhash.xxh3_128_digest(data) if is_whole else None
            read.append((stamp if is_whole else stamps.UNSETTLED, content))
    return read
