"""The roots: what a person asks for."""

from __future__ import annotations

from pathlib import Path

import luigi

from pipeline import resources
from pipeline.errors import UsageError
from pipeline.job import Job, resolve
from tasks.archives import VerifyArchive
from tasks.shards import SetCurrent


class PrepareImageNet(luigi.WrapperTask):
    """ILSVRC2012, or a set of its shape, from archives to verified shards.

    It is complete when every output's manifest is whole and `current` points to it, which
    takes two listings an output however many shards there are.
    """

    raw: luigi.Parameter[str] = luigi.Parameter(description="folder of the archives")
    out: luigi.Parameter[str] = luigi.Parameter(description="folder of the output")
    config: luigi.Parameter[str] = luigi.Parameter(default="", description="dataset TOML")
    split: luigi.Parameter[str] = luigi.Parameter(default="", description="train,validation")
    format: luigi.Parameter[str] = luigi.Parameter(default="tfrecord", description="formats")
    shards: luigi.Parameter[str] = luigi.Parameter(default="", description="train=8,...")
    order: luigi.Parameter[str] = luigi.Parameter(default="hash", description="hash or name")
    seed: luigi.IntParameter = luigi.IntParameter(default=0, description="of hash")
    label_offset: luigi.Parameter[str] = luigi.Parameter(default="", description="a number")
    classes: luigi.Parameter[str] = luigi.Parameter(default="", description="file of WNIDs")
    extras: luigi.Parameter[str] = luigi.Parameter(default="", description="optional archives")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(default="fail", description="or skip")

    @classmethod
    def of(cls, job: Job) -> PrepareImageNet:
        """Return the root of a job."""
        return cls(
            raw=job.raw,
            out=job.out,
            config=job.config,
            split=",".join(job.splits),
            format=",".join(job.formats),
            shards=",".join(f"{split}={count}" for split, count in job.shards),
            order=job.order,
            seed=job.seed,
            label_offset="" if job.label_offset is None else str(job.label_offset),
            classes=job.classes,
            extras=",".join(job.extras),
            on_bad_image=job.on_bad_image,
        )

    @property
    def job(self) -> Job:
        """The options as a job."""
        return Job(
            raw=absolute(self.raw),
            out=absolute(self.out),
            config=absolute(self.config) if self.config else default_config(),
            splits=words(self.split),
            formats=words(self.format),
            shards=shard_counts(words(self.shards)),
            order=self.order,
            seed=self.seed,
            label_offset=int(self.label_offset) if self.label_offset else None,
            classes=absolute(self.classes) if self.classes else "",
            extras=words(self.extras),
            on_bad_image=self.on_bad_image,
        )

    def requires(self) -> list[SetCurrent | VerifyArchive]:
        """Return what finishes each output, and the verification of optional archives."""
        return root_tasks(self.job)


def root_tasks(job: Job) -> list[SetCurrent | VerifyArchive]:
    """Return the last task of each product of a job."""
    resolved = resolve(job)
    finishing: list[SetCurrent | VerifyArchive] = [
        SetCurrent(out=job.out, split=name, digest=made.digest, format=made.format, job=job)
        for name, split in sorted(resolved.splits.items(), reverse=True)
        for made in split.outputs
    ]
    verifying = [
        VerifyArchive(out=job.out, archive=extra.file, md5=extra.md5, job=job)
        for extra in resolved.extras
    ]
    return finishing + verifying


def complete(job: Job) -> bool:
    """Return whether everything a job asks for is there: the truth for an exit status."""
    return all(task.complete() for task in root_tasks(job))


def default_config() -> str:
    """Return the path of the shipped ILSVRC2012 configuration."""
    return str(resources.shipped("config/ilsvrc2012.toml"))


def absolute(path: str) -> str:
    """Return a path that means the same in every process.

    Raises:
        UsageError: it is empty, or no text.
    """
    if not path or path.encode(errors="replace").decode() != path:
        raise UsageError("a path is empty or not UTF-8", found=repr(path))
    return str(Path(path).expanduser().absolute())


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def shard_counts(pairs: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Parse ``split=number`` pairs.

    Raises:
        UsageError: a pair is not of that form.
    """
    found = []
    for pair in pairs:
        split, equals, number = pair.partition("=")
        if not equals or not number.isascii() or not number.isdigit():
            raise UsageError(f"--shards {pair}", expected="SPLIT=NUMBER", found=pair)
        found.append((split, int(number)))
    if len(dict(found)) < len(found):
        raise UsageError("--shards is given twice for a split", found=", ".join(pairs))
    return tuple(found)
