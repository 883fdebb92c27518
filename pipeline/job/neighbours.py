"""Other data sets in the same output folder, and whether a job would get in their way.

Lists and folders get the names of their splits from their file names, so two of them can have the
same one; and folders get their labels from the class folders that they happen to have.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import structs, to_builtins

from pipeline import manifest, paths, storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable
from pipeline.documents.products import ProductMark
from pipeline.documents.records import JobRecord, RecordedSplit
from pipeline.documents.tables import CatalogMark
from pipeline.errors import OutputConflict, ShardmillError
from pipeline.job.artifacts import CLASSES, begun
from pipeline.job.options import FORMATS, Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.manifest import Document
from pipeline.sources import registry
from pipeline.storage import Location


@dataclass(frozen=True)
class Disagreement:
    """A class that two splits of an output folder number otherwise.

    Attributes:
        split: the split that is asked for.
        other: the split that was there before.
        what: what differs, in a sentence.
        contained: whether the other split has every class of this one.
    """

    split: str
    other: str
    what: str
    contained: bool


def described(resolved: ResolvedJob) -> Document:
    """Return what the record of a job says of its splits: what each is made of, and its outputs."""
    return {name: structs.asdict(split) for name, split in _described(resolved).items()}


def check(resolved: ResolvedJob) -> None:
    """Raise unless a job leaves other data sets in its output folder alone.

    Raises:
        OutputConflict: the name of a split is that of another list, folder or set; or the classes
            of a folder are numbered otherwise than those of another split, and no table of
            classes was given.
    """
    for split in resolved.splits.values():
        owner = None if resolved.job.replace else _owner(resolved, split)
        if owner is not None:
            raise _taken(resolved, split, owner)
    if not resolved.job.classes:
        for found in disagreements(resolved):
            raise _numbered_otherwise(resolved, found)


def disagreements(resolved: ResolvedJob) -> Iterator[Disagreement]:
    """Yield a class for each other split that numbers the classes of a job's folder otherwise."""
    for name, split in resolved.splits.items():
        classes = split.source.folder_classes
        if classes is None:
            continue
        for other, theirs in _tables(resolved.out):
            what = classes.table.difference(theirs, f"the split {other}")
            if what is not None and other not in resolved.splits:
                contained = classes.table.labels.keys() <= theirs.labels.keys()
                yield Disagreement(name, other, what, contained)


def sources(out: Location) -> dict[str, frozenset[str]]:
    """Return digest of an output -> what recorded jobs made it of, see `_source`.

    What a job made that was allowed to replace another counts as made of that one, too.
    """
    sources_of: dict[str, set[str]] = {}
    for record, job in _records(out):
        splits = record.splits
        with contextlib.suppress(ShardmillError):  # it is not there any more, or is another
            splits = _described(resolve(job)) if splits is None else splits
        for split in (splits or {}).values():
            for digest in split.outputs:
                sources_of.setdefault(digest, set()).add("" if job.replace else _source(job))
    return {digest: frozenset(each) for digest, each in sources_of.items()}


