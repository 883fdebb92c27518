"""The archives that a job reads: are they there, and can they be the right ones?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from pipeline import manifest, paths, storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.index import VerifiedArchive
from pipeline.archives.tar import READER_VERSION
from pipeline.documents.records import ArchiveMark
from pipeline.errors import (
    ArchiveMissing,
    ArchiveRefused,
    MemberDiffers,
    ObjectMissing,
    TransientError,
    Vanished,
)
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.manifest import Document
from pipeline.plaintext import Lines
from pipeline.quantities import size
from pipeline.sources.inputs import PLAIN, Archive
from pipeline.state import fetched, refusals, unpacked_archives
from pipeline.storage import Location

BROKEN, READER = "broken", "reader"
"""In the mark of an archive: the tars in it that cannot be read, by which version of the reader."""


def publish(
    out: Location, archive: str, found: VerifiedArchive, listings: Sequence[storage.StagedFile]
) -> None:
    """Publish what a verified archive holds, and last the mark that says that it is verified.

    Args:
        out: the output folder.
        archive: its published file name.
        found: what was found in it.
        listings: of a plain tar its index and the hashes of its members, whole; else none.
    """
    mark = paths.archive_mark(out, archive, found.info.look)
    if listings:
        _forget_replaced(out, archive, found.md5)
    for hashes in listings[1:]:  # before the mark that says that the archive is verified
        memberhashes.publish(out, archive, found.md5, hashes)
    manifest.publish(listings[:1], mark, out, _document(found))


def _forget_replaced(out: Location, archive: str, md5: str) -> None:
    """Remove the marks of other archives of a name: their index is about to be replaced."""
    for path in storage.documents(paths.archive_index(out, archive).parent):
        is_near = path.name.startswith(archive.rpartition("/")[2])
        mark = manifest.read_undamaged(path, ArchiveMark) if is_near else None
        if mark is not None and mark.archive == archive and mark.files and mark.md5 != md5:
            storage.remove(out, path)


def listing_paths(out: Location, archive: str) -> list[Location]:
    """Return the paths of index and member hashes of an archive, which only a plain tar has."""
    if not archive.endswith(PLAIN):
        return []
    return [paths.archive_index(out, archive), paths.member_hashes(out, archive)]


def verified(resolved: ResolvedJob, archive: Archive) -> ArchiveMark | None:
    """Return the mark of an archive if it was verified and has not changed since."""
    info = storage.stat(resolved.raw_file(archive))
    if info is None or is_to_be_unpacked(resolved, archive):
        return None
    path = paths.archive_mark(resolved.out, archive.file, info.look)
    mark = manifest.read_complete(path, resolved.out, ArchiveMark)
    if mark is None:
        return None
    agrees = (mark.info, mark.md5) == (info, archive.md5)
    # What an older reader could not read is read again.
    current = not mark.broken or mark.reader == READER_VERSION
    return mark if agrees and current else None


def broken_tars(resolved: ResolvedJob, archive: Archive) -> tuple[BrokenTar, ...]:
    """Return the tars in a verified archive that cannot be read; none if it is not verified."""
    mark = verified(resolved, archive)
    return tuple(map(BrokenTar.recorded, mark.broken)) if mark else ()


def check_verified(resolved: ResolvedJob, archives: Iterable[Archive]) -> None:
    """Raise the refusal of a tar in a verified archive that a job needs and that cannot be read."""
    for archive in archives:
        check_broken(resolved, archive, broken_tars(resolved, archive))


def seen(resolved: ResolvedJob) -> dict[str, int | None]:
    """Return the sizes of a job's archives, packed ones as they are packed; None: there is none."""
    packed = {a.file: storage.stat(resolved.raw / a.packed) for a in resolved.archives if a.packed}
    infos = {a.file: packed.get(a.file) or _next_info(resolved, a) for a in resolved.archives}
    return {name: info.size if info else None for name, info in infos.items()}


