"""The perceptual hashes of the images of a group of shards, as a table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from pipeline.duplicates.hash_groups import GROUP, HashGroup
from pipeline.duplicates.perceptual_hash import perceptual_hash
from pipeline.errors import BadImage, OutputDamaged, Vanished
from pipeline.finished.outputs import CountingOutput, brief
from pipeline.finished.stored import StoredImages
from pipeline.shards import facts

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
        missing: how many images were not looked at, because their facts are damaged.
    """

    table: pa.Table
    damaged: int
    missing: int


def hash_group(
    output: CountingOutput, group: HashGroup, progress: Callable[[int], None] = lambda _: None
) -> Hashed:
    """Hash the images of a group of shards.

    Args:
        output: the output, with a manifest.
        group: of its shards.
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
    missing = max(0, group.images - len(rows))
    return Hashed(pa.table(arrays, HASHES), damaged, missing)


def _facts(output: CountingOutput, group: HashGroup) -> Iterator[Mapping[str, Any]]:
    """Yield the facts of the images; of a shard with damaged facts none: the page says so."""
    document = output.document
    shards = len(document.shards) if document else 0
    most = document.counts.records if document else 0
    for shard in range(group.first_shard, min(group.first_shard + GROUP, shards)):
        try:
            table = facts.read_shard(output.facts, shard, most)
        except (OutputDamaged, Vanished):
            continue
        for rows in table.to_batches(_ROWS):
            yield from rows.to_pylist()


def _hashed(
    output: CountingOutput, images: StoredImages, row: Mapping[str, Any]
) -> tuple[int | None, str, bool]:
    """Return the hash of an image, or why there is none, and whether it is damaged."""
    try:
        return perceptual_hash(images.read(row)), "", False
    except BadImage as error:
        return None, error.brief, False
    except (OutputDamaged, Vanished) as error:
        return None, brief(error, output.out).what, True
