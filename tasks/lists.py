"""Steps between archives and shards: the catalog of a split, and its plan."""

from __future__ import annotations

from pathlib import Path

import luigi

from pipeline import catalog, manifest, paths, plan, storage
from pipeline.archives import index
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

    def publish(self, staged: storage.StagedFile, rows: int) -> None:
        """Publish a table and then the mark that says it is there."""
        name = str(staged.path.relative_to(self.folder))
        entry = FileEntry(name, staged.size, manifest.hash_file(staged.temp))
        document = {"digest": str(self.digest), "rows": rows, "files": [entry.to_json()]}
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
        rows = plan.arrange(
            catalog.read(paths.catalog(self.folder, self.split, job.catalog_digest)),
            self.job.order,
            self.job.seed,
        )
        with storage.StagedFile(paths.plan(self.folder, self.split, self.digest)) as staged:
            plan.write(staged, rows, job.shards)
            self.publish(staged, rows.num_rows)
        return Volume(images=rows.num_rows)
