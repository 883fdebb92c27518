"""What verification finds: each finding says which layer of checks has seen it.

The layers see a damage independently of each other, so that one may fail and another still tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline import manifest, storage
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.manifest import FileEntry
from pipeline.storage import Location

REMEDY = (
    "say shardmill verify OUT --remove-damaged, or remove the file, "
    "then run the shardmill command again: it is made anew"
)
_MOST_OF_A_KIND: Final = 5
"""How many findings of one layer on one file are told: a shard of wrong bytes has a thousand."""


class Layer(StrEnum):
    """The checks that findings come from, from the whole output inwards to single bytes."""

    FINISHED = "finished"
    """A manifest or a finished mark is there."""
    SELF_CHECKSUM = "self-checksum"
    """A manifest or mark agrees with the hash it carries, and is of what its name says."""
    SIZE = "size"
    """A file is there with the size that its manifest or mark says."""
    FILE_HASH = "file hash"
    """And with that xxh3-128."""
    TABLE = "table"
    """A Parquet or Arrow file holds well-formed rows."""
    RECORD_CRC = "record CRC"
    """The framing of a shard: lengths and data have the CRC-32C that stand beside them."""
    RECORD_FACTS = "record facts"
    """A record's place, its image's hash, size and name are those of the facts."""
    PLAN = "plan"
    """A record is, byte for byte up to its image, what the plan says."""
    INDEX = "index"
    """A DALI index has the records' places."""
    MARK = "shard mark"
    """The manifest and the facts say what the marks and the facts of the shards say."""
    COMPLETENESS = "completeness"
    """Every image exactly once."""
    SOURCE = "source"
    """An image is its source in the raw archives, or the repair of it."""
    UNEXPECTED_FILE = "unexpected file"
    """A tree holds nothing that was not written there."""


@dataclass(frozen=True)
class Finding:
    """A difference between what is there now and what was written or should have been.

    Attributes:
        layer: what has seen it.
        path: the file that is wrong: removed, it is made again.
        error: what is wrong with it.
        removable: whether it may be removed: it is this program's own, and can be made again.
    """

    layer: Layer
    path: Location
    error: ShardmillError
    removable: bool = True


def damage(
    layer: Layer,
    path: Location,
    what: str,
    place: str | None = None,
    expected: str | None = None,
    found: str | None = None,
    remedy: str = REMEDY,
    *,
    removable: bool = True,
) -> Finding:
    """Return the finding of an `OutputDamaged`; its texts are those of `ShardmillError`."""
    error = OutputDamaged(
        what, file=str(path), place=place, expected=expected, found=found, remedy=remedy
    )
    return Finding(layer, path, error, removable)


def of_error(layer: Layer, path: Location, error: ShardmillError) -> Finding:
    """Return the finding of an error; what could not be read for another reason may be whole."""
    return Finding(layer, path, error, isinstance(error, OutputDamaged))


def check_file(base: Location, entry: FileEntry, remedy: str = REMEDY) -> list[Finding]:
    """Return what is wrong with a file, by its size and its hash.

    Args:
        base: folder that the entry's name is relative to.
        entry: what a manifest or mark says of it.
        remedy: what the user can do.
    """
    path, size = base / entry.file, f"{entry.bytes} bytes"
    try:
        info = storage.stat(path)
        if info is None:
            what = "the file is gone"
            return [damage(Layer.SIZE, path, what, None, size, "no such file", remedy)]
        if info.size != entry.bytes:
            what, found = "the file has another size", f"{info.size} bytes"
            return [damage(Layer.SIZE, path, what, None, size, found, remedy)]
        found = manifest.hash_file(path)
    except ShardmillError as error:
        return [of_error(Layer.FILE_HASH, path, error)]
    if found != entry.xxh3_128:
        what, wanted = "the file's hash is wrong", f"xxh3-128 {entry.xxh3_128}"
        return [damage(Layer.FILE_HASH, path, what, None, wanted, found, remedy)]
    return []


def truncated(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first findings of each layer on each file, then how many more there are."""
    counts: Counter[tuple[Layer, Location, bool]] = Counter()
    for finding in findings:
        key = (finding.layer, finding.path, finding.removable)
        counts[key] += 1
        if counts[key] <= _MOST_OF_A_KIND:
            yield finding
    for (layer, path, removable), count in counts.items():
        if count > _MOST_OF_A_KIND:
            what = f"and {count - _MOST_OF_A_KIND:,} more of this kind: {layer}"
            yield damage(layer, path, what, removable=removable)


def by_layer(findings: Iterable[Finding]) -> dict[Layer, int]:
    """Return how many findings each layer has, outermost first, without those that have none."""
    counts = Counter(finding.layer for finding in findings)
    return {layer: counts[layer] for layer in Layer if counts[layer]}
