"""What an append has made, or would make, of the shards that were there before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import manifest, paths, storage
from pipeline.catalog import generations
from pipeline.catalog.generations import Fate
from pipeline.documents.outputs import OutputManifest
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
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


def done(resolved: ResolvedJob) -> Iterator[AppendedShards]:
    """Yield what a finished job has made of the shards that it has appended to."""
    for split, output in resolved.outputs:
        now = manifest.read_undamaged(paths.manifest(output.folder), OutputManifest)
        if split.appended is not None and now is not None:
            before = _parent(resolved, split, output)
            known = frozenset(_contents(before).values()) if before else frozenset()
            fate = generations.fate(known, _contents(now), split.appended.first_new)
            yield AppendedShards(split.name, output.format, fate)


def foreseen(links: ForeseenLinks, split: SplitJob) -> AppendedShards | None:
    """Return what would become of the shards that a job lacks; None: it appends to none of them.

    Args:
        links: which of them would be linked.
        split: that they are of.
    """
    if split.appended is None or links.linked is None:
        return None
    first_new = split.appended.first_new
    written = {number: split.shard_name(number).stem for number in links.written}
    fate = Fate(
        kept=tuple(split.shard_name(number).stem for number in links.kept),
        rewritten=tuple(name for number, name in written.items() if number < first_new),
        new=tuple(name for number, name in written.items() if number >= first_new),
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


def _parent(resolved: ResolvedJob, split: SplitJob, output: Output) -> OutputManifest | None:
    """Return the manifest of the output that was appended to; None: it is not there."""
    record = split.appended
    for digest in storage.folders(paths.outputs(resolved.out, output.format, split.name)):
        folder = paths.output(resolved.out, output.format, split.name, digest)
        document = manifest.read_undamaged(paths.manifest(folder), OutputManifest)
        if record and document is not None and document.digests.family == record.parent.family:
            return document
    return None


def _contents(document: OutputManifest) -> dict[str, str]:
    """Return the hash of each shard of an output, by its name; of facts alone there are none."""
    hashes = {entry.file: entry.xxh3_128 for entry in document.files}
    names = ((number, shard.file) for number, shard in enumerate(document.shards))
    return {
        document.shard_name(number).stem: hashes[file] for number, file in names if file in hashes
    }