def read_next(resolved: ResolvedJob, archive: Archive) -> Location:
    """Return where an archive is read next: at its origin, if it is still to be copied from there.

    One that is packed is read as it is published until it was unpacked.

    Raises:
        OutputConflict: another file of that name lies where it would be copied or unpacked to.
    """
    if is_to_be_staged(resolved, archive):
        return resolved.origin / archive.file
    return read_here(resolved, archive)


def read_here(resolved: ResolvedJob, archive: Archive) -> Location:
    """Return where an archive is read on this host, before or after it was unpacked there.

    Raises:
        OutputConflict: another file lies where it would be unpacked to.
    """
    if is_to_be_unpacked(resolved, archive):
        return resolved.raw / archive.packed
    return resolved.raw_file(archive)


def is_to_be_unpacked(resolved: ResolvedJob, archive: Archive) -> bool:
    """Whether an archive is packed, and was not unpacked since it looks as it does.

    Raises:
        OutputConflict: another file lies where it would be unpacked to.
    """
    if not archive.packed:
        return False
    return unpacked_archives.is_pending(storage.on_this_machine(resolved.raw), archive)


def is_to_be_staged(resolved: ResolvedJob, archive: Archive) -> bool:
    """Whether an archive is to be copied into the stage folder before it is read.

    Raises:
        OutputConflict: another archive of that name lies there.
    """
    if not resolved.is_staged:
        return False
    return fetched.must_be_fetched(storage.on_this_machine(resolved.raw_file(archive)), archive)


def check(resolved: ResolvedJob, needed: Sequence[Archive]) -> None:
    """Check what can be known of archives without opening them.

    Args:
        resolved: the job.
        needed: the archives that it is still to read.

    Raises:
        ArchiveMissing: naming every missing archive, where to get it and where to put it.
        ArchiveRefused: an archive has the wrong size, or was refused and looks as it did then.
        OutputConflict: another archive lies where one would be copied to.
    """
    places = {archive: read_next(resolved, archive) for archive in needed}
    infos = {archive: _next_info(resolved, archive) for archive in needed}
    missing = [archive for archive, info in infos.items() if info is None]
    if missing:
        raise _missing(resolved, resolved.origin, missing)
    for archive, place in places.items():
        _check_size(place, infos[archive], archive)
        refused = refusals.recall(resolved.out, place, archive)
        if refused is not None and not resolved.job.replace:
            raise refused


def check_broken(resolved: ResolvedJob, archive: Archive, broken: Iterable[BrokenTar]) -> None:
    """Check that a job can do without the tars in an archive that cannot be read.

    It can where they are of classes that it has not chosen.

    Args:
        resolved: the job.
        archive: the archive.
        broken: what was noted of it when it was verified.

    Raises:
        ArchiveRefused: of the first one that it needs.
    """
    splits = [s for s in resolved.splits.values() if archive in s.source.inputs]
    for tar in broken:
        if not splits or any(split.source.needs(tar.name) for split in splits):
            raise tar.refusal


def seen_images(resolved: ResolvedJob, split: SplitJob) -> dict[str, storage.FileInfo]:
    """Return how the archives of a split's images looked when they were verified.

    Raises:
        TransientError: one has changed since.
    """
    seen = {}
    for archive in split.source.inputs:
        mark = verified(resolved, archive)
        if mark is None:
            raise TransientError(
                "the archive was changed after it was verified",
                file=archive.file,
                remedy="leave it alone while a command is at work: it is verified again",
            )
        seen[archive.file] = mark.info
    return seen


@contextlib.contextmanager
def verifying_again(resolved: ResolvedJob, split: SplitJob) -> Iterator[None]:
    """Have what a split's images lie in verified, or read, again if one differs in this context.

    Raises:
        MemberDiffers: one does: the next attempt finds the archives not verified, and the next
            command reads anew what has no MD5.
        ArchiveRefused: what they lie in cannot be read any more; likewise.
        Vanished: it is gone; likewise.
        ObjectMissing: so is an object.
    """
    try:
        yield
    except MemberDiffers as error:
        for archive in split.source.inputs:
            storage.remove(resolved.out, mark_path(resolved, archive))
        if any(not archive.is_shard for archive in split.source.inputs):
            raise
        split.source.forget()
        raise MemberDiffers(
            "an image is not what it was when the file that holds it was read",
            file=error.file,
            place=error.place,
            expected=error.expected,
            found=error.found,
            remedy="the file was changed and kept its size and time, or its bytes went bad on the"
            " way: run the same command again, which reads all of it anew; if this comes again,"
            " look at the disk, the network and the memory of this machine",
        ) from error
    except (ArchiveRefused, Vanished, ObjectMissing):
        split.source.forget()
        raise


