"""Packed archives: each is unpacked once into a plain tar beside it, of which ranges can be read.

The plain tar appears under its name when the MD5 of the packed file is right. What
`archives.plain_tars` knows of it tells it from a file that somebody else has put there, which is
never taken for it, written over, or removed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import xxhash

from pipeline import manifest, storage
from pipeline.archives import index, plain_tars
from pipeline.archives.identity import check_identity
from pipeline.archives.index import CheckBroken, CheckMember, VerifiedArchive
from pipeline.archives.passage import Progress, Read, read_once
from pipeline.archives.unpacking import unpack_once
from pipeline.documents.records import UnpackedRecord
from pipeline.errors import InputRefused, NoPermission, OutputConflict, TransientError
from pipeline.job.resolve import ResolvedJob
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.state import plain_tars_in_use
from pipeline.storage import FileInfo

Look = Callable[[memoryview], None]
Reading = Callable[[Look, Progress], Read]
Found = TypeVar("Found", VerifiedArchive, Read)


@dataclass(frozen=True)
class Checks:
    """Checks of the first file of an archive, and of tars in it that cannot be read.

    See `index.verify_and_index`.
    """

    first: CheckMember
    broken: CheckBroken


def is_pending(folder: Path, archive: Archive) -> bool:
    """Whether an archive is still to be unpacked, or again: it or what was unpacked has changed.

    Raises:
        OutputConflict: a file that was not unpacked from it lies where the plain tar would.
    """
    target = folder / archive.file
    known = _check_own(target, archive)
    if known is None or storage.stat(target) is None:
        return True
    packed = storage.stat(folder / archive.packed)
    if packed is not None and not plain_tars.is_of(known, packed):
        return True
    return archive.md5 not in {NO_MD5, known.md5}


def _check_own(target: Path, archive: Archive) -> UnpackedRecord | None:
    """Check that nobody else has put a file there; return what is known of the plain tar.

    Raises:
        OutputConflict: somebody has.
    """
    info, known = storage.stat(target), plain_tars.known(target)
    if info is not None and not plain_tars.is_own(info, known):
        kept = f"; {known.size:,} bytes were unpacked, and looked otherwise" if known else ""
        raise OutputConflict(
            "a file lies where a packed archive is unpacked to",
            file=str(target),
            expected=f"nothing, or what was unpacked from {archive.packed}",
            found=f"a file of {info.size:,} bytes, of which nothing is known{kept}",
            remedy=f"if it is the plain tar, name it instead of {archive.packed}, and leave `bytes`"
            " and `md5` out where a configuration names it; else move it away",
        )
    return known


def verify(
    folder: Path,
    archive: Archive,
    listings: Sequence[storage.StagedFile],
    progress: Progress,
    checks: Checks,
) -> VerifiedArchive:
    """Unpack an archive, unless it is; return what it is, with size and time of the plain tar.

    It is verified and indexed on the way, in one pass. Another process that unpacks it is waited
    for. What a killed one has left half written is removed, and it is begun again.

    Args:
        folder: of the archive.
        archive: which is packed.
        listings: index and member hashes; see `index.verify_and_index`.
        progress: likewise.
        checks: what it is checked by on the way.

    Raises:
        ShardmillError: see `index.verify_and_index`; there is no room, or the folder may not be
            written.
        InputRefused: a shard has another MD5 than when it was read for its images.
    """

    def listed(read: Reading, *, size: int | None) -> VerifiedArchive:
        return index.verify_and_index(
            folder / archive.packed,
            *listings,
            expected_md5=None if archive.is_shard or archive.md5 == NO_MD5 else archive.md5,
            expected_size=size,
            nested=not archive.is_shard,
            progress=progress,
            check_first=checks.first,
            check_broken=checks.broken,
            read=read,
        )

    def verified(unpack: Reading) -> VerifiedArchive:
        found = listed(unpack, size=archive.bytes)
        _check_same(folder, archive, found)
        return found

    target = folder / archive.file
    with storage.target_lock(target):
        known = plain_tars.known(target)
        if known is None or is_pending(folder, archive):
            found = _unpack(folder, archive, verified)
        else:
            found = listed(lambda look, tell: _read_again(target, known, look, tell), size=None)
    info = storage.stat(target)
    return replace(found, name=archive.file, info=info or found.info)


@contextlib.contextmanager
def unpacked_for(folder: Path, archives: Iterable[Archive]) -> Iterator[None]:
    """Have packed archives unpacked beside them in this context; what was not there before goes.

    What another command reads when this begins counts as not there: the last of both removes it.

    Args:
        folder: of the archives.
        archives: which are packed, and may be unpacked already.

    Raises:
        ShardmillError: see `verify`.
    """
    archives, mine = list(archives), list[Path]()
    for archive in archives:
        is_pending(folder, archive)  # before any is unpacked: what stands in the way of one
    try:
        with contextlib.ExitStack() as stack:
            for archive in archives:
                target = folder / archive.file
                if storage.stat(target) is None or not plain_tars_in_use.is_idle(target):
                    mine.append(target)
                with contextlib.suppress(NoPermission):  # then nobody here can remove it, either
                    stack.enter_context(plain_tars_in_use.reading(target))
                if not is_pending(folder, archive):
                    continue
                with storage.target_lock(target):
                    if is_pending(folder, archive):
                        _unpack(folder, archive, partial(_identified, folder, archive))
            yield
    finally:
        for target in mine:
            plain_tars_in_use.remove_alone(target)


def _unpack(folder: Path, archive: Archive, check: Callable[[Reading], Found]) -> Found:
    """Unpack an archive into a plain tar, and give that its name; its lock is held.

    Args:
        folder: of the archive.
        archive: which is packed.
        check: given what unpacks it; returns what it is, unless that is refused.
    """
    target, content = folder / archive.file, xxhash.xxh3_128()
    storage.sweep_temps(target.parent)
    with storage.StagedFile(target) as plain:

        def unpack(look: Look, tell: Progress) -> Read:
            return unpack_once(folder / archive.packed, plain, _hashed(look, content), tell)

        found = check(unpack)
        _publish(target, archive, found, plain, content.hexdigest())
    return found


def _identified(folder: Path, archive: Archive, unpack: Reading) -> Read:
    """Unpack an archive without an index of it; return what it is, if it is what it should be."""
    found = unpack(lambda _view: None, lambda _done: None)
    expected = (None if archive.md5 == NO_MD5 else archive.md5, archive.bytes)
    packed = folder / archive.packed
    check_identity(packed, found.md5, found.info.size, found.head, expected, None)
    return found


def _check_same(folder: Path, archive: Archive, found: VerifiedArchive) -> None:
    """Check that a packed shard is what it was when it was read for its images."""
    if archive.is_shard and found.md5 != archive.md5:
        raise InputRefused(
            "a packed tar is not what it was when it was read for its images",
            file=str(folder / archive.packed),
            expected=f"MD5 {archive.md5}",
            found=f"MD5 {found.md5}",
            remedy="leave it alone while a command is at work, and run the same command again,"
            " which reads it anew; if this comes again, look at the disk and the memory of this"
            " machine",
        )


def _read_again(target: Path, known: UnpackedRecord, look: Look, progress: Progress) -> Read:
    """Read a plain tar that was unpacked before; it is what it was, or forgotten and refused."""
    content = xxhash.xxh3_128()
    found = read_once(target, None, _hashed(look, content), progress)
    if content.hexdigest() != known.xxh3_128:
        plain_tars.remove(target)
        raise TransientError(
            "a tar that was unpacked is not what it was; it is unpacked again",
            file=str(target),
            expected=f"xxh3-128 {known.xxh3_128}",
            found=f"xxh3-128 {content.hexdigest()}",
        )
    return replace(found, md5=known.md5)


def _hashed(look: Look, content: xxhash.xxh3_128) -> Look:
    """Return what hashes a view before it is looked at."""

    def see(view: memoryview) -> None:
        content.update(view)
        look(view)

    return see


@contextlib.contextmanager
def forgetting_shards(resolved: ResolvedJob, archive: Archive) -> Iterator[None]:
    """Have the next command read shards anew if one that is packed is refused in this context."""
    try:
        yield
    except InputRefused:
        for split in resolved.splits.values():
            if archive.is_shard and archive in split.source.inputs:
                split.source.forget()
        raise


def _publish(
    target: Path,
    archive: Archive,
    found: VerifiedArchive | Read,
    plain: storage.StagedFile,
    content: str,
) -> None:
    """Give a plain tar its name, behind the document that says what it is.

    So it never lies there as a file of which nothing is known. If a crash loses the name, it is
    unpacked again.
    """
    plain.sync()
    if _check_own(target, archive) is not None:
        plain_tars.remove(target)  # of a packed file that was replaced
    info = storage.stat(plain.temp) or FileInfo(0, "0")
    document = {
        "packed": archive.packed.rpartition("/")[2],
        "packed_size": found.info.size,
        "packed_stamp": found.info.stamp,
        "md5": found.md5,
        "size": info.size,
        "stamp": info.stamp,
        "xxh3_128": content,
    }
    manifest.publish_alone(plain_tars.record(target), document)
    manifest.publish([plain], plain_tars.record(target), target.parent, document)
