"""Whether what is wanted can be collected: is there room, are files there that nobody fetches?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.errors import InputRefused, NotCollected
from pipeline.job.resolve import resolve
from pipeline.quantities import counted
from pipeline.sources.openimages import published
from pipeline.sources.openimages.collection import Collection
from pipeline.sources.openimages.pending import (
    Pending,
    archives_in_question,
    missing_archives,
    missing_metadata,
    pending,
)
from pipeline.state import preflight
from tasks.openimages.base import began

_REMEDY: Final = (
    "free some space, choose another --out or --raw, or take less: with --limit, or one --split"
    " at a time"
)


@dataclass(frozen=True)
class Room:
    """What will be written into one file system.

    Attributes:
        folder: one that lies there.
        bytes: how many, about.
        parts: what they are of, in words.
    """

    folder: Path
    bytes: int
    parts: str


def check(what: Collection) -> None:
    """Check what can be known before more is fetched or written.

    Raises:
        InputRefused: files are missing, and nothing may be fetched; all are named.
        NoSpace: what will be written does not fit.
    """
    if what.options.offline:
        check_offline(what)
    for room in rooms(what, pending(what, began())):
        preflight.check_room(room.folder, room.bytes, parts=room.parts, remedy=_REMEDY)


def check_offline(what: Collection) -> None:
    """Check that nothing has to be fetched, as far as it is known what is needed.

    Raises:
        InputRefused: files are missing; all are named.
    """
    needed = (*missing_metadata(what), *missing_archives(what))
    published.check_all_there(needed, what.raw, perhaps=archives_note(what))


def archives_note(what: Collection) -> str:
    """Return in words which mask archives may be needed, too; "": none, or they are known."""
    unsure = archives_in_question(what)
    if not unsure:
        return ""
    first, last = unsure[0], unsure[-1]
    names = first.name if first is last else f"{first.name} … {last.name}"
    return (
        f"of {counted(len(unsure), 'mask archive')} ({names}) those that the images of the classes"
        " need, by the first digits of their ImageIDs: they are named when the images are selected"
    )


def rooms(what: Collection, still: Pending) -> Iterator[Room]:
    """Yield what will be written into each file system, mask archives that are put into RAW aside.

    Args:
        what: what is collected.
        still: what of it is to be fetched.
    """
    into_raw = {"metadata": still.metadata}
    into_out = {
        "images": still.images,
        "masks": still.masks,
        "shards": shard_bytes(what, still),
    }
    if storage.on_one_file_system(what.raw, what.out):
        yield _room(what.out, {**into_raw, **into_out})
        return
    yield _room(what.raw, into_raw)
    yield _room(what.out, into_out)


def shard_bytes(what: Collection, still: Pending) -> int:
    """Return roughly how many bytes of shards are still to be written of what is selected."""
    job = what.job
    if not what.options.reaches("shards") or not still.known:
        return 0
    if all(still.splits.values()):
        try:
            return preflight.needed_bytes(resolve(job))
        except (NotCollected, InputRefused):
            pass  # some of it was not collected yet
    return sum(
        preflight.shard_bytes(
            job, each.mark.split, each.mark.images, each.images.bytes + each.images.stored
        )
        for each in still.known
    )


def _room(folder: Path, parts: dict[str, int]) -> Room:
    named = ", ".join(f"{size:,} of {name}" for name, size in parts.items() if size)
    return Room(folder, sum(parts.values()), named)
