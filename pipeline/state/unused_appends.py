"""What is remembered of appends that no output needs any more.

It has the name of the shards that the append makes (`pipeline.job.appending.remember`). So what is
needed is known by names alone, whatever a document holds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pipeline import paths, storage
from pipeline.errors import OutputDamaged
from pipeline.state import ownership, unused_sources
from pipeline.storage import Location, Plan

_DIGITS: Final = 12


def plan(out: Location, wanted: Collection[str] | None, gone: Collection[Location] = ()) -> Plan:
    """Return what goes of what is remembered of appends.

    It stays as long as there is an output of the shards, finished or not, and as long as the job
    that was started last makes them. Where that is not known, nothing goes.

    Args:
        out: the output folder.
        wanted: digests of the shards of the job that was started last, see
            `pipeline.job.split.SplitJob`; None: they are not known.
        gone: folders of outputs that count as removed.
    """
    records = storage.documents(paths.append_record(out, "", "").parent)
    if not records or wanted is None:
        return Plan(out)
    try:
        needed = {*wanted, *unused_sources.families_needed(out, gone)}
    except OutputDamaged:
        return Plan(out)
    owned = (path for path in records if ownership.is_owned(out, path))
    return storage.plan_files(out, [path for path in owned if _shards(path) not in needed])


def _shards(record: Location) -> str:
    """Return the digest of the shards that a record is of, by its name."""
    return record.name.removesuffix(".json")[-_DIGITS:]
