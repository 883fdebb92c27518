"""Resolves a job: reads its configuration and works out every path and digest of its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from pipeline import digests, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import UsageError
from pipeline.formats import registry as shardformats
from pipeline.job import appending, checks, graph, products, provenance, remote_output
from pipeline.job import exports as exportjob
from pipeline.job import split as splitjob
from pipeline.job.artifacts import Product
from pipeline.job.graph import Graph
from pipeline.job.options import PATHS, Job
from pipeline.job.split import SplitJob
from pipeline.shards import terms
from pipeline.shards.output import Output
from pipeline.sources import registry as sources
from pipeline.sources.data_set import DataSet
from pipeline.sources.inputs import Archive
from pipeline.sources.source import Source
from pipeline.storage import Location
from pipeline.storage.local.local_path import check_local


@dataclass(frozen=True)
class ResolvedJob:
    """A job with its configuration read and its digests known.

    Attributes:
        job: what was asked for; of an append, with what it comes to: see `appending.with_parents`.
        dataset: what its options mean as a whole.
        table: its label table.
        splits: what follows for each split, by name.
        extras: optional archives to verify, read or not.
        products: what it makes at paths without a digest.
    """

    job: Job
    dataset: DataSet
    table: LabelTable
    splits: Mapping[str, SplitJob]
    extras: tuple[Archive, ...]
    products: tuple[Product, ...]

    @property
    def out(self) -> Location:
        """Folder of the output."""
        return self.job.folder

    @property
    def root(self) -> Location:
        """Folder that a catalog's sources are relative to."""
        return self.dataset.root

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that is needed, each once."""
        needed: list[Archive] = []
        for split in self.splits.values():
            needed += split.archives if self.job.wants("verify", *products.OF_CATALOG) else ()
            if split.boxes and split.boxes.archive and self.job.wants("boxes"):
                needed.append(split.boxes.archive)
        return tuple({archive.file: archive for archive in (*needed, *self.extras)}.values())

    @cached_property
    def graph(self) -> Graph:
        """Everything that it makes, each artifact behind what it needs."""
        return graph.derive(self)

    @property
    def outputs(self) -> list[tuple[SplitJob, Output]]:
        """The outputs that are asked for, each with its split."""
        splits = self.splits.values() if self.job.wants("shards") else ()
        return [(split, output) for split in splits for output in split.outputs]

    @property
    def planned(self) -> Mapping[str, SplitJob]:
        """The splits whose shards are planned, and made by others or later."""
        return self.splits if self.job.wants("plan") else {}

    @property
    def glanced_at(self) -> frozenset[str]:
        """What alone was looked at, and not each image; empty: each image was, or an archive."""
        return frozenset(split.source.glanced_at for split in self.splits.values()) - {""}

    @property
    def raw(self) -> Location:
        """Where archives are read: where no folder of them is named, they lie among the sources."""
        return storage.parse(self.job.archives) if self.job.archives else self.dataset.root

    @property
    def is_staged(self) -> bool:
        """Whether archives are copied into a folder of this host before they are read."""
        return bool(self.job.remote.stage_folder)

    @property
    def verifies_beside(self) -> bool:
        """Whether shards are written of archives that are not verified yet, which lie here."""
        here = isinstance(self.out, Path) and isinstance(self.raw, Path)
        return self.job.verify == "beside" and here and not self.is_staged

    @property
    def origin(self) -> Location:
        """Where the archives lie, whether they are copied before they are read or not."""
        return storage.parse(self.job.raw) if self.job.raw else self.dataset.root

    def raw_file(self, archive: Archive) -> Location:
        """Return where an archive is read."""
        return self.raw / archive.file

    def product(self, name: str) -> Product:
        """Return the product of this name."""
        return next(product for product in self.products if product.name == name)

    @property
    def digest(self) -> str:
        """A digest of what this job makes: its outputs, wherever they lie."""
        planned = [[name, terms.digest(split)] for name, split in self.planned.items()]
        return digests.digest(
            {
                "archives": [archive.md5 for archive in self.archives],
                "outputs": [[output.format, output.digest] for _, output in self.outputs],
                "products": [[product.name, product.digest] for product in self.products],
                **({"planned": planned} if planned else {}),
            }
        )


_MOST_KEPT: Final = 16  # jobs


@dataclass
class Resolver:
    """What jobs mean, each found out once a process.

    Calling it reads documents: what was kept of a list, folder or tree when it was read last, as
    long as its list or folders look as they did then. The images themselves are not looked at.
    Where nothing is kept, or something has changed, the source is read.
    """

    _known: dict[Job, ResolvedJob] = field(default_factory=dict)

    def __call__(self, job: Job) -> ResolvedJob:
        """Return what a job means, with every digest and count.

        Raises:
            ConfigError: the configuration or a file it names cannot be understood.
            UsageError: the options contradict it.
            InputRefused: the tree or the list is not what it should be.
        """
        _look_at(job)
        known = self._known.get(job)
        if known is None:
            known = _resolved(job, read=False)
            self._keep(job, known)
        return known

    def reading(self, job: Job) -> ResolvedJob:
        """Read the source of a job and look at each image; return what the job means from now on.

        Raises:
            ShardmillError: as calling it does.
        """
        _look_at(job)
        self._keep(job, _resolved(job, read=True))
        return self._known[job]

    def again(self, job: Job) -> ResolvedJob:
        """Return what a job means now that its outputs have changed, and its source has not."""
        known = self(job)
        sources_read = {name: split.source for name, split in known.splits.items()}
        self._keep(job, _derived(job, known.dataset, known.table, sources_read))
        return self._known[job]

    def cache_clear(self) -> None:
        """Forget what all jobs mean."""
        self._known.clear()

    def _keep(self, job: Job, resolved: ResolvedJob) -> None:
        for each in {
            job,
            resolved.job,
        }:  # what an append is to is decided once, by what is there now
            self._known.pop(each, None)
            while len(self._known) >= _MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[each] = resolved


resolve: Final = Resolver()


def check(job: Job) -> None:
    """Check the options of a job of whose images nothing may be known yet.

    Raises:
        ConfigError: see `Resolver`.
        UsageError: see `Resolver`.
        EnvironmentRefused: a library that its shards are written by is not installed.
    """
    _look_at(job)
    for name in PATHS:
        check_local(getattr(job, name), f"--{name}".replace("_", "-"))
    if not sources.lists_files(job):  # else its files say which options mean something for them
        dataset = sources.data_set(job, exportjob.taken_names())
        checks.check_options(job, dataset, job.splits or dataset.default_splits)
    exportjob.check_installed(job)
    for name in job.formats if job.wants("shards") else ():
        if not storage.is_folder(storage.below(job.folder, name)):  # else preflight sees what lacks
            shardformats.ALL[name].check_installed()


def _look_at(job: Job) -> None:
    """Reach remote places as a job says, and answer for its output from listings.

    Raises:
        UsageError: its output cannot lie where it is to go.
    """
    storage.use(job.remote)
    remote_output.check(job)
    storage.watch(job.folder)


def _resolved(job: Job, *, read: bool) -> ResolvedJob:
    for name in PATHS:
        check_local(getattr(job, name), f"--{name}".replace("_", "-"))
    dataset = sources.data_set(job, exportjob.taken_names())
    names = job.splits or dataset.default_splits
    checks.check_options(job, dataset, names)
    table = dataset.table
    sources_read = None if read else dataset.recorded(names)
    if sources_read is None:
        sources_read = dataset.read(names, shardformats.is_cut)
    return _derived(job, dataset, table, sources_read)


def _derived(
    job: Job, dataset: DataSet, table: LabelTable, found: Mapping[str, Source]
) -> ResolvedJob:
    """Return what follows from the sources of a job.

    Nothing of these is read, unless an append to what is there was not thought of before: then
    their rows are compared with the plan of that.
    """
    job, appends = appending.with_parents(job, found)
    splits = {
        name: splitjob.derive(job, source, appends.get(name)) for name, source in found.items()
    }
    checks.check_label_widths(job, splits)
    checks.check_detection(job, splits)
    made = tuple(
        replace(
            product,
            made_of=provenance.made_of(product, job, table, splits),
            follows=provenance.follows(product, splits),
            before=provenance.before(product, splits),
            folder=job.images,
        )
        for product in products.derive(job, dataset, table, splits)
    )
    resolved = ResolvedJob(job, dataset, table, splits, _extras(job, dataset, splits), made)
    if not made and not job.wants("plan", "shards") and not resolved.archives:
        raise UsageError(
            "nothing would be made",
            expected="splits with boxes, or a later step",
            found=f"the steps {', '.join(job.steps) or 'none'} of {', '.join(splits)}",
        )
    return resolved


def _extras(job: Job, dataset: DataSet, splits: Mapping[str, SplitJob]) -> tuple[Archive, ...]:
    """Return the optional archives that are only verified: no split reads them, or its tree."""
    used = {archive.file for split in splits.values() for archive in split.archives}
    used.update(*(split.source.unpacked for split in splits.values()))
    named = (dataset.optional[name] for name in dict.fromkeys(job.extras))
    return tuple(archive for archive in named if archive.file not in used)
