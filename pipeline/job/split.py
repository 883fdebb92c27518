"""What follows from a job for one split, before anything of its archive has been read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline import digests, paths, storage
from pipeline.annotations import bboxes, contents
from pipeline.catalog import order as sharding
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveMissing, ConfigError, InputRefused, UsageError
from pipeline.job import outputs
from pipeline.job.options import Job
from pipeline.shards.output import Output
from pipeline.sources.expectation import Expectation, expectation
from pipeline.sources.ilsvrc2012 import snapshot as treerecord
from pipeline.sources.ilsvrc2012 import tree
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.ilsvrc2012.tree import TreeListing
from pipeline.sources.imagelist.source import ImageListing
from pipeline.sources.inputs import Archive, BoxSource

_INCEPTION_THREADS = 8
_DEVKIT = "devkit"


@dataclass(frozen=True)
class SplitJob:
    """Everything that is known of one split before its images are read.

    Attributes:
        split: its configuration.
        images: the archive of its images, or their listing in a tree, or what a list names.
        boxes: where the bounding boxes come from; None: none are wanted.
        devkit: the archive whose labels must agree with the list; None: not asked for.
        classes: the chosen WNIDs; None: all.
        expected: what the split must hold.
        shards: how many.
        threads: of the ``inception`` order; None for others.
        rows_digest: of what decides which images there are, and their labels.
        catalog_digest: of that, where the images lie in a tree, and the boxes.
        plan_digest: of the catalog and what decides which image goes where.
        outputs: one for each format.
    """

    split: SplitConfig
    images: Archive | TreeListing | ImageListing
    boxes: BoxSource | None
    devkit: Archive | None
    classes: tuple[str, ...] | None
    expected: Expectation
    shards: int
    threads: int | None
    rows_digest: str
    catalog_digest: str
    plan_digest: str
    outputs: tuple[Output, ...]

    @property
    def name(self) -> str:
        """The split's name."""
        return self.split.name

    @property
    def archive(self) -> Archive | None:
        """The archive of its images, if they lie in one."""
        return self.images if isinstance(self.images, Archive) else None

    @property
    def tree(self) -> TreeListing | None:
        """The listing of its images, if they lie in a tree."""
        return self.images if isinstance(self.images, TreeListing) else None

    @property
    def listing(self) -> ImageListing | None:
        """What an image list or a folder names, if they come from there."""
        return self.images if isinstance(self.images, ImageListing) else None

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that the split's catalog is made from."""
        boxes = self.boxes.archive if self.boxes else None
        return tuple(each for each in (self.archive, boxes, self.devkit) if each is not None)

    @property
    def labels_digest(self) -> str:
        """A digest of the labels and of the devkit that they must agree with."""
        devkit = self.devkit.md5 if self.devkit else None
        return digests.digest({"devkit": devkit, "numbered": list(self.expected.numbered)})

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


