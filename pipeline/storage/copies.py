"""Local copies of objects that are read as files, such as tables that are mapped into memory.

A copy is named after its address and its ETag, so that it is never another object's. It is fetched
once a host, into a hidden file that gets its name when it is whole. Two processes that fetch one
object at once do no harm: each has a hidden file of its own, and their content is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline.errors import (
    ObjectChanged,
    ObjectMissing,
    OutputDamaged,
    TransientError,
    Vanished,
)
from pipeline.storage import remote, scratch
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local import copykeeping, deleting, listing
from pipeline.storage.location import Location, Remote
from pipeline.storage.staged_file import StagedFile

_FOLDER: Final = "copies"
_STEP: Final = 1 << 24  # bytes
_MOST_AT_ONCE: Final = 1 << 26  # bytes of all objects that are asked for at a time
_TRIES: Final = 3  # of an object that is replaced while it is read
_DIGITS: Final = 32
_LONGEST_NAME: Final = 60  # characters
_swept = set[Path]()  # by this process, or the one that it was forked from


def local_copy(location: Location, *, anew: bool = False) -> Path:
    """Return the path of a file of this machine, or of a copy of an object, which is fetched once.

    Args:
        location: of the file or object.
        anew: whether a copy that is there is not trusted.

    Raises:
        Vanished: there is no such object.
        ShardmillError: it cannot be fetched, or there is no room for it.
    """
    if isinstance(location, Path):
        return location
    for _ in range(_TRIES):
        info = remote.stat(location)
        if info is None:
            break
        path = _place(location, info)
        if not anew and copykeeping.is_kept(path, info.size):
            return path
        try:
            _fetch(location, info, path)
        except (ObjectChanged, ObjectMissing):  # what was listed was replaced since
            remote.store(location).known.renew_one(location)
        else:
            return path
    raise Vanished(
        "there is no such object any more", file=str(location), remedy="run the same command again"
    )


def local_copies(locations: Iterable[Location]) -> list[Path]:
    """Do as `local_copy` does, for many: small objects are asked for at once."""
    wanted = list(locations)
    copy_ahead(wanted)
    return [local_copy(each) for each in wanted]


def copy_ahead(locations: Iterable[Location]) -> None:
    """Have copies of small objects made at once that will be asked for one by one.

    What is no object, or is gone, is passed over.
    """
    for batch in _batches(locations):
        for place, info, content in remote.whole_objects(batch):
            if content is not None and len(content) == info.size:
                with StagedFile(_place(place, info)) as staged:
                    staged.write(content)
                    staged.rename()


def _batches(locations: Iterable[Location]) -> Iterator[list[Remote]]:
    """Yield the small objects that have no copy, as many at a time as there is memory for."""
    batch, size = list[Remote](), 0
    for each in locations:
        info = remote.stat(each) if isinstance(each, Remote) else None
        if info is None or not isinstance(each, Remote) or not 0 < info.size <= _STEP:
            continue
        if copykeeping.is_kept(_place(each, info), info.size):
            continue
        if size + info.size > _MOST_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += info.size
    if batch:
        yield batch


@contextlib.contextmanager
def open_arrow(location: Location) -> Iterator[pa.NativeFile]:
    """Open a file for Arrow, memory-mapped: only the pages that are read become resident.

    Raises:
        OutputDamaged: in the context Arrow finds that the file is not what it wrote.
    """
    path = local_copy(location)
    try:
        with listing.open_arrow(path, str(location)) as file:
            yield file
    except OutputDamaged:
        if isinstance(location, Remote):  # perhaps the copy alone is: the next one is fetched
            deleting.remove(path.parent, path)
        raise


def _place(location: Remote, info: FileInfo) -> Path:
    identity = f"{location}\0{info.size}\0{info.stamp}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]
    folder = scratch.folder() / _FOLDER
    if folder not in _swept:
        _swept.add(folder)
        copykeeping.sweep(folder)
    return folder / f"{digest}-{location.name[-_LONGEST_NAME:]}"


def _begun(path: Path) -> StagedFile:
    scratch.close_around(path)  # it may have been removed a moment ago
    return StagedFile(path)


def _fetch(location: Remote, info: FileInfo, path: Path) -> None:
    """Fetch an object into a local file, which appears when it is whole.

    Raises:
        ObjectChanged: it is another one by now.
        TransientError: it is shorter than the store says.
    """
    with remote.open_ranges(location) as reader, _begun(path) as staged:
        if reader.info != info:
            raise ObjectChanged("an object was replaced while it was read", file=str(location))
        while view := reader.read(staged.size, _STEP):
            staged.write(view)
        if staged.size != info.size:
            raise TransientError(
                "the store has sent less than the whole object",
                file=str(location),
                expected=f"{info.size:,} bytes",
                found=f"{staged.size:,}",
            )
        staged.rename()
