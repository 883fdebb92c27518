"""Which jobs of an output a worker may take tasks of that other commands have scheduled.

The options of a job are recorded in its output. Whoever takes tasks of it makes these of the
record, with this program, on this host. So what decides the bytes is compared first.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import manifest, paths, storage
from pipeline.documents.records import JobRecord
from pipeline.errors import UsageError
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.plaintext import Lines
from pipeline.shards import terms
from pipeline.state import standing, status
from pipeline.storage import Location


def keep_terms(resolved: ResolvedJob) -> None:
    """Keep what decides the bytes of a job's shards, for those who take tasks of it elsewhere."""
    for split in _written(resolved):
        terms.keep(resolved.out, split, shared=True)


def records(out: Location) -> Iterator[JobRecord]:
    """Yield the records of the jobs of an output, that of the last one first, each job once."""
    known, places = set[str](), storage.documents(paths.jobs(out))
    earlier = (manifest.read_undamaged(place, JobRecord) for place in places)
    for record in (status.last_record(out), *earlier):
        if record is not None and record.job not in known:
            known.add(record.job)
            yield record


def is_same(record: JobRecord, resolved: ResolvedJob) -> bool:
    """Whether a job means here what it meant where it was recorded."""
    return set(_named(resolved)) == set(_recorded(record))


def check(record: JobRecord, resolved: ResolvedJob) -> None:
    """Check that this program makes of a job here what is made of it where it was recorded.

    Args:
        record: the record of the job.
        resolved: what it means here.

    Raises:
        UsageError: it does not, and both are named; or nobody has said what is made of it.
    """
    out, kept = resolved.out, dict[str, bool]()
    for split in _written(resolved):
        asked = terms.kept(out, split, shared=True)
        kept[split.name] = asked is not None
        if asked is not None:
            terms.check(asked, split)
    here, there = set(_named(resolved)), set(_recorded(record))
    if here != there:
        raise UsageError(
            "the job means something else here than where it was recorded",
            file=str(out),
            expected=Lines.of(sorted(there - here) or ["nothing else"]),
            found=Lines.of(sorted(here - there) or ["nothing else"]),
            remedy="give every host the same inputs, configuration and version of shardmill",
        )
    if not all(kept.values()):
        raise UsageError(
            "no command has said what writes the shards of this output",
            file=str(out),
            expected="that of a command of this version with --scheduler-host",
            found=f"none of {', '.join(name for name, is_kept in kept.items() if not is_kept)}",
            remedy="start the command with --scheduler-host first, then this worker",
        )


def _written(resolved: ResolvedJob) -> list[SplitJob]:
    """Return the splits whose shards a job writes, or plans for others."""
    return list(resolved.splits.values()) if resolved.job.wants("plan", "shards") else []


def _named(resolved: ResolvedJob) -> Iterator[str]:
    """Yield what a job makes, with its digests."""
    names = standing.names_of(resolved)
    yield from (f"{split}: {form}: {digest}" for form, split, digest in names["outputs"])
    yield from (f"{name}: {digest}" for name, digest in names["products"])


def _recorded(record: JobRecord) -> Iterator[str]:
    """Yield what a record says of that."""
    yield from (f"{split}: {form}: {digest}" for form, split, digest in record.outputs or ())
    yield from (f"{name}: {digest}" for name, digest in record.products or ())
