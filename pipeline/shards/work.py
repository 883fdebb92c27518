"""The unit of work: one shard of a split, in every format that it lacks.

A shard is a pure function of its plan and its number. So whoever has the output folder and the
images before him can make it, at any time and beside others, with the same bytes: a task of Luigi,
a process of a part, or a worker on another host that was only told a job, a split and a number.
What is published is the only truth of what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import msgspec
import pyarrow as pa

from pipeline import paths, storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.decoding import decoded
from pipeline.documents.shards import ShardTerms
from pipeline.errors import SourcesDiffer, UsageError
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.manifest import Document
from pipeline.segments.of_split import sorted_layout
from pipeline.segments.read import SortedSegments
from pipeline.shards import (
    earlier_outputs,
    finish,
    linking,
    part_sources,
    same_shards,
    terms,
    two_hosts,
)
from pipeline.shards.earlier_outputs import EarlierOutput
from pipeline.shards.output import Output
from pipeline.shards.planned import ShardPlan
from pipeline.shards.same_shards import Images, SameShard
from pipeline.shards.unverified import made_of
from pipeline.shards.write import UnpublishedShard, at_once, write_shard
from pipeline.state import raw_archives, unverified, withdrawal


@dataclass(frozen=True)
class Made:
    """What was written of one shard.

    Attributes:
        outputs: those that it was written for; empty: it was there.
        name: which shard.
        images: records of the largest output.
        bytes: of the shard files, those that are published.
        linked: those of `outputs` that got the files of an earlier output, which has the records.
    """

    outputs: tuple[Output, ...]
    name: ShardName
    images: int = 0
    bytes: int = 0
    linked: tuple[Output, ...] = ()


@dataclass(frozen=True)
class ShardWork:
    """The shards of one split of a job.

    Attributes:
        resolved: the job.
        split: the split.
    """

    resolved: ResolvedJob
    split: SplitJob

    def lacking(self, shard: int) -> tuple[Output, ...]:
        """Return the outputs that a shard is not there for."""
        out, outputs = self.resolved.out, self.split.outputs
        return tuple(each for each in outputs if finish.shard_document(out, each, shard) is None)

    def is_there(self, shard: int) -> bool:
        """Whether a shard is there in every format."""
        return not self.lacking(shard)

    def is_marked(self, shard: int) -> bool:
        """Whether a shard seems to be there, by what is listed: none of its marks is read."""
        marks = (paths.shard_mark(self.resolved.out, o.digest, shard) for o in self.split.outputs)
        return all(storage.stat(mark) is not None for mark in marks)

    def missing(self, shards: Iterable[int] | None = None) -> list[int]:
        """Return the numbers of the shards that lack a format, of some or of all."""
        numbers = list(range(self.split.shards) if shards is None else shards)
        out = self.resolved.out
        storage.read_ahead(
            paths.shard_mark(out, output.digest, n)
            for n in numbers
            for output in self.split.outputs
        )
        return [number for number in numbers if self.lacking(number)]

    def make(
        self,
        shard: int,
        progress: Callable[[int], None] | None = None,
        publish: Callable[[UnpublishedShard], object] = at_once,
        processes: int = 1,
    ) -> Made:
        """Write a shard in every format that it lacks, from one read of each image.

        A format of which an earlier output has the same records is linked instead.

        Args:
            shard: its 0-based number.
            progress: see `write_shard`.
            publish: likewise; who publishes later does that before `confirm`.
            processes: see `write_shard`.

        Raises:
            TransientError: the plan is damaged, or an archive or image is not what was verified:
                what says otherwise is forgotten, so that it is made again.
            ShardmillError: see `write_shard`.
        """
        name = self.split.shard_name(shard)
        lacking = self.lacking(shard)
        if not lacking:
            return Made((), name)
        rows = self._plan.rows(shard)
        two_hosts.before_shard(self.resolved.out, lacking, name)
        linked = self._link(name, rows, lacking) if self._is_verified() else ()
        unlinked = tuple(output for output in lacking if output not in linked)
        images = self._write(name, rows, unlinked, progress, publish, processes) if unlinked else 0
        shard_files = (file for output in unlinked for file in output.files(name)[:1])
        size = sum(info.size for file in shard_files if (info := storage.stat(file)))
        return Made(lacking, name, images, size, linked)

    def _write(
        self,
        name: ShardName,
        rows: pa.RecordBatch,
        outputs: tuple[Output, ...],
        progress: Callable[[int], None] | None,
        publish: Callable[[UnpublishedShard], object],
        processes: int,
    ) -> int:
        seen = unverified.seen_images(self.resolved, self.split)
        root, segments = self.resolved.root, self._segments
        opens = segments.opening(name.index, rows, root) if segments else None
        with raw_archives.verifying_again(self.resolved, self.split):
            return write_shard(
                self.resolved.out,
                name,
                rows,
                root,
                outputs,
                verified=seen.infos,
                members=self._members,
                whole_files=self.split.source.whole_files,
                on_bad_image=self.resolved.job.on_bad_image,
                progress=progress,
                keep=self._keeps(name.index, are_verified=seen.verified),
                why_absent=self.split.source.why_absent,
                publish=publish,
                processes=processes,
                opens=opens,
            )

    def _link(
        self, name: ShardName, rows: pa.RecordBatch, outputs: tuple[Output, ...]
    ) -> tuple[Output, ...]:
        """Link a shard in every format of which a finished output has the records; return these."""
        linked = list[Output]()
        for output in outputs:
            same = self.same(output, rows)
            if same is None:
                continue
            seen = same.fingerprints
            made_of = {} if seen is None else self._keep_sources(name.index, seen)
            if linking.link_shard(self.resolved.out, name, output, same, made_of) is not None:
                linked.append(output)
        return tuple(linked)

    def same(self, output: Output, rows: pa.RecordBatch) -> SameShard | None:
        """Return a finished shard that has the records of one; None: it must be written.

        Args:
            output: that it is of.
            rows: of the plan.
        """
        earlier = self.earlier[output.format]
        if not earlier or withdrawal.pending(self.resolved.out):
            return None
        return same_shards.find(earlier, output.form, rows, self._images)

    @cached_property
    def earlier(self) -> Mapping[str, tuple[EarlierOutput, ...]]:
        """The finished outputs of the form of each output, by format."""
        out, split = self.resolved.out, self.split
        return {each.format: earlier_outputs.find(out, each, split.name) for each in split.outputs}

    def confirm(self, made: Iterable[Made]) -> None:
        """Check, after some shards were written, that no other command has put others.

        Raises:
            TransientError: one has; see `two_hosts.check_shards`.
        """
        written = [(output, each.name) for each in made for output in each.outputs]
        two_hosts.check_shards(self.resolved.out, self.split, written)

    def _is_verified(self) -> bool:
        """Whether the plan, and the archives that are read, are of what was verified."""
        if not self.resolved.verifies_beside:  # then a shard is asked for when they are
            return not self._plan.mark.indexes
        archives = (archive.file for archive in self.split.source.inputs)
        return not self._plan.mark.indexes and unverified.are_verified(self.resolved, archives)

    def _keeps(self, shard: int, *, are_verified: bool) -> Callable[[pa.Table], Document] | None:
        """Return what keeps what a shard is made of; None: the archives were verified, and say it.

        Args:
            shard: its number.
            are_verified: whether its archives were verified before they were opened.
        """
        if self.split.source.whole_files:
            return partial(self._keep_sources, shard)
        if are_verified and not self._plan.mark.indexes:
            return None
        rows = self._plan.mark.shards[shard]
        return lambda found: made_of(self.split, rows, found["content"].to_pylist())

    @cached_property
    def _plan(self) -> ShardPlan:
        return ShardPlan(self.resolved.out, self.split)

    @cached_property
    def _members(self) -> KnownContents:
        """What the images were when they were verified; read once for all shards."""
        return self.split.source.known_contents(self.resolved.out)

    @cached_property
    def _segments(self) -> SortedSegments | None:
        """The sorted segments of its archives; None: each image is read where it lies in them."""
        layout = sorted_layout(self.resolved, self.split)
        return SortedSegments(self.resolved.out, layout) if layout else None

    @cached_property
    def _images(self) -> Images:
        return Images(self.resolved.root, self.split.source.whole_files, self._members)

    def _keep_sources(self, shard: int, found: pa.Table) -> Document:
        """Keep what a shard is made of; other formats of other images are withdrawn."""
        out, family = self.resolved.out, self.split.shards_digest
        try:
            return part_sources.keep(out, family, shard, found, self.resolved.root)
        except SourcesDiffer:
            families = {output.digest: family for output in self.split.outputs}
            withdrawal.withdraw(out, {family: [shard]}, families)
            raise


class _Request(msgspec.Struct, frozen=True):
    """What whoever is to write shards of a job is told of it.

    Attributes:
        job: its options, see `Job.to_json`.
        digest: what they come to where the shards are asked for.
        terms: of each split.
        command: which command asks, for those who outlive it and keep what they know of a request.
    """

    job: str
    digest: str
    terms: tuple[ShardTerms, ...]
    command: str = ""


def request(resolved: ResolvedJob, command: str = "") -> str:
    """Return a job as a text by which any process can write its shards; `works` reads it."""
    asked = tuple(map(terms.of, resolved.splits.values()))
    document = _Request(resolved.job.to_json(), resolved.digest, asked, command)
    return msgspec.json.encode(document).decode()


@lru_cache(maxsize=4)
def works(text: str) -> Mapping[str, ShardWork]:
    """Return the work of a request by the names of the splits.

    Raises:
        UsageError: this program would write other shards than are asked for; it writes none.
        OutputDamaged: this is no request.
    """
    asked = decoded(text, _Request, Path("request"))
    resolved = resolve(Job.from_json(asked.job))
    for each in asked.terms:
        terms.check(each, resolved.splits[each.split])
    if resolved.digest != asked.digest:
        raise UsageError(
            "the job means something else here than where its shards are asked for",
            expected=f"digest {asked.digest}",
            found=f"digest {resolved.digest}",
            remedy="give every host the same inputs, configuration and version of shardmill",
        )
    return {name: ShardWork(resolved, split) for name, split in resolved.splits.items()}
