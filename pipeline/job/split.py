"""What follows from a job for one split, before anything of its images has been read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from pipeline import digests
from pipeline.catalog import order as sharding
from pipeline.catalog import table as catalog
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
        catalog_digest: of that, where the images lie in a tree, and the boxes.
        plan_digest: of the catalog and what decides which image goes where.
        outputs: one for each format.
    """

    source: Source
    threads: int | None
    rows_digest: str
    catalog_digest: str
    plan_digest: str
    outputs: tuple[Output, ...]

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
    def shards(self) -> int:
        """How many shards are made of it."""
        return self.source.shards

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
        return sharding.boundaries(self.expected.images, self.shards, self.threads)

    def shard_groups(self) -> list[tuple[int, int]]:
        """Return (first, stop) of the shards that are one task together."""
        at_once = sharding.shards_at_once(self.expected.images, self.shards)
        firsts = range(0, self.shards, at_once)
        return [(first, min(first + at_once, self.shards)) for first in firsts]

    def shard_sizes(self) -> list[int]:
        """Return how many images each shard is planned to hold."""
        return [stop - start for start, stop in pairwise(self.boundaries())]


def derive(job: Job, source: Source) -> SplitJob:
    """Return what a job means for one of its splits.

    Raises:
        UsageError: the options cannot be met.
        EnvironmentRefused: no codec is installed, and one is needed.
    """
    threads = _threads(job, source)
    rows_digest = digests.digest(source.identity())
    catalog_digest = digests.digest(
        {**source.places(), "catalog_version": catalog.VERSION, "rows": rows_digest}
    )
    plan_digest = plan_digest_of(job, catalog_digest, source.shards, threads)
    return SplitJob(
        source=source,
        threads=threads,
        rows_digest=rows_digest,
        catalog_digest=catalog_digest,
        plan_digest=plan_digest,
        outputs=outputs.derive(
            job,
            source.split.name,
            plan_digest,
            source.defaults,
            boxes=source.boxes is not None,
        ),
    )


def plan_digest_of(job: Job, catalog_digest: str, shards: int, threads: int | None) -> str:
    """Return the digest of a plan."""
    return digests.digest(
        {
            "catalog": catalog_digest,
            "order": job.order,
            "seed": (job.seed or 0) if job.order == "hash" else None,
            "shards": shards,
            "threads": threads,
        }
    )


def _threads(job: Job, source: Source) -> int | None:
    """Return the threads of the ``inception`` order; None: it is another order."""
    if job.order != "inception":
        return None
    given = job.inception_threads
    threads = _INCEPTION_THREADS if given is None else given
    if job.wants("shards"):
        images = source.expected.images
        sharding.check_threads(source.shards, threads, images, source.split.name)
    return threads
