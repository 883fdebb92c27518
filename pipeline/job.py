"""What was asked for, and the digests, folders and counts that follow from it.

A `Job` is what a person can say; a `SplitJob` is what follows for one split before anything
has been read: every path of the output is known from the start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from pipeline import catalog, config, digests, labels, paths, sharding
from pipeline.config import ArchiveConfig, DatasetConfig, SplitConfig
from pipeline.errors import ConfigError, UsageError
from pipeline.formats import tfrecord
from pipeline.labels import LabelTable
from pipeline.sources import ilsvrc2012
from pipeline.sources.ilsvrc2012 import Expectation

FORMATS = ("tfrecord",)
LABEL_OFFSETS = {"tfrecord": 1}  # 0 is TensorFlow's background class
ON_BAD_IMAGE = ("fail", "skip")
_LABEL_OFFSET_LIMIT = 1 << 30


@dataclass(frozen=True)
class Job:
    """The options of a preparation, as given; paths are absolute.

    Attributes:
        raw: folder of the archives.
        out: folder of the output.
        config: dataset configuration file.
        splits: split names; empty: all of the configuration.
        formats: shard formats.
        shards: (split, number of shards) where it differs from the configuration.
        order: one of `sharding.ORDERS`.
        seed: of the ``hash`` order.
        label_offset: added to the 0-based class index; None: the format's own.
        classes: file of chosen WNIDs; "": all.
        extras: optional archives to verify too.
        on_bad_image: ``fail`` or ``skip``; in no digest.
    """

    raw: str
    out: str
    config: str
    splits: tuple[str, ...] = ()
    formats: tuple[str, ...] = FORMATS
    shards: tuple[tuple[str, int], ...] = ()
    order: str = "hash"
    seed: int = 0
    label_offset: int | None = None
    classes: str = ""
    extras: tuple[str, ...] = ()
    on_bad_image: str = "fail"

    def to_json(self) -> str:
        """Return canonical JSON; `from_json` reverses it."""
        return digests.canonical(asdict(self)).decode()

    @staticmethod
    def from_json(text: str) -> Job:
        """Rebuild a job."""
        values = json.loads(text)
        for name in ("splits", "formats", "extras"):
            values[name] = tuple(values[name])
        values["shards"] = tuple((split, count) for split, count in values["shards"])
        return Job(**values)


@dataclass(frozen=True)
class Output:
    """One format's output of a split: where it goes, and the options that change its bytes."""

    format: str
    digest: str
    folder: Path
    label_offset: int


@dataclass(frozen=True)
class SplitJob:
    """Everything that is known of one split before its archive is read."""

    split: SplitConfig
    archive: ArchiveConfig
    classes: tuple[str, ...] | None
    expected: Expectation
    shards: int
    catalog_digest: str
    plan_digest: str
    outputs: tuple[Output, ...]

    def output(self, shard_format: str) -> Output:
        """Return the output in one format."""
        return next(output for output in self.outputs if output.format == shard_format)

    def shard_sizes(self) -> list[int]:
        """Return how many images each shard is planned to hold."""
        places = sharding.boundaries(self.expected.images, self.shards)
        return [stop - start for start, stop in pairwise(places)]


@dataclass(frozen=True)
class ResolvedJob:
    """A job with its configuration read and its digests known."""

    job: Job
    dataset: DatasetConfig
    table: LabelTable
    splits: Mapping[str, SplitJob]
    extras: tuple[ArchiveConfig, ...]

    @property
    def out(self) -> Path:
        """Folder of the output."""
        return Path(self.job.out)

    @property
    def archives(self) -> tuple[ArchiveConfig, ...]:
        """Every archive that is needed, each once."""
        needed = [split.archive for split in self.splits.values()] + list(self.extras)
        return tuple({archive.file: archive for archive in needed}.values())

    def raw_file(self, archive: ArchiveConfig) -> Path:
        """Return where an archive lies."""
        return Path(self.job.raw) / archive.file

    @property
    def digest(self) -> str:
        """A digest of what this job makes: its outputs, wherever they lie."""
        made = [
            [output.format, output.digest] for s in self.splits.values() for output in s.outputs
        ]
        return digests.digest({"outputs": made, "extras": [extra.md5 for extra in self.extras]})


