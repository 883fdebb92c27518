"""Checks before a run whether the images that outputs were made of are still the same.

Only what has another stamp than the one that is kept is read. `look` reads and changes nothing
under the output folder; `settle` keeps the new stamps of files that hold what they held, and
withdraws what was made of files that do not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import manifest, paths, storage
from pipeline.documents.part_numbers import numbers
from pipeline.documents.shards import GroupMark, ShardMark
from pipeline.errors import NoPermission, NoSpace
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards import part_sources as partsources
from pipeline.shards.part_sources import PartMark
from pipeline.state import withdrawal
from pipeline.state.inventory import Inventory
from pipeline.storage import Location
from pipeline.storage.local import fingerprints

Part = tuple[str, int]
"""A family and the number of a part; see `pipeline.shards.part_sources`."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a look at the images has shown.

    Attributes:
        read: how many files were read because they looked different.
        replaced: paths of those that hold something else, relative to the job's root.
        parts: what was made of these, or of something that is not known any more.
        refreshed: the fingerprints of parts of which only stamps have changed.
        families: of the job's outputs; see `pipeline.state.withdrawal`.
    """

    read: int = 0
    replaced: tuple[str, ...] = ()
    parts: frozenset[Part] = frozenset()
    refreshed: dict[Part, pa.Table] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Kept:
    """The fingerprints of a part, and its rows whose files look different now."""

    part: Part
    table: pa.Table
    rows: list[int]


def look(inventory: Inventory) -> Look:
    """Look at the images of a job that lie in files of their own.

    Args:
        inventory: of the job; it reads each manifest once for whoever asks it.

    Raises:
        Vanished: a file is gone that was there when the tree was listed.
    """
    resolved = inventory.resolved
    lost: set[Part] = set()
    different: list[_Kept] = []
    for split in resolved.splits.values():
        stamps = split.source.stamps()
        if stamps is None:
            continue
        for family, finished in _families(inventory, split):
            known = partsources.parts(resolved.out, family)
            unknown = finished.keys() - known
            lost |= {(family, part) for part in unknown if partsources.was_kept(finished[part]())}
            partsources.read_ahead(resolved.out, family, known)
            for part in known:
                loaded = partsources.load(resolved.out, family, part)
                rows = stamps.differing(loaded[1]) if loaded is not None else None
                if loaded is None or rows is None:
                    lost.add((family, part))
                elif len(rows):
                    different.append(_Kept((family, part), loaded[1], rows.tolist()))
    return _compared(resolved, lost, different)


def settle(out: Location, found: Look) -> None:
    """Keep what a look has shown, and withdraw what was made of images that were replaced.

    What cannot be kept is looked at again the next time.
    """
    if found.refreshed:
        with (
            contextlib.suppress(NoPermission, NoSpace),
            storage.wait_for_lock(paths.sources_lock(out)),
        ):
            for (family, part), table in found.refreshed.items():
                partsources.refresh(out, family, part, table)
    if found.parts:
        parts: dict[str, list[int]] = {}
        for family, part in found.parts:
            parts.setdefault(family, []).append(part)
        withdrawal.withdraw(out, parts, found.families)


def _families(
    inventory: Inventory, split: SplitJob
) -> Iterator[tuple[str, dict[int, Callable[[], list[PartMark | None]]]]]:
    """Yield what a job makes of a split's images, and its finished parts with their marks."""
    resolved, out = inventory.resolved, inventory.resolved.out
    if resolved.job.wants("shards"):
        finished = (each for each in split.outputs if inventory.manifest(split.name, each.format))
        whole = [each.digest for each in finished]
        shards = range(split.shards if whole else 0)
        yield (
            split.shards_digest,
            {part: partial(_shard_marks, out, whole, part) for part in shards},
        )
    for product in resolved.products:
        if product.tree and product.split == split.name:
            digest = product.digest
            groups = numbers(storage.documents(paths.tree_marks(out, digest)))
            yield digest, {group: partial(_group_marks, out, digest, group) for group in groups}


def _shard_marks(out: Location, digests: list[str], part: int) -> list[PartMark | None]:
    marks = (paths.shard_mark(out, digest, part) for digest in digests)
    return [manifest.read_undamaged(path, ShardMark) for path in marks]


def _group_marks(out: Location, digest: str, group: int) -> list[PartMark | None]:
    return [manifest.read_undamaged(paths.group_mark(out, digest, group), GroupMark)]


def _compared(resolved: ResolvedJob, lost: set[Part], different: list[_Kept]) -> Look:
    """Read what looks different and compare it with what is kept."""
    names = [kept.table["path"].take(pa.array(kept.rows)).to_pylist() for kept in different]
    wanted = list(dict.fromkeys(path for paths_of_part in names for path in paths_of_part))
    now = _read(resolved, wanted) if wanted else {}
    replaced: set[str] = set()
    parts = set(lost)
    refreshed: dict[Part, pa.Table] = {}
    for kept, paths_of_part in zip(different, names, strict=True):
        contents = kept.table["content"].take(pa.array(kept.rows)).to_pylist()
        pairs = zip(paths_of_part, contents, strict=True)
        others = {path for path, content in pairs if now[path][1] != content}
        replaced |= others
        if others:
            parts.add(kept.part)
        else:
            refreshed[kept.part] = _with_stamps(kept, [now[path][0] for path in paths_of_part])
    parts |= _elsewhere(resolved, {path: now[path][1] for path in replaced})
    splits = resolved.splits.values()
    families = {output.digest: split.shards_digest for split in splits for output in split.outputs}
    return Look(len(wanted), tuple(sorted(replaced)), frozenset(parts), refreshed, families)


def _read(resolved: ResolvedJob, wanted: list[str]) -> dict[str, tuple[int, bytes | None]]:
    return dict(zip(wanted, storage.read_files(resolved.root, wanted), strict=True))


def _with_stamps(kept: _Kept, stamps: list[int]) -> pa.Table:
    """Return the fingerprints of a part with new stamps of the rows that looked different."""
    values = kept.table["stamp"].to_numpy().copy()
    values[kept.rows] = np.array(stamps, np.uint64)
    place = kept.table.schema.get_field_index("stamp")
    return kept.table.set_column(place, fingerprints.SCHEMA.field(place), pa.array(values))


def _elsewhere(resolved: ResolvedJob, contents: dict[str, bytes | None]) -> set[Part]:
    """Return the parts of whatever family that were made of other contents of replaced files."""
    parts: set[Part] = set()
    if not contents:
        return parts
    path64 = pa.array(fingerprints.path_hashes(list(contents)))
    for family in partsources.families(resolved.out):
        for part in partsources.parts(resolved.out, family):
            loaded = partsources.load(resolved.out, family, part)
            if loaded is None or loaded[0].root != str(resolved.root):
                continue
            rows = loaded[1].filter(pc.is_in(loaded[1]["path64"], path64)).to_pylist()
            if any(contents.get(row["path"], row["content"]) != row["content"] for row in rows):
                parts.add((family, part))
    return parts
