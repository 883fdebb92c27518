"""Plain tars that commands have unpacked from packed archives, and that nobody reads now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import storage
from pipeline.archives import plain_tars
from pipeline.errors import ShardmillError
from pipeline.job.options import Job
from pipeline.sources import registry
from pipeline.state import plain_tars_in_use as in_use
from pipeline.state.cleaning import Stale
from pipeline.storage import Plan


@dataclass(frozen=True)
class LeftTars:
    """What goes of packed archives' plain tars: they can be unpacked again at any time.

    Attributes:
        whole: plain tars -> bytes of each.
        half: what dead processes have left half written of such tars.
        locks: lock files of killed commands beside such tars, a plan for each folder.
    """

    whole: dict[Path, int]
    half: list[Stale]
    locks: list[Plan]


def left(jobs: Iterable[Job]) -> LeftTars:
    """Return what some jobs have left beside their archives, whether they are complete or not."""
    targets = dict.fromkeys(target for job in jobs for target in _targets(job))
    whole = {
        target: info.size
        for target in targets
        if plain_tars.is_unpacked(target) and in_use.is_idle(target)
        if (info := storage.stat(target))
    }
    folders = dict.fromkeys(target.parent for target in targets)
    temps = (temp for folder in folders for temp in storage.temp_files(folder))
    half = [
        Stale(temp, storage.plan_files(temp.path.parent, [temp.path], links=True))
        for temp in temps
        if temp.owner_gone and temp.target in targets
    ]
    # By the folder as it is named: it may be a link, and that of a lock is where this leads.
    locks = {target.with_name(storage.lock_of(target).name) for target in targets}
    locks.update(in_use.lock_of(target) for target in targets if target not in whole)
    return LeftTars(whole, half, [_left_of(locks, folder) for folder in folders])


def _left_of(locks: Collection[Path], folder: Path) -> Plan:
    """Return what goes of some lock files in a folder: those that nobody holds."""
    left = storage.left_locks(folder, folder)
    return storage.plan_files(folder, [lock for lock in left if lock in locks])


def _targets(job: Job) -> Iterator[Path]:
    """Yield where the plain tars of a job's packed archives lie while they are there."""
    try:
        dataset = registry.data_set(job)
    except ShardmillError:  # its configuration, or its shards, are gone
        return
    folder = storage.parse(job.archives) if job.archives else dataset.root
    if isinstance(folder, Path):
        yield from (folder / name for name in dataset.plain_tars())
