"""How far a job is, by what has been published."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pipeline import manifest, paths, storage
from pipeline.documents.part_numbers import numbers
from pipeline.documents.records import JobRecord
from pipeline.errors import ArchiveRefused, ShardmillError
from pipeline.job import appending
from pipeline.job.artifacts import (
    ARCHIVE,
    CATALOG,
    LINK,
    MANIFEST,
    PLAN,
    SEGMENT_ROWS,
    SEGMENTS,
    SHARDS,
    TERMS,
    WALKED,
    Artifact,
    name_of,
)
from pipeline.job.options import FORMATS, Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.quantities import counted
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.state import refusals, standing
from pipeline.state.inventory import Inventory
from pipeline.state.standing import StandingOutput
from pipeline.storage import Location


@dataclass(frozen=True)
class OutputState:
    """How far one output is.

    Attributes:
        split: name of the split.
        format: shard format.
        digest: of the output.
        shards_done: finished shards.
        shards: all shards.
        images_done: images in finished shards, left out ones included.
        images: all images.
        bytes_done: bytes of finished shards and their indexes.
        bytes_expected: bytes of the archive, roughly those of the output.
        complete: the manifest is whole.
        current: the link `current` points to this output.
        left_out: images that are in no shard; known when complete.
        would_run: the tasks that the same command would run now, in words.
    """

    split: str
    format: str
    digest: str
    shards_done: int
    shards: int
    images_done: int
    images: int
    bytes_done: int
    bytes_expected: int
    complete: bool
    current: bool
    left_out: int
    would_run: tuple[str, ...]


@dataclass(frozen=True)
class PlanState:
    """How far the plan of a split is whose shards are made by others, or later.

    Attributes:
        split: name of the split.
        digest: of the plan.
        shards: how many are planned.
        images: all images.
        complete: whether shards can be made of it.
        would_run: the tasks that the same command would run now, in words.
    """

    split: str
    digest: str
    shards: int
    images: int
    complete: bool
    would_run: tuple[str, ...]


_IN_WORDS: Final = {
    ARCHIVE: "verify the archive",
    WALKED: "index the archive",
    CATALOG: "build the catalog",
    PLAN: "plan",
    SEGMENT_ROWS: "find the images of each segment of the archive",
    SEGMENTS: "sort the images of the archive by shard",
    TERMS: "note what writes the shards",
    MANIFEST: "write the manifest",
    LINK: "set current",
}


def survey(inventory: Inventory) -> list[OutputState]:
    """Return the state of every output of a job, checking every published file's size."""
    resolved = inventory.resolved
    return [_state(inventory, split, output) for split, output in resolved.outputs]


def survey_plans(inventory: Inventory) -> list[PlanState]:
    """Return the state of each plan that a job ends with."""
    names = {split: name_of(TERMS, split) for split in inventory.resolved.planned}
    return [
        PlanState(
            split=name,
            digest=split.plan_digest,
            shards=split.shards,
            images=split.expected.images,
            complete=inventory.whole(names[name]),
            would_run=_would_run(inventory.pending([names[name]]), 0),
        )
        for name, split in inventory.resolved.planned.items()
    ]


def survey_products(inventory: Inventory) -> dict[str, bool]:
    """Return name -> finished for every product of a job whose path carries no digest."""
    return {each.name: inventory.whole(each.name) for each in inventory.resolved.products}


def refused_archives(resolved: ResolvedJob) -> list[ArchiveRefused]:
    """Return why archives of a job are refused that still look as they did then."""
    refused_or_none = (
        refusals.recall(resolved.out, resolved.raw_file(archive), archive)
        for archive in resolved.archives
    )
    return [refused for refused in refused_or_none if refused is not None]


def published_shards(out: Location, digest: str) -> set[int]:
    """Return the numbers of the shards that have a manifest, by one listing."""
    return set(numbers(storage.documents(paths.shard_marks(out, digest))))


def record_job(resolved: ResolvedJob) -> None:
    """Record that this job was asked for last."""
    document = {"job": resolved.job.recorded(), **standing.names_of(resolved)}
    manifest.publish_alone(paths.last_job(resolved.out), document)


def record_asked(job: Job) -> None:
    """Record that a job was asked for last of which nothing is known yet but its options."""
    manifest.publish_alone(paths.last_job(job.folder), {"job": job.recorded()})


