"""What an append has made, or would make, of the shards and images that were there before it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import paths, storage
from pipeline.catalog import generations
from pipeline.catalog.generations import ShardOrigins
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import OutputDamaged, Vanished
from pipeline.job import finished_outputs
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards import facts, finish
from pipeline.shards.output import Output
from pipeline.state import progress
from pipeline.state.foreseen_links import ForeseenLinks
from pipeline.storage import Location

FileStamps = Mapping[str, Collection[int]]
"""The stamps of shard files, by the hash of their content: a link has the stamp of its file."""
Contents = Mapping[str, str]
"""The hash of each image as it is stored, by its key."""


@dataclass(frozen=True)
class AppendedShards:
    """What became of an output that shards were appended to.

    Attributes:
        split: name of the split.
        format: name of the shard format.
        origins: where its shards come from; None: it is of facts, which lie in no shards.
        new: how many images are new.
        gone: how many are gone.
        changed: how many are others than they were under their keys; None: that is not known.
    """

    split: str
    format: str
    origins: ShardOrigins | None
    new: int
    gone: int
    changed: int | None = None


@dataclass(frozen=True)
class ShardsBefore:
    """What was there of an output before a command makes it.

    Attributes:
        files: shards of finished outputs of the format; in a store none has a stamp.
        first_new: number of the first shard of the generations that were not there.
        is_current: whether the output itself was finished once; what it lacks is made again.
        facts: those of the output that is appended to, if there is one in this format.
        contents: of images in shards of the output itself that are to be made again.
    """

    files: FileStamps
    first_new: int
    is_current: bool
    facts: Location | None = None
    contents: Contents = field(default_factory=dict)


Before = Mapping[tuple[str, str], ShardsBefore]
"""Of each output that shards are appended to, by split and format."""


def before(resolved: ResolvedJob, stale: Collection[tuple[str, int]] = ()) -> Before:
    """Return what is there now of the outputs of a job that shards are appended to.

    Args:
        resolved: the job.
        stale: family and number of shards that are made again, since images were replaced.
    """
    return {
        (split.name, output.format): _before(resolved, split, output, stale)
        for split, output in resolved.outputs
        if split.appended is not None
    }


def _before(
    resolved: ResolvedJob,
    split: SplitJob,
    output: Output,
    stale: Collection[tuple[str, int]] = (),
) -> ShardsBefore:
    out, name, form = resolved.out, split.name, output.format
    current = finished_outputs.current_digest(out, form, name)
    if current == output.digest:
        marks = (finish.shard_document(out, output, number) for number in range(split.shards))
        files = {mark.files[0].file: mark.files[0].xxh3_128 for mark in marks if mark is not None}
        again = sorted(number for family, number in stale if family == split.shards_digest)
        contents = _contents(split, output, again)
        return ShardsBefore(_stamps(out, files), split.shards, True, contents=contents)
    documents = list(finished_outputs.every(out, form, name))
    families = {
        each.family for found in documents for each in finished_outputs.generations_of(found)
    }
    every = split.appended.generations if split.appended else ()
    there = len(list(takewhile(lambda each: each.family in families, every)))
    files = dict[str, str]()
    for document in documents:
        folder = paths.output(out, form, name, document.digests.output)
        hashes = _hashes(document).items()
        files |= {storage.relative(folder / file, out): content for file, content in hashes}
    facts_before = paths.facts(paths.output(out, form, name, current)) if current else None
    first_new = sum(split.counts_of_shards[:there])
    return ShardsBefore(_stamps(out, files), first_new, False, facts_before)


def done(resolved: ResolvedJob, run: str, known: Before) -> Iterator[AppendedShards]:
    """Yield what a finished job has made of what it has appended to.

    A shard is kept if it is the file of a finished output that was there. A store's copies are
    objects of their own: one is kept that has the bytes of a shard that was there, unless this
    command has written it.

    Args:
        resolved: the job.
        run: name of the run of its tasks.
        known: what was there before.
    """
    written = Written.none() if _has_links(resolved.out) else Written.of(resolved.out, run)
    for split, output in resolved.outputs:
        was = known.get((split.name, output.format))
        document = finished_outputs.current(resolved.out, output.format, split.name)
        if was is None or document is None or document.digests.output != output.digest:
            continue
        hashes = _hashes(document)
        if not hashes:
            yield _of_images(split, output, None, None)
            continue
        kept = {
            number
            for number in _kept(resolved.out, output, document, was.files)
            if not written.has(split.name, output.format, number)
        }
        again = [number for number in range(was.first_new) if number not in kept]
        names = [split.shard_name(number).stem for number in range(split.shards)]
        origins = generations.origins(names, kept, was.first_new)
        yield _of_images(split, output, origins, _changed(split, output, was, again))


def foreseen(resolved: ResolvedJob, links: ForeseenLinks) -> AppendedShards | None:
    """Return what would become of the shards of a job; None: it appends to none of them.

    Args:
        resolved: the job.
        links: which of those that it lacks would be linked, or copied by the store.
    """
    split = resolved.splits[links.split]
    if split.appended is None or links.linked is None:
        return None
    output = split.output(links.format)
    if not output.files(split.shard_name(0)):
        return _of_images(split, output, None, None)
    was = _before(resolved, split, output)
    kept = set(links.kept)
    if was.is_current:
        kept = set(range(split.shards)) - set(links.written)
    names = [split.shard_name(number).stem for number in range(split.shards)]
    return _of_images(split, output, generations.origins(names, kept, was.first_new), None)


def is_first(asked: Job, resolved: ResolvedJob, split: SplitJob) -> bool:
    """Whether an append was asked for, and there is no output of a split to append to."""
    current = (
        finished_outputs.current_digest(resolved.out, each.format, split.name)
        for each in split.outputs
    )
    return asked.append and not any(current)


def left_behind(resolved: ResolvedJob) -> Iterator[tuple[str, str, int]]:
    """Yield split, format and generations of outputs that a job would not append to.

    Others were appended to them; the job makes another one of all images.
    """
    for split, output in resolved.outputs:
        document = finished_outputs.current(resolved.out, output.format, split.name)
        if split.appended is not None or document is None or not document.generations:
            continue
        if document.digests.output != output.digest:
            yield split.name, output.format, len(document.generations)


@dataclass(frozen=True)
class Written:
    """Which shards a command has made, and which of them it has linked, or had copied."""

    made: frozenset[tuple[str, int]]
    linked: frozenset[tuple[str, str, int]]

    @classmethod
    def none(cls) -> Written:
        """Return that nothing is known of it."""
        return cls(frozenset(), frozenset())

    @classmethod
    def of(cls, out: Location, run: str) -> Written:
        """Return what the tasks of a run have noted."""
        timings = progress.timings(out, run)
        return cls(progress.made_shards(timings), progress.linked_shards(timings))

    def has(self, split: str, shard_format: str, number: int) -> bool:
        """Whether a shard was written, byte by byte."""
        was_made = (split, number) in self.made
        return was_made and (split, shard_format, number) not in self.linked


def _of_images(
    split: SplitJob, output: Output, origins: ShardOrigins | None, changed: int | None
) -> AppendedShards:
    record = split.appended
    new, gone = (record.new, record.vanished) if record is not None else (0, 0)
    return AppendedShards(split.name, output.format, origins, new, gone, changed)


def _has_links(out: Location) -> bool:
    return storage.takes_folders(out)


def _hashes(document: OutputManifest) -> dict[str, str]:
    """Return the hash of each shard of an output, by its file; of facts alone there are none."""
    hashes = {entry.file: entry.xxh3_128 for entry in document.files}
    return {shard.file: hashes[shard.file] for shard in document.shards if shard.file in hashes}


def _stamps(out: Location, files: Mapping[str, str]) -> FileStamps:
    """Return the stamps of shard files by their hashes, of hashes by file below a folder."""
    stamps: dict[str, set[int]] = {content: set() for content in files.values()}
    if _has_links(out):
        for content, (_, stamp) in zip(
            files.values(), storage.file_stamps(out, list(files)), strict=True
        ):
            stamps[content].add(stamp)
    return stamps


def _kept(
    out: Location, output: Output, document: OutputManifest, files: FileStamps
) -> Iterator[int]:
    """Yield the numbers of shards that are files that were there, by stamp or content."""
    hashes = _hashes(document)
    names = [shard.file for shard in document.shards]
    places = [storage.relative(output.folder / (name or ""), out) for name in names]
    stamps = storage.file_stamps(out, places) if _has_links(out) else [(0, 0)] * len(places)
    for number, (name, (_, stamp)) in enumerate(zip(names, stamps, strict=True)):
        known = files.get(hashes.get(name or "", ""))
        if known is not None and (stamp in known or not _has_links(out)):
            yield number


def _changed(
    split: SplitJob, output: Output, was: ShardsBefore, again: Sequence[int]
) -> int | None:
    """Return how many images of shards that were made again are others than they were."""
    now = _contents(split, output, again)
    try:
        then = was.contents if was.facts is None else _of_keys(was.facts, now.keys())
    except (OutputDamaged, Vanished):
        return None
    return sum(then.get(key, content) != content for key, content in now.items())


def _contents(split: SplitJob, output: Output, shards: Sequence[int]) -> dict[str, str]:
    """Return the hashes of the images of some shards; empty where their facts are not there."""
    contents, sizes = dict[str, str](), split.shard_sizes()
    with contextlib.suppress(OutputDamaged, Vanished):
        for number in shards:
            table = facts.read_shard(paths.facts(output.folder), number, sizes[number])
            contents |= _by_key(table)
    return contents


def _of_keys(path: Location, keys: Collection[str]) -> dict[str, str]:
    """Return the hashes of images of an output, by their keys; the others are passed over."""
    contents = dict[str, str]()
    wanted = pa.array(list(keys), pa.string())
    for table in facts.read_shards(path) if keys else ():
        contents |= _by_key(table.filter(pc.is_in(table["key"], wanted)))
    return contents


def _by_key(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["key"].to_pylist(), table["xxh3_128"].to_pylist(), strict=True))