def derive(
    job: Job,
    dataset: DatasetConfig,
    table: LabelTable,
    classes: tuple[str, ...] | None,
    name: str,
) -> SplitJob:
    """Return what a job means for one of its splits.

    Raises:
        ConfigError: the configuration contradicts itself.
        UsageError: the options cannot be met.
        InputRefused: a tree is not what it should be.
    """
    split = dataset.splits[name]
    expected = expectation(split, table, classes, skip_blacklisted=job.skip_blacklisted)
    shards = dict(job.shards).get(name)
    count = min(split.shards, max(1, expected.images)) if shards is None else shards
    given = job.inception_threads
    threads: int | None = _INCEPTION_THREADS if given is None else given
    if job.order != "inception":
        threads = None
    check_shards(name, count, expected.images)
    if threads is not None and job.wants("shards"):
        sharding.check_threads(count, threads, expected.images, name)
    images, boxes = _sources(job, dataset, table, split, classes)
    rows_digest = _rows_digest(split, images, table, expected, classes)
    catalog_digest = digests.digest(
        {
            "boxes": boxes.digest if boxes else None,
            "catalog_version": catalog.VERSION,
            "places": images.places if isinstance(images, TreeListing) else None,
            "rows": rows_digest,
        }
    )
    plan_digest = plan_digest_of(job, catalog_digest, count, threads)
    return SplitJob(
        split=split,
        images=images,
        boxes=boxes,
        devkit=dataset.named(_DEVKIT) if _DEVKIT in job.extras and split.labels else None,
        classes=classes,
        expected=expected,
        shards=count,
        threads=threads,
        rows_digest=rows_digest,
        catalog_digest=catalog_digest,
        plan_digest=plan_digest,
        outputs=outputs.derive(
            job,
            name,
            plan_digest,
            suffix=".JPEG",
            offsets=True,
            repairs=True,
            boxes=boxes is not None,
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


def _sources(
    job: Job,
    dataset: DatasetConfig,
    table: LabelTable,
    split: SplitConfig,
    classes: tuple[str, ...] | None,
) -> tuple[Archive | TreeListing, BoxSource | None]:
    """Return where a split's images lie, and its boxes."""
    if not job.tree:
        return dataset.archive(split.archive), _box_source(job, dataset, table, split)
    if not job.wants("lists", "extract", "shards"):
        return TreeListing.nothing(), _box_source(job, dataset, table, split)
    try:
        return _listing(job, split, classes), _box_source(job, dataset, table, split)
    except InputRefused:
        record = treerecord.recall(job, split)
        folder = storage.real_folder(Path(job.tree))
        if record is None or (folder is not None and tree.look(folder, split) is not None):
            raise
    # The tree is gone: what was made of it may be all that is wanted.
    by_class = split.layout == "class-tars"
    filtered = job.box_class_filter and by_class
    boxes = BoxSource(Path(job.tree), None, filtered, by_class, record.boxes or "")
    return record.listing, boxes if record.boxes else None


def _listing(job: Job, split: SplitConfig, classes: tuple[str, ...] | None) -> TreeListing:
    target = paths.tree(Path(job.out), split.folder)
    moved = job.transfer == "move" and job.wants("extract")
    made = target if job.wants("extract") else None
    chosen = None if classes is None else frozenset(classes)
    also = target if moved else None
    listing = tree.scan(Path(job.tree), split, also=also, made=made, classes=chosen)
    source = Path(job.tree) / listing.folder
    if not moved and storage.is_within(Path(job.out), source):
        raise UsageError(
            f"split {split.name}: the output would lie among the images that are read",
            file=job.out,
            expected=f"a folder outside of {source}",
            remedy="choose another --out",
        )
    if job.wants("extract") and not moved and storage.same_folder(source, target):
        raise UsageError(
            f"split {split.name}: the tree to make is the one to read",
            file=str(source),
            remedy="say --transfer move to reorganise it in place, or choose another --out",
        )
    return listing


def _box_source(
    job: Job, dataset: DatasetConfig, table: LabelTable, split: SplitConfig
) -> BoxSource | None:
    if not job.boxes or split.boxes is None:
        return None
    if split.boxes in dataset.optional and split.boxes not in job.extras:
        return None
    archive = dataset.named(split.boxes)
    by_class = split.layout == "class-tars"
    filtered = job.box_class_filter and by_class
    wnids = digests.digest({"wnids": table.wnids}) if filtered else None
    folder = tree.annotation_folder(Path(job.tree), split) if job.tree else None
    if folder is None and not job.raw:
        raise ArchiveMissing(
            f"split {split.name}: there are no annotations of bounding boxes in the tree",
            file=job.tree,
            expected=f"a folder of annotations, or --raw with a folder that holds {archive.file}",
            remedy="name it with --raw, or say --no-boxes",
        )
    out = Path(job.out)
    kept = paths.annotation_contents(out, split.name)
    found = None if folder is None else contents.scan(folder, out, kept)
    content = archive.md5 if found is None else found.digest
    digest = digests.digest({"content": content, "filter": wnids, "version": bboxes.VERSION})
    if folder is not None:
        return BoxSource(folder, None, filtered, by_class, digest, found)
    return BoxSource(Path(job.raw) / archive.file, archive, filtered, by_class, digest)


def _rows_digest(
    split: SplitConfig,
    images: Archive | TreeListing,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None,
) -> str:
    if isinstance(images, Archive):
        source = {"archive": images.md5, "archive_file": images.file}
    else:
        source = {"tree": images.digest}
    return digests.digest(
        {
            **source,
            "classes": classes,
            "counts": digests.digest(expected.counts),
            "labels": table.digest,
            "layout": split.layout,
            "left_out": sorted(expected.left_out),
            "member": split.member,
            "numbered": digests.digest({"wnids": expected.numbered}),
            "split": split.name,
        }
    )


def check_shards(split: str, shards: int, images: int) -> None:
    """Raise unless that many shards can be made of that many images."""
    if images == 0:
        raise ConfigError(
            f"split {split}: no image is expected of the chosen classes",
            remedy="choose other classes with --classes, or leave the split out",
        )
    if not 1 <= shards <= images:
        raise UsageError(
            f"--shards {split}={shards}: a shard would be empty, and none may be",
            expected=f"1 to {images}, the number of images",
            found=str(shards),
            remedy=f"say --shards {split}=N with N in that range",
        )
