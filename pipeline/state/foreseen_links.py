"""How many shards a job would link, and how many it would write, before anything is made.

That is known as soon as the rows of the shards are. Where they are not planned yet the plan is made
in the scratch folder, and nothing of it stays.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline import paths, storage
from pipeline.annotations import boxtable
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.catalog import generations, plan
from pipeline.catalog import table as catalog
from pipeline.errors import UsageError
from pipeline.job import appending
from pipeline.job.artifacts import CATALOG, INPUTS, PLAN, SHARDS, name_of
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards.work import ShardWork
from pipeline.state.inventory import Inventory
from pipeline.storage import Location

_PLANNED_HERE: Final = frozenset({INPUTS, CATALOG, PLAN})
"""What need not be there for a plan to be made: all else that it needs is read."""


@dataclass(frozen=True)
class ForeseenLinks:
    """What would become of the shards of one output that are not there.

    Attributes:
        split: name of the split.
        format: name of the shard format.
        missing: how many shards that is.
        linked: how many of them an earlier output has; None: nobody knows yet, since the archives
            that the images lie in are not verified.
        kept: numbers of those that would be linked.
        written: of those that would be written.
    """

    split: str
    format: str
    missing: int
    linked: int | None
    kept: tuple[int, ...] = ()
    written: tuple[int, ...] = ()


def foresee(inventory: Inventory) -> Iterator[ForeseenLinks]:
    """Yield what would become of the shards of outputs that have earlier ones beside them.

    Raises:
        ShardmillError: the images of a split are not what they were a moment ago.
    """
    resolved = inventory.resolved
    for split in resolved.splits.values() if resolved.job.wants("shards") else ():
        work = ShardWork(resolved, split)
        if inventory.whole(name_of(SHARDS, split.name)) or not any(work.earlier.values()):
            continue
        numbers = work.missing()
        lacking = {number: work.lacking(number) for number in numbers}
        missing = Counter(output.format for each in lacking.values() for output in each)
        linked: dict[str, list[int]] = {output.format: [] for output in split.outputs}
        with _planned(inventory, split) as place:
            for number in numbers if place is not None else ():
                rows = plan.read_shard(place, number) if place is not None else None
                for output in lacking[number] if rows is not None else ():
                    if work.same(output, rows) is not None:
                        linked[output.format].append(number)
        for output in split.outputs:
            if work.earlier[output.format] and missing[output.format]:
                kept = dict.fromkeys(linked[output.format])
                yield ForeseenLinks(
                    split=split.name,
                    format=output.format,
                    missing=missing[output.format],
                    linked=None if place is None else len(kept),
                    kept=tuple(kept),
                    written=tuple(n for n in numbers if output in lacking[n] and n not in kept),
                )


@contextlib.contextmanager
def _planned(inventory: Inventory, split: SplitJob) -> Iterator[Location | None]:
    """Give the plan of a split, or one that is made for this context; None: it cannot be made."""
    resolved, name = inventory.resolved, name_of(PLAN, split.name)
    pending = {artifact.kind for artifact in inventory.pending([name])}
    if not pending:
        yield paths.plan(resolved.out, split.name, split.plan_digest)
        return
    try:
        scratch = storage.scratch_folder()
    except UsageError:  # the user has no home, and named no other place
        scratch = None
    if scratch is None or pending - _PLANNED_HERE:
        yield None
        return
    place = scratch / f"foreseen-{split.name}"
    with storage.StagedFile(place) as staged:
        _plan(resolved, split, scratch, staged)
        yield staged.temp


def _plan(
    resolved: ResolvedJob, split: SplitJob, scratch: Path, staged: storage.StagedFile
) -> None:
    job, places = resolved.job, split.boundaries()
    listed = scratch / f"catalog-{split.name}"
    with storage.StagedFile(listed) as rows:
        catalog.write(rows, catalog_rows(resolved, split, box_join(resolved, split)))
        before = appending.images_before(resolved.out, split)
        tables = plan.arrange(rows.temp, places[-1], job.order, job.seed or 0, staged.temp, before)
        plan.write(staged, tables, places)


def catalog_rows(
    resolved: ResolvedJob, split: SplitJob, boxes: BoxJoin | None
) -> Iterator[pa.Table]:
    """Return the rows of the catalog of a split; of an append, with the ids that images had."""
    rows = split.source.rows(resolved.out, boxes)
    before = appending.images_before(resolved.out, split) if split.source.numbers_by_place else None
    return rows if before is None else generations.renumbered(rows, before)


def box_join(resolved: ResolvedJob, split: SplitJob) -> BoxJoin | None:
    """Return what joins the rows of a split with its boxes; None: it has none."""
    source = split.source
    if source.boxes is None:
        return None
    table = boxtable.read(paths.bboxes_table(resolved.out, split.name))
    return BoxJoin(table, source.boxes.path, resolved.table.class_ids, source.classes)
