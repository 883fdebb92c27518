"""Facts and plan of an output, shard by shard, row by row of the same images."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import plan as plans
from pipeline.errors import OutputDamaged, Vanished
from pipeline.finished.outputs import CountingOutput, Damage, brief
from pipeline.shards import facts


def read_shards(
    output: CountingOutput, damage: list[Damage]
) -> Iterator[tuple[int, pa.Table, pa.RecordBatch | None]]:
    """Yield number, facts and plan of each shard, row by row of the same images.

    Where something is damaged, `damage` says it, once, and what follows of that is left out.
    """
    plan, shard = output.plan, 0
    try:
        for shard, of_facts in enumerate(facts.read_shards(output.facts)):
            planned = None
            if plan is not None:
                try:
                    planned = _aligned(plans.read_shard(plan, shard), of_facts, str(plan))
                except (OutputDamaged, Vanished) as error:
                    damage.append(brief(error, output.out))
                    plan = None
            yield shard, of_facts, planned
    except (OutputDamaged, Vanished) as error:
        damage.append(brief(error, output.out))


def _aligned(planned: pa.RecordBatch, of_facts: pa.Table, plan: str) -> pa.RecordBatch:
    """Return the planned rows of the images that have facts, in the order of these.

    Raises:
        OutputDamaged: one has none.
    """
    keys = of_facts["key"].combine_chunks()
    if planned.num_rows == len(keys) and planned.column("key").equals(keys):
        return planned
    places = pc.index_in(keys, planned.column("key"))
    if places.null_count:
        raise OutputDamaged("an image is in the facts and not in the plan", file=plan)
    return planned.take(places)