@lru_cache(maxsize=16)
def resolve(job: Job) -> ResolvedJob:
    """Read the configuration and work out every digest and count.

    Raises:
        ConfigError: the configuration or a file it names cannot be understood.
        UsageError: the options contradict it.
    """
    dataset = config.load(Path(job.config))
    table = labels.load_table(dataset.label_table)
    names = job.splits or tuple(dataset.splits)
    _check_choices(job, dataset, names)
    shards = dict(job.shards)
    classes = labels.load_classes(Path(job.classes), table) if job.classes else None
    splits = {
        name: _split_job(job, dataset, table, classes, name, shards.get(name)) for name in names
    }
    extras = tuple(dataset.optional[name] for name in dict.fromkeys(job.extras))
    return ResolvedJob(job, dataset, table, splits, extras)


def _check_choices(job: Job, dataset: DatasetConfig, names: tuple[str, ...]) -> None:
    for option, given, known in (
        ("--split", names, tuple(dataset.splits)),
        ("--shards", [split for split, _ in job.shards], names),
        ("--format", job.formats, FORMATS),
        ("--with", job.extras, tuple(dataset.optional)),
        ("--order", (job.order,), sharding.ORDERS),
        ("--on-bad-image", (job.on_bad_image,), ON_BAD_IMAGE),
    ):
        for word in given:
            if word not in known:
                raise UsageError(
                    f"{option} {word}: unknown", expected=", ".join(known) or "none", found=word
                )
    if not 0 <= job.seed < sharding.SEED_LIMIT:
        raise UsageError(f"--seed {job.seed}", expected="0 to 2**64 - 1", found=str(job.seed))
    if job.label_offset is not None and not 0 <= job.label_offset < _LABEL_OFFSET_LIMIT:
        raise UsageError(
            f"--label-offset {job.label_offset}: labels are not negative, and fit 32 bits",
            expected=f"0 to {_LABEL_OFFSET_LIMIT - 1}",
            found=str(job.label_offset),
        )
    if not job.formats:
        raise UsageError("no format is asked for", expected=", ".join(FORMATS), found="none")


def _split_job(
    job: Job,
    dataset: DatasetConfig,
    table: LabelTable,
    classes: tuple[str, ...] | None,
    name: str,
    shards: int | None,
) -> SplitJob:
    split = dataset.splits[name]
    expected = ilsvrc2012.expectation(split, table, classes)
    archive = dataset.archive(split.archive)
    count = min(split.shards, max(1, expected.images)) if shards is None else shards
    _check_shards(name, count, expected.images)
    catalog_digest = digests.digest(
        {
            "archive": archive.md5,
            "archive_file": archive.file,
            "catalog_version": catalog.VERSION,
            "classes": classes,
            "counts": digests.digest(expected.counts),
            "labels": table.digest,
            "layout": split.layout,
            "member": split.member,
            "numbered": digests.digest({"wnids": expected.numbered}),
            "split": name,
        }
    )
    plan_digest = digests.digest(
        {
            "catalog": catalog_digest,
            "order": job.order,
            "seed": job.seed if job.order == "hash" else None,
            "shards": count,
        }
    )
    outputs = tuple(_output(job, name, plan_digest, made) for made in dict.fromkeys(job.formats))
    return SplitJob(split, archive, classes, expected, count, catalog_digest, plan_digest, outputs)


def _check_shards(split: str, shards: int, images: int) -> None:
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


def _output(job: Job, split: str, plan_digest: str, made: str) -> Output:
    offset = LABEL_OFFSETS[made] if job.label_offset is None else job.label_offset
    digest = digests.digest(
        {
            "format": made,
            "label_offset": offset,
            "plan": plan_digest,
            "writer_version": tfrecord.WRITER_VERSION,
        }
    )
    return Output(made, digest, paths.output(Path(job.out), made, split, digest), offset)