def last_record(out: Location) -> JobRecord | None:
    """Return the record of the job that was started last; None: there is none, or no readable."""
    path = paths.last_job(out)
    if storage.stat(path) is None:
        dated = _by_time(paths.jobs(out))
        if not dated:
            return None
        path = dated[-1]
    return manifest.read_undamaged(path, JobRecord)


def _by_time(folder: Location) -> list[Location]:
    """Return the documents of a folder, the one that was written last at the end."""
    times = [(storage.modified_ns(path), path) for path in storage.documents(folder)]
    return [path for _, path in sorted((time, path) for time, path in times if time is not None)]


def is_last(job: Job) -> bool:
    """Return whether a job is the one that was started last in its output folder."""
    try:
        record = last_record(job.folder)
        if record is None:
            return False
        recorded = replace(Job.from_json(record.job), out=job.out, update=job.update)
        return recorded == job
    except ShardmillError:  # what cannot be read is no record of this job
        return False


def images_left(states: Iterable[OutputState]) -> int:
    """Return how many images are still to be written: once, for however many formats."""
    left: dict[str, int] = {}
    for state in states:
        missing = state.images - state.images_done
        left[state.split] = max(left.get(state.split, 0), missing)
    return sum(left.values())


def recorded_jobs(out: Location) -> list[Job]:
    """Return the jobs that were started on an output folder, the last one last.

    The folder may have been moved since: the jobs are given its place of today. An append that was
    carried out means what the next one would.

    Raises:
        OutputDamaged: a record is not as it was written, or cannot be understood.
    """
    files = _by_time(paths.jobs(out))
    last = paths.last_job(out)
    files += [last] if storage.stat(last) else []
    return [_recorded_job(out, path) for path in files]


def _recorded_job(out: Location, path: Location) -> Job:
    job = Job.from_json(manifest.read(path, JobRecord).job, path)
    return appending.without_finished_parents(replace(job, out=str(out)))


def other_sets(out: Location, jobs: Iterable[Job]) -> list[StandingOutput]:
    """Return the current outputs of splits that none of the jobs would make as things are.

    An older version made one set of a folder that is read as several splits now; or what a job
    reads is gone.
    """
    known = set[str]()
    for job in jobs:
        with contextlib.suppress(ShardmillError):  # what it reads is not there any more
            known.update(resolve(job).splits)
    return [each for each in standing.current_outputs(out, FORMATS) if each.split not in known]


def _state(inventory: Inventory, split: SplitJob, output: Output) -> OutputState:
    out, of_output = inventory.resolved.out, (split.name, output.format)
    whole = inventory.manifest(*of_output)
    sizes = split.shard_sizes()
    if whole is not None:
        done, written = set(range(split.shards)), whole.counts.bytes
    else:
        done, written = _finished(out, output, split.shards)
    pending = inventory.pending([name_of(LINK, *of_output)])
    return OutputState(
        split=split.name,
        format=output.format,
        digest=output.digest,
        shards_done=len(done),
        shards=split.shards,
        images_done=sum(sizes[index] for index in done),
        images=split.expected.images,
        bytes_done=written,
        bytes_expected=split.source.size(),
        complete=whole is not None,
        current=storage.pointed(paths.current(out, output.format, split.name)) == output.digest,
        left_out=whole.counts.left_out if whole else 0,
        would_run=_would_run(pending, split.shards - len(done)),
    )


def _would_run(pending: Iterable[Artifact], missing: int) -> tuple[str, ...]:
    """Return in words what is to be made for an output that lacks some shards."""
    words = {**_IN_WORDS, **({SHARDS: f"write {counted(missing, 'shard')}"} if missing else {})}
    steps = (words[artifact.kind] for artifact in pending if artifact.kind in words)
    return tuple(dict.fromkeys(steps))


def _finished(out: Location, output: Output, shards: int) -> tuple[set[int], int]:
    done, written = set(), 0
    published = published_shards(out, output.digest)
    storage.read_ahead(paths.shard_mark(out, output.digest, index) for index in published)
    for index in published:
        mark = outputs.shard_document(out, output, index) if index < shards else None
        if mark is not None:
            done.add(index)
            written += sum(entry.bytes for entry in mark.files)
    return done, written