def same_source(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether two outputs may be of one data set, by what `sources` says of them."""
    return not first or not second or "" in first | second or not first.isdisjoint(second)


def knows(resolved: ResolvedJob) -> bool:
    """Whether a recorded job is made of what a job is made of."""
    source = _source(resolved.job)
    return any(_is_same(_source(job), source) for _, job in _records(resolved.out))


def take_over(resolved: ResolvedJob) -> None:
    """Make a job the one that is recorded for what it makes, if what that was made of is gone.

    A list or folder that was moved, and is named by its new place now, makes the same outputs:
    their record would name the old place for ever.

    Raises:
        ShardmillError: the record cannot be written.
    """
    path = paths.job(resolved.out, resolved.digest)
    record = manifest.read_undamaged(path, JobRecord)
    if record is None:
        return
    try:
        source = _source(Job.from_json(record.job))
    except ShardmillError:  # verify says what is wrong with it
        return
    if not _is_same(source, _source(resolved.job)) and not _is_there(source):
        said = {name: value for name, value in to_builtins(record).items() if value is not None}
        manifest.publish_alone(path, said | {"job": resolved.job.recorded()})


def _described(resolved: ResolvedJob) -> dict[str, RecordedSplit]:
    return {
        name: RecordedSplit(split.rows_digest, tuple(each.digest for each in split.outputs))
        for name, split in resolved.splits.items()
    }


def _records(out: Location) -> Iterator[tuple[JobRecord, Job]]:
    """Yield the records of the jobs that were begun in an output folder, and the jobs."""
    for path in storage.documents(paths.jobs(out)):
        with contextlib.suppress(ShardmillError):
            record = manifest.read(path, JobRecord)
            yield record, Job.from_json(record.job)


def _source(job: Job) -> str:
    """Return what a job's images are: a list's or folder's path, or a configured set."""
    return job.images or "a configured set"


def _names(record: JobRecord, job: Job) -> set[str]:
    """Return the names of a recorded job's splits."""
    if record.splits is not None:
        return set(record.splits)
    with contextlib.suppress(ShardmillError):
        return set(registry.split_names(job))
    return set(job.splits)


def _owner(resolved: ResolvedJob, split: SplitJob) -> str | None:
    """Return what another data set is made of that has a split's name; None: there is none."""
    out, name = resolved.out, split.name
    if not any(storage.folders(paths.outputs(out, form, name), links=True) for form in FORMATS):
        return None
    mark = paths.catalog_mark(out, name, split.catalog_digest)
    alike = manifest.read_complete(mark, out, CatalogMark) is not None
    current = {storage.pointed(paths.current(out, form, name)) for form in FORMATS}
    owners, holders = set(), set()
    for record, job in _records(out):
        if name in _names(record, job):
            owners.add(_source(job))
            recorded = (record.splits or {}).get(name)
            if recorded is not None:
                alike |= recorded.rows == split.rows_digest
                if not current.isdisjoint(recorded.outputs):
                    holders.add(_source(job))
    # A name that went over by --replace is no longer its earlier owner's.
    owners = holders or owners
    if any(_is_same(_source(resolved.job), owner) for owner in owners):
        return None
    if alike:  # perhaps the same images, which were moved here from there
        owners = {owner for owner in owners if _is_there(owner)}
    return min(owners, default=None)


def _is_same(first: str, second: str) -> bool:
    """Whether two paths are of one list or folder, links or not."""
    return first == second or storage.same_place(storage.parse(first), storage.parse(second))


def _is_there(source: str) -> bool:
    place = storage.parse(source)
    return storage.stat(place) is not None or storage.is_folder(place)


def _tables(out: Location) -> Iterator[tuple[str, ClassTable]]:
    """Yield each split that has a finished class table, and the table."""
    for product in begun(out):
        if product.kind != CLASSES:
            continue
        with contextlib.suppress(ShardmillError):  # damaged, or taken away: verify says so
            mark = manifest.read_complete(product.mark, out, ProductMark)
            if mark is not None and mark.finished:
                yield product.split, classtable.read(paths.class_table(out, product.split))


def _taken(resolved: ResolvedJob, split: SplitJob, owner: str) -> OutputConflict:
    job = resolved.job
    own_name = "give this one a name of its own with --name, or choose another --out"
    return OutputConflict(
        f"another data set in this output has the name {split.name}",
        file=job.named_by,
        expected=f"a name that is not taken in {resolved.out}",
        found=f"{split.name} is {owner}",
        remedy=f"{own_name}; or say --replace, and the name goes over to this one"
        if job.is_listed
        else "choose another --out, or say --replace, and the name goes over to this set",
    )


def _numbered_otherwise(resolved: ResolvedJob, found: Disagreement) -> OutputConflict:
    table = paths.class_table(resolved.out, found.other)
    one_for_both = "write the names of all classes, one a line, into a file, and say --classes FILE"
    return OutputConflict(
        found.what,
        file=resolved.job.named_by,
        expected=f"the labels of {table}",
        found=f"others, by the class folders that the split {found.split} happens to have",
        remedy=f"say --classes {shlex.quote(str(table))}"
        if found.contained
        else f"{one_for_both} here and for the split {found.other}; or choose another --out",
    )