def mark_path(resolved: ResolvedJob, archive: Archive) -> Location:
    """Return the path of the mark of an archive as it looks now."""
    info = storage.stat(resolved.raw_file(archive)) or storage.FileInfo(0, "0")
    return paths.archive_mark(resolved.out, archive.file, info.look)


def _document(found: VerifiedArchive) -> Document:
    """Return what the mark of an archive says beside its index."""
    document: Document = {
        "archive": found.name,
        "size": found.info.size,
        "stamp": found.info.stamp,
        "md5": found.md5,
        "members": found.members,
    }
    if found.broken:
        broken = [tar.to_json() for tar in found.broken]
        document |= {BROKEN: broken, READER: READER_VERSION}
    return document


def _missing(resolved: ResolvedJob, raw: Location, missing: list[Archive]) -> ArchiveMissing:
    sources = (split.boxes for split in resolved.splits.values() if split.boxes)
    boxes = {each.archive.file for each in sources if each.archive}
    instead = (split.source.beside_missing(raw) for split in resolved.splits.values())
    found, remedy = next(filter(None, instead), (None, None))
    lines = [line for archive in missing for line in _published(raw, archive)]
    count = "an archive is" if len(missing) == 1 else f"{len(missing)} archives are"
    return ArchiveMissing(
        f"{count} not there",
        file=str(raw),
        expected=Lines.of(lines),
        found=found,
        remedy="put them there under exactly these names, then run the same command again"
        + ("; or say --no-boxes" if any(a.file in boxes for a in missing) else "")
        + (f"; or, {remedy}" if remedy else ""),
    )


def _published(raw: Location, archive: Archive) -> Iterator[object]:
    """Yield where an archive belongs, where to get it, and what it weighs if that is known."""
    if archive.is_folder:
        of_raw = archive.file == storage.TARS_OF_FOLDER
        folder = raw if of_raw else raw / archive.file.removesuffix(storage.TAR_FOLDER)
        called = "such as n01440764.tar" if of_raw else "*.tar"
        yield f"tars of classes, {called}, in the folder {folder}"
        return
    yield raw / archive.published
    if archive.address:
        yield f"from {archive.address}"
    if archive.bytes is not None:
        yield f"{archive.bytes:,} bytes ({size(archive.bytes)})"


def _next_info(resolved: ResolvedJob, archive: Archive) -> storage.FileInfo | None:
    """Return size and stamp of an archive where it is read next; None: it is not there."""
    look = storage.stat_whole if is_to_be_staged(resolved, archive) else storage.stat
    return look(read_next(resolved, archive))


def _check_size(place: Location, info: storage.FileInfo | None, archive: Archive) -> None:
    if archive.packed and place.name != archive.packed:
        return  # the packed file had its MD5
    if info is not None and archive.bytes is not None and info.size != archive.bytes:
        short = info.size < archive.bytes
        raise ArchiveRefused(
            "the archive has the wrong size",
            file=str(place),
            expected=f"{archive.bytes:,} bytes, MD5 {archive.md5}",
            found=f"{info.size:,} bytes",
            remedy=_other_tars(archive)
            or f"{'probably a download that broke off' if short else 'another archive'}: "
            f"get it again{f' from {archive.address}' if archive.address else ''}",
        )


def _other_tars(archive: Archive) -> str:
    """Return what to do if a folder of tars has another size; empty: the archive is a file."""
    if not archive.is_folder:
        return ""
    return (
        "a tar of it is missing, was added or has another size: put those there that it was"
        " described by; or describe it as it is now, `shardmill describe RAW`"
    )
