"""The perceptual hashes of the images of a group of shards, as a table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from pipeline.duplicates.perceptual_hash import perceptual_hash
from pipeline.errors import BadImage, OutputDamaged, Vanished
from pipeline.report.stored import StoredImages
from pipeline.report.survey import ReportedOutput, brief
from pipeline.shards import facts

GROUP: Final = 4
"""Shards that one task hashes."""
_ROWS: Final = 1024  # that are Python objects at once

HASHES: Final = pa.schema(
    [
        ("shard", pa.int32()),  # 0-based
        ("record", pa.int32()),  # 0-based in the shard
        ("hash", pa.uint64()),  # of `perceptual_hash`; null: there is none
        ("why", pa.string()),  # why there is none; "": there is one
    ]
)
"""Columns of the hashes of a group of shards, in the order of the facts."""


@dataclass(frozen=True)
class Hashed:
    """The hashes of a group of shards.

    Attributes:
        table: as of `HASHES`.
        damaged: how many images are not as they were written.
    """

    table: pa.Table
    damaged: int


def groups(output: ReportedOutput) -> int:
    """Return how many tasks hash the images of an output; none where it has no shards."""
    if output.document is None or not output.shard_format.holds_images:
        return 0
    return -(-len(output.document.shards) // GROUP)


def images_of(output: ReportedOutput, group: int) -> int:
    """Return how many images a group has, by the manifest."""
    shards = output.document.shards if output.document else ()
    return sum(shard.records for shard in shards[group * GROUP : (group + 1) * GROUP])


def hash_group(
    output: ReportedOutput, group: int, progress: Callable[[int], None] = lambda _: None
) -> Hashed:
    """Hash the images of a group of shards.

    Args:
        output: the output, with a manifest.
        group: 0-based.
        progress: told how many images were hashed.
    """
    rows, damaged = list[tuple[int, int, int | None, str]](), 0
    with contextlib.closing(StoredImages(output)) as images:
        for row in _facts(output, group):
            number, why, is_damaged = _hashed(output, images, row)
            damaged += is_damaged
            rows.append((row["shard"], row["record"], number, why))
            progress(len(rows))
    columns = list(zip(*rows, strict=True)) or [()] * len(HASHES)
    arrays = [pa.array(column, each.type) for column, each in zip(columns, HASHES, strict=True)]
    return Hashed(pa.table(arrays, HASHES), damaged)


def _facts(output: ReportedOutput, group: int) -> Iterator[Mapping[str, Any]]:
    """Yield the facts of the images; of damaged facts none: the report says so elsewhere."""
    document = output.document
    shards = len(document.shards) if document else 0
    most = document.counts.records if document else 0
    for shard in range(group * GROUP, min((group + 1) * GROUP, shards)):
        try:
            table = facts.read_shard(output.facts, shard, most)
        except (OutputDamaged, Vanished):
            return
        for rows in table.to_batches(_ROWS):
            yield from rows.to_pylist()


def _hashed(
    output: ReportedOutput, images: StoredImages, row: Mapping[str, Any]
) -> tuple[int | None, str, bool]:
    """Return the hash of an image, or why there is none, and whether it is damaged."""
    try:
        return perceptual_hash(images.read(row)), "", False
    except BadImage as error:
        return None, error.brief, False
    except (OutputDamaged, Vanished) as error:
        return None, brief(error, output.out).what, True
