"""Plans and carries out what a person is asked about, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.storage import remote
from pipeline.storage.local import deleting, leftlocks, removalplan, temps
from pipeline.storage.local.temps import TempFile
from pipeline.storage.location import Location, Remote, on_this_machine
from pipeline.storage.removal import Outcome, Owns, Plan, Unfinished


def plan_files(root: Location, files: Iterable[Location], *, links: bool = False) -> Plan:
    """Plan to remove some files or objects, and with `links` links themselves; absent is fine.

    Anything else of these names, and what lies behind a link, is a stranger.

    Raises:
        ShardmillError: a folder on the way cannot be read.
    """
    if isinstance(root, Remote):
        return remote.removals(root).plan_files(file for file in files if isinstance(file, Remote))
    return removalplan.plan_files(root, map(on_this_machine, files), links=links)


def plan_folder(root: Location, folder: Location, owns: Owns, *, links: bool = False) -> Plan:
    """Plan to remove what is owned in a folder, and the folder if nothing else is in it.

    Args:
        root: the folder that nothing outside of is removed.
        folder: a folder below it; it may be absent.
        owns: asked of each file, and of each folder before it is looked into.
        links: whether links that are owned go, too: they themselves, never what they lead to.

    Raises:
        ShardmillError: a folder cannot be read.
    """
    if isinstance(root, Remote) and isinstance(folder, Remote):
        return remote.removals(root).plan_folder(folder, owns)
    return removalplan.plan_folder(
        on_this_machine(root), on_this_machine(folder), owns, links=links
    )


def carry_out(plan: Plan) -> Outcome:
    """Remove the items of a plan, but those that are not what they were when it was made.

    The first item goes before all others: where it is a mark, nothing is left that it speaks of.

    Raises:
        ShardmillError: one cannot be removed.
    """
    if isinstance(plan.root, Remote):
        return remote.removals(plan.root).carry_out(plan)
    return deleting.carry_out(plan)


def temp_files(folder: Location) -> list[TempFile]:
    """Return the temporary files, links and folders in a folder (not below), sorted by name.

    A store has none: what is on its way there lies in the scratch folder.
    """
    return temps.temp_files(folder) if isinstance(folder, Path) else []


def left_locks(root: Location, folder: Location) -> list[Path]:
    """Return the lock files in a folder (not below) that a killed command left, sorted by name.

    Nobody holds them. A store has none.
    """
    if isinstance(root, Path) and isinstance(folder, Path):
        return leftlocks.left_locks(root, folder)
    return []


def unfinished_uploads(out: Location) -> list[Unfinished]:
    """Return the uploads of large files below a folder that nobody has finished, oldest first.

    There are none on a disk, and where a store does not tell.

    Raises:
        ShardmillError: the store refuses, as without ``s3:ListBucketMultipartUploads``.
    """
    if isinstance(out, Path):
        return []
    return sorted(remote.removals(out).unfinished(), key=lambda each: -each.age_s)


def give_up(upload: Unfinished) -> None:
    """Have the store forget the parts of an upload.

    Raises:
        ShardmillError: the store refuses, as without ``s3:AbortMultipartUpload``.
    """
    remote.removals(upload.place).give_up(upload)
