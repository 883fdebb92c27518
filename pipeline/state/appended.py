"""What an append has made, or would make, of the shards that were there before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

from pipeline import manifest, paths, storage
from pipeline.catalog import generations
from pipeline.catalog.generations import Fate
from pipeline.documents.outputs import OutputManifest
from pipeline.job.appending import finished, generations_of
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards import finish
from pipeline.shards.output import Output
from pipeline.state.foreseen_links import ForeseenLinks


@dataclass(frozen=True)
class AppendedShards:
    """What became of the shards of an output.

    Attributes:
        split: name of the split.
        format: name of the shard format.
        fate: of the shards, by their names.
    """

    split: str
    format: str
    fate: Fate


@dataclass(frozen=True)
class ShardsBefore:
    """What was there of an output before a command makes it.

    Attributes:
        contents: hashes of the contents of shards.
        first_new: number of the first shard of the generations that were not there.
        is_current: whether the output itself was finished once; what it lacks is made again.
    """

    contents: frozenset[str]
    first_new: int
    is_current: bool


Before = Mapping[tuple[str, str], ShardsBefore]
"""Of each output that shards are appended to, by split and format."""


def before(resolved: ResolvedJob) -> Before:
    """Return what is there now of the outputs of a job that shards are appended to."""
    return {
        (split.name, output.format): _before(resolved, split, output)
        for split, output in resolved.outputs
        if split.appended is not None
    }


def _before(resolved: ResolvedJob, split: SplitJob, output: Output) -> ShardsBefore:
    if _current(resolved, split, output) == output.digest:
        marks = (finish.shard_document(resolved.out, output, n) for n in range(split.shards))
        contents = frozenset(mark.files[0].xxh3_128 for mark in marks if mark is not None)
        return ShardsBefore(contents, split.shards, is_current=True)
    documents = list(finished(resolved.out, output.format, split.name))
    known = {each.family for found in documents for each in generations_of(found)}
    every = split.appended.generations if split.appended else ()
    there = len(list(takewhile(lambda each: each.family in known, every)))
    contents = frozenset(content for found in documents for content in _contents(found).values())
    return ShardsBefore(contents, sum(split.counts_of_shards[:there]), is_current=False)


def done(resolved: ResolvedJob, known: Before) -> Iterator[AppendedShards]:
    """Yield what a finished job has made of the shards that it has appended to.

    Args:
        resolved: the job.
        known: what was there before.
    """
    for split, output in resolved.outputs:
        document = manifest.read_undamaged(paths.manifest(output.folder), OutputManifest)
        now = _contents(document) if document is not None else {}
        was = known.get((split.name, output.format))
        if was is not None and now:
            fate = generations.fate(was.contents, now, was.first_new)
            yield AppendedShards(split.name, output.format, fate)


def foreseen(resolved: ResolvedJob, links: ForeseenLinks) -> AppendedShards | None:
    """Return what would become of the shards of a job; None: it appends to none of them.

    Args:
        resolved: the job.
        links: which of those that it lacks would be linked.
    """
    split = resolved.splits[links.split]
    if split.appended is None or links.linked is None:
        return None
    was = _before(resolved, split, split.output(links.format))
    written = {number: split.shard_name(number).stem for number in links.written}
    kept = links.kept
    if was.is_current:
        kept = tuple(number for number in range(split.shards) if number not in written)
    fate = Fate(
        kept=tuple(split.shard_name(number).stem for number in kept),
        rewritten=tuple(name for number, name in written.items() if number < was.first_new),
        new=tuple(name for number, name in written.items() if number >= was.first_new),
    )
    return AppendedShards(links.split, links.format, fate)


def is_first(asked: Job, resolved: ResolvedJob, split: SplitJob) -> bool:
    """Whether an append was asked for, and there is no output of a split to append to."""
    return asked.append and not any(_current(resolved, split, each) for each in split.outputs)


def left_behind(resolved: ResolvedJob) -> Iterator[tuple[str, str, int]]:
    """Yield split, format and generations of outputs that a job would not append to.

    Others were appended to them; the job makes another one of all images.
    """
    for split, output in resolved.outputs:
        digest = _current(resolved, split, output)
        if split.appended is not None or digest in {None, output.digest}:
            continue
        folder = paths.output(resolved.out, output.format, split.name, digest or "")
        document = manifest.read_undamaged(paths.manifest(folder), OutputManifest)
        if document is not None and document.generations:
            yield split.name, output.format, len(document.generations)


def _current(resolved: ResolvedJob, split: SplitJob, output: Output) -> str | None:
    """Return the digest that `current` points to; None: nothing is current."""
    return storage.pointed(paths.current(resolved.out, output.format, split.name))


def _contents(document: OutputManifest) -> dict[str, str]:
    """Return the hash of each shard of an output, by its name; of facts alone there are none."""
    hashes = {entry.file: entry.xxh3_128 for entry in document.files}
    names = ((number, shard.file) for number, shard in enumerate(document.shards))
    return {
        document.shard_name(number).stem: hashes[file] for number, file in names if file in hashes
    }
