"""A split as a job prepares it: its source, digests, shard count and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from pipeline import digests
from pipeline.catalog import generations
from pipeline.catalog import order as sharding
from pipeline.catalog import table as catalog
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.generations import AppendRecord
from pipeline.job import outputs
from pipeline.job.options import Job
from pipeline.shards.output import Output
from pipeline.sources.inputs import Archive, BoxSource
from pipeline.sources.source import Expected, Source, Split

_INCEPTION_THREADS = 8


@dataclass(frozen=True)
class SplitJob:
    """Everything that is known of one split before its images are read.

    Attributes:
        source: its images, wherever they lie.
        threads: of the ``inception`` order; None for others.
        rows_digest: of what decides which images there are, and their labels.
        images_digest: of that, where the images lie in a tree, and the boxes: of all that a
            catalog says.
        shards_digest: of that, and what decides which image goes where: of all that a plan says.
        catalog_digest: of the images, and of how this version writes a catalog. No digest of
            anything else follows from it: another version makes its own catalog and plan, and
            the same shards.
        plan_digest: likewise of the shards.
        outputs: one for each format.
        appended: what is appended to a finished output; None: all of it is planned at once.
    """

    source: Source
    threads: int | None
    rows_digest: str
    images_digest: str
    shards_digest: str
    catalog_digest: str
    plan_digest: str
    outputs: tuple[Output, ...]
    appended: AppendRecord | None = None

    def by_walked_indexes(self) -> SplitJob:
        """Return the same split, of which the archives are not verified yet."""
        return replace(self, source=replace(self.source, is_walked=True))

    @property
    def split(self) -> Split:
        """What is known of the split without looking."""
        return self.source.split

    @property
    def name(self) -> str:
        """The split's name."""
        return self.source.split.name

    @property
    def expected(self) -> Expected:
        """What the split must hold."""
        return self.source.expected

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Images of each class folder, see `Source.class_counts`."""
        return self.source.class_counts

    @property
    def shards(self) -> int:
        """How many shards are made of it."""
        return sum(self.counts_of_shards)

    @property
    def counts_of_shards(self) -> tuple[int, ...]:
        """How many shards each generation has; all of them are one unless there was an append."""
        return (self.source.shards,) if self.appended is None else self.appended.counts

    def shard_name(self, number: int) -> ShardName:
        """Return the name of a shard, by its 0-based number of all."""
        return ShardName.numbered(self.name, self.counts_of_shards, number)

    @property
    def boxes(self) -> BoxSource | None:
        """Where its bounding boxes come from; None: none are wanted."""
        return self.source.boxes

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that the split's catalog is made from."""
        boxes = self.boxes.archive if self.boxes else None
        labels = self.source.labels.archive if self.source.labels else None
        return (*self.source.inputs, *(each for each in (boxes, labels) if each is not None))

    def output(self, shard_format: str) -> Output:
        """Return the output in one format."""
        return next(output for output in self.outputs if output.format == shard_format)

    def boundaries(self) -> list[int]:
        """Return shards + 1 places: shard i holds images [places[i], places[i + 1])."""
        if self.appended is None:
            return sharding.boundaries(self.expected.images, self.shards, self.threads)
        record = self.appended
        return [0, *accumulate(generations.sizes(record.kept, record.new, record.shards))]

    def shard_groups(self) -> list[tuple[int, int]]:
        """Return (first, stop) of the shards that are one task together."""
        at_once = sharding.shards_at_once(self.expected.images, self.shards)
        firsts = range(0, self.shards, at_once)
        return [(first, min(first + at_once, self.shards)) for first in firsts]

    def shard_sizes(self) -> list[int]:
        """Return how many images each shard is planned to hold."""
        return [stop - start for start, stop in pairwise(self.boundaries())]


@dataclass(frozen=True)
class SplitDigests:
    """The digests of a split, but those of its outputs; see `SplitJob`."""

    rows: str
    images: str
    shards: str
    catalog: str
    plan: str


def derive(job: Job, source: Source, appended: AppendRecord | None = None) -> SplitJob:
    """Return what a job means for one of its splits.

    Args:
        job: the job.
        source: the images of the split.
        appended: what is appended to a finished output, if anything.

    Raises:
        UsageError: the options cannot be met.
        EnvironmentRefused: no codec is installed, and one is needed.
    """
    if appended is None:
        found = digests_of(job, source, source.shards)
    else:
        first, *_ = appended.generations
        found = digests_of(job, source, first.shards, appended.parent.family)
    return SplitJob(
        source=source,
        threads=_threads(job, source),
        rows_digest=found.rows,
        images_digest=found.images,
        shards_digest=found.shards,
        catalog_digest=found.catalog,
        plan_digest=found.plan,
        outputs=outputs_of(job, source, found.shards),
        appended=appended,
    )


def digests_of(job: Job, source: Source, shards: int, appended_to: str = "") -> SplitDigests:
    """Return the digests of a split, which follow from its source and the options alone.

    Args:
        job: the job.
        source: the images of the split.
        shards: how many shards the first generation has.
        appended_to: the family of the output that is appended to; "": all is planned at once.

    Raises:
        UsageError: the options cannot be met.
    """
    chain = {"appended_to": appended_to} if appended_to else {}
    rows = digests.digest({**source.identity(), **chain})
    images = digests.digest({**source.places(), "rows": rows})
    order = order_of(job, shards, _threads(job, source))
    of_shards = digests.digest({**order, "images": images})
    return SplitDigests(
        rows=rows,
        images=images,
        shards=of_shards,
        catalog=digests.digest({"catalog": catalog.VERSION, "images": images}),
        plan=digests.digest({"plan": catalog.VERSION, "shards": of_shards}),
    )


def outputs_of(job: Job, source: Source, shards_digest: str) -> tuple[Output, ...]:
    """Return the outputs of a split, one for each format, by the digest of its shards.

    Raises:
        UsageError: the options for images contradict each other.
        EnvironmentRefused: no codec is installed, and one is needed.
    """
    return outputs.derive(
        job,
        source.split.name,
        shards_digest,
        source.defaults,
        boxes=source.has_boxes,
        class_names=source.class_names or (),
        vectors=_has_vectors(source),
    )


def _has_vectors(source: Source) -> bool:
    """Whether an image may have several labels: one of a list does that names no classes."""
    listed = source.label_widths is not None and not source.class_names
    return listed or source.defaults.multi_hot > 0


def order_of(job: Job, shards: int, threads: int | None) -> dict[str, Any]:
    """Return what decides which image goes where, by the names that manifests have for it."""
    order: dict[str, Any] = {"order": job.order, "shards": shards}
    if job.order == "hash":
        order["seed"] = job.seed or 0
    if threads is not None:
        order["inception_threads"] = threads
    return order


def _threads(job: Job, source: Source) -> int | None:
    """Return the threads of the ``inception`` order; None: it is another order."""
    if job.order != "inception":
        return None
    given = job.inception_threads
    threads = _INCEPTION_THREADS if given is None else given
    if job.wants("plan", "shards"):
        images = source.expected.images
        sharding.check_threads(source.shards, threads, images, source.split.name)
    return threads
