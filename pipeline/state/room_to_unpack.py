"""Whether packed archives can be unpacked beside them: is there room, and may they be written?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline import storage
from pipeline.errors import NoPermission, NoSpace, abbreviate
from pipeline.job.resolve import ResolvedJob
from pipeline.sources.inputs import Archive
from pipeline.state.unpacked_archives import is_pending

_SHOWN = 3


def to_unpack(resolved: ResolvedJob, needed: Iterable[Archive]) -> dict[Path, int]:
    """Return the packed archives that are still to be unpacked -> bytes of each, as packed."""
    packed = [archive for archive in needed if archive.packed]
    if not packed:
        return {}
    folder = storage.on_this_machine(resolved.raw)
    paths = [folder / each.packed for each in packed if is_pending(folder, each)]
    return {path: info.size for path in paths if (info := storage.stat(path))}


def check_writable(resolved: ResolvedJob, needed: Iterable[Archive]) -> None:
    """Raise `NoPermission` if plain tars cannot be written beside the packed archives."""
    pending = to_unpack(resolved, needed)
    if not pending:
        return
    for folder in dict.fromkeys(path.parent for path in pending):
        beside = {path.name: size for path, size in pending.items() if path.parent == folder}
        try:
            storage.probe_writable(folder)
        except NoPermission as error:
            raise NoPermission(
                "a packed archive is unpacked beside it, in a folder that may not be written",
                file=str(folder),
                place=abbreviate(list(beside), _SHOWN),
                expected=f"a folder to write some {sum(beside.values()):,} bytes into",
                remedy="link the archives into a folder of yours, and name that"
                f"{_with_raw(resolved)}; or unpack it, and name the plain tar instead",
            ) from error


def check_room(resolved: ResolvedJob, needed: Iterable[Archive], to_write: int) -> None:
    """Check that packed archives can be unpacked, by their size: images hardly become smaller.

    Args:
        resolved: the job.
        needed: the archives that it is still to read.
        to_write: bytes that will be written into the output folder.

    Raises:
        NoSpace: there is too little room beside them.
        OutputConflict: see `is_pending`.
    """
    missing = sum(to_unpack(resolved, needed).values())
    if not missing:
        return
    folder = storage.on_this_machine(resolved.raw)
    beside = to_write if storage.on_one_file_system(folder, resolved.out) else 0
    free = storage.free_bytes(folder)
    if free is not None and missing + beside > free:
        raise NoSpace(
            "too little space for the plain tars of packed archives",
            file=str(folder),
            expected=f"{missing + beside:,} bytes free"
            + (f", {beside:,} of them for what will be written" if beside else ""),
            found=f"{free:,} bytes free",
            remedy="free some space there; or link the archives into a folder on another disk, and"
            f" name that{_with_raw(resolved)}",
        )


def _with_raw(resolved: ResolvedJob) -> str:
    """Return by which option another folder of archives is named, in words; "": by none."""
    return " with --raw" if resolved.job.raw else ""
