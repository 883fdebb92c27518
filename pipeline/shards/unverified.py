"""Shards that were written before their archives were verified: what they are compared by.

The mark of such a shard has a hash of its rows in the plan and of its images, as they were read.
Once the archives are verified, plan and table of member hashes say what that hash must be. Nobody
takes a shard for done before (`awaits`), and no manifest names one that differs (`judge`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import xxhash

from pipeline import manifest, paths, storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import PlanMark
from pipeline.errors import OutputDamaged, TransientError, Vanished
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.manifest import Document
from pipeline.shards.output import Output
from pipeline.state import unverified

_KEY: Final = "unverified"


def made_of(split: SplitJob, rows: str, contents: Iterable[bytes | None]) -> Document:
    """Return what the mark of a shard says that is written of archives which are not verified.

    Args:
        split: the split.
        rows: hash of its rows, as the mark of the plan has it.
        contents: xxh3-128 of its images, in the order of the rows.
    """
    archives = [archive.file for archive in split.source.inputs]
    return {_KEY: {"archives": archives, "content": _content(rows, contents)}}


def awaits(resolved: ResolvedJob, marks: Iterable[ShardMark]) -> bool:
    """Whether shards were written of archives that are not verified now."""
    archives = {name for mark in marks if mark.unverified for name in mark.unverified.archives}
    return bool(archives) and not unverified.are_verified(resolved, archives)


def judge(
    resolved: ResolvedJob, split: SplitJob, output: Output, documents: Sequence[ShardMark]
) -> None:
    """Check the shards of an output that were written before their archives were verified.

    The marks of those that are what they should be are then as those of all others.

    Args:
        resolved: the job.
        split: the split.
        output: the output.
        documents: the marks of all of its shards, in order.

    Raises:
        TransientError: the archives are not verified yet; or a shard was made of other images or
            rows, or nothing tells: its mark is removed, so that it is made anew.
    """
    if all(mark.unverified is None for mark in documents):
        return
    if awaits(resolved, documents):
        raise TransientError(
            "shards are written, and the archive that they are made of is not verified yet",
            file=str(output.folder),
            remedy="run the same command again: it is verified first",
        )
    unverified.settle(resolved)
    judged = [number for number, mark in enumerate(documents) if mark.unverified is not None]
    expected = _Expected(resolved, split)
    stale = [n for n in judged if _said(documents[n]) != expected.content(n)]
    for number in stale:
        storage.remove(resolved.out, paths.shard_mark(resolved.out, output.digest, number))
    if stale:
        raise TransientError(
            "shards were made of an archive that has been replaced or changed meanwhile",
            file=str(output.folder),
            found=f"{len(stale)} shards of other images",
            remedy="run the same command again: these shards are made anew",
        )
    for number in judged:
        place = paths.shard_mark(resolved.out, output.digest, number)
        manifest.publish_without(place, _KEY)


class _Expected:
    """What shards of a split must have been made of, now that its archives are verified."""

    def __init__(self, resolved: ResolvedJob, split: SplitJob) -> None:
        place = resolved.out, split.name, split.plan_digest
        self._plan = paths.plan(*place)
        self._mark = manifest.read_complete(paths.plan_mark(*place), resolved.out, PlanMark)
        self._members: KnownContents = split.source.known_contents(resolved.out)

    def content(self, shard: int) -> str | None:
        """Return the hash of the rows and images of a shard; None: that is not to be had."""
        if self._mark is None or shard >= len(self._mark.shards):
            return None
        expected = self._mark.shards[shard]
        try:
            rows = catalog.columns(plan.read_shard(self._plan, shard, expected))
        except (OutputDamaged, Vanished):
            return None
        contents = self._members.at(rows["source"], rows["offset"])
        return None if None in contents else _content(expected, contents)


def _said(mark: ShardMark) -> str:
    return mark.unverified.content if mark.unverified else ""


def _content(rows: str, contents: Iterable[bytes | None]) -> str:
    hasher = xxhash.xxh3_128(rows.encode())
    for content in contents:
        hasher.update(content or b"-")
    return hasher.hexdigest()
