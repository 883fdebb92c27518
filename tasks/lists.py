"""Steps between archives and shards: the catalog of a split, and its plan."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import luigi

from pipeline import catalog, manifest, paths, plan, storage
from pipeline.archives import index
from pipeline.errors import OutputDamaged, TransientError
from pipeline.job import SplitJob
from pipeline.manifest import Document, FileEntry
from pipeline.sources import ilsvrc2012
from tasks.archives import VerifyArchive, verification
from tasks.base import ShardmillTask, Volume


class SplitTask(ShardmillTask):
    """A step of one split; `digest` names its product."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the product")

    @property
    def split_job(self) -> SplitJob:
        """The split's part of the job."""
        return self.resolved.splits[self.split]

    def document(self) -> Document | None:
        """Return the mark, if its files are there."""
        return manifest.load_complete(self.mark(), self.folder)

    def check(self, source: ShardmillTask) -> None:
        """Check the bytes of what another step made; damaged, it is forgotten and made anew.

        Raises:
            TransientError: it was damaged: the next attempt finds it missing.
        """
        try:
            manifest.load_checked(source.mark(), self.folder)
        except OutputDamaged as error:
            self.forget(source, error)

    def forget(self, source: ShardmillTask, error: OutputDamaged) -> NoReturn:
        """Remove the mark of what another step made, so that it is made again.

        Raises:
            TransientError: always.
        """
        storage.remove(source.mark())
        raise TransientError(f"{error.what}; it is made anew", file=error.file) from error

    def publish(self, staged: storage.StagedFile, rows: int, **more: object) -> None:
        """Publish a table and then the mark that says it is there."""
        name = str(staged.path.relative_to(self.folder))
        entry = FileEntry(name, staged.size, manifest.hash_file(staged.temp))
        document = {"digest": str(self.digest), "rows": rows, "files": [entry.to_json()], **more}
        with storage.StagedFile(self.mark()) as mark:
            mark.write(manifest.serialise(document))
            storage.publish(staged, mark)


class BuildCatalog(SplitTask):
    """One row per image of a split, counted against the configuration."""

    step = "catalog"

    def requires(self) -> VerifyArchive:
        """Return the verification of the split's archive."""
        return verification(self, self.split_job.archive)

    def mark(self) -> Path:
        """Return the path of the catalog's mark."""
        return paths.catalog_mark(self.folder, self.split, self.digest)

    def make(self) -> Volume:
        """Turn the member index into a catalog."""
        job = self.split_job
        self.check(verification(self, job.archive))
        members = index.read_index(paths.archive_index(self.folder, job.archive.file))
        rows = ilsvrc2012.build_catalog(
            members, job.split, self.resolved.table, job.expected, job.classes
        )
        with storage.StagedFile(paths.catalog(self.folder, self.split, self.digest)) as staged:
            catalog.write(staged, rows)
            self.publish(staged, rows.num_rows)
        return Volume(images=rows.num_rows)


class BuildPlan(SplitTask):
    """The catalog in shard order."""

    step = "plan"

    def requires(self) -> BuildCatalog:
        """Return the catalog."""
        return BuildCatalog(
            out=self.out, split=self.split, digest=self.split_job.catalog_digest, job=self.job
        )

    def mark(self) -> Path:
        """Return the path of the plan's mark."""
        return paths.plan_mark(self.folder, self.split, self.digest)

    def make(self) -> Volume:
        """Order the catalog and cut it into shards."""
        job = self.split_job
        listed = paths.catalog(self.folder, self.split, job.catalog_digest)
        self.check(self.requires())
        rows = plan.arrange(catalog.read(listed), self.job.order, self.job.seed)
        with storage.StagedFile(paths.plan(self.folder, self.split, self.digest)) as staged:
            hashes = plan.write(staged, rows, job.shards)
            self.publish(staged, rows.num_rows, shards=hashes)
        return Volume(images=rows.num_rows)
