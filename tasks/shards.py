"""The steps that write: a shard in all wanted formats, and the manifest of a whole split."""

from __future__ import annotations

from pathlib import Path

import luigi
import pyarrow as pa

from pipeline import manifest, outputs, paths, plan, shards, storage
from pipeline.manifest import Document
from pipeline.paths import ShardName
from pipeline.splitjob import Output
from tasks.archives import CheckInputs, VerifyArchive, of_images, seen_images
from tasks.base import ShardmillTask, Volume
from tasks.lists import BuildPlan
from tasks.splits import SplitTask


class WriteShard(SplitTask):
    """One shard, in every format that is still missing, from one read of its images.

    `digest` is the plan's; `outputs` holds the outputs' digests.
    """

    shard: luigi.IntParameter = luigi.IntParameter(description="0-based number")
    outputs: luigi.Parameter[str] = luigi.Parameter(description="format=digest, ...")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(description="fail or skip")
    step = "shards"

    def requires(self) -> list[BuildPlan | CheckInputs | VerifyArchive]:
        """Return the plan, and what looks at the archive: a changed one is verified again."""
        return [self.plan, *of_images(self, self.split_job)]

    @property
    def plan(self) -> BuildPlan:
        """The plan that the shard is part of."""
        return BuildPlan(out=self.out, split=self.split, digest=self.digest, job=self.job)

    def mark(self) -> Path:
        """Return the path of the shard's manifest in the first format."""
        return paths.shard_mark(self.folder, self.split_job.outputs[0].digest, self.shard)

    def document(self) -> Document | None:
        """Return the shard's manifest in the first format, if no format lacks the shard."""
        found = [self._found(output) for output in self.split_job.outputs]
        return found[0] if None not in found else None

    def make(self) -> Volume:
        """Write the shard."""
        job = self.split_job
        rows = self._rows()
        name = ShardName(self.split, self.shard, job.shards)
        missing = self._missing()
        with self.counter(rows.num_rows, "images") as progress:
            written = shards.write_shard(
                self.folder,
                name,
                rows,
                self.resolved.root,
                missing,
                verified=seen_images(self, job),
                whole_files=job.tree is not None,
                on_bad_image=self.on_bad_image,
                progress=progress,
            )
        size = sum(
            info.size
            for output in missing
            if (info := storage.stat(paths.tfrecord_shard(output.folder, name)))
        )
        return Volume(written, size)

    def _rows(self) -> pa.RecordBatch:
        planned = paths.plan(self.folder, self.split, self.digest)
        with self.forgetting(self.plan):
            mark = manifest.load(paths.plan_mark(self.folder, self.split, self.digest))
            return plan.read_shard(planned, self.shard, mark["shards"][self.shard])

    def _missing(self) -> list[Output]:
        return [output for output in self.split_job.outputs if self._found(output) is None]

    def _found(self, output: Output) -> Document | None:
        return outputs.shard_document(self.folder, output, self.shard)


class WriteManifest(SplitTask):
    """The manifest of one output; `digest` is the output's. It waits for every shard."""

    format: luigi.Parameter[str] = luigi.Parameter(description="shard format")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(description="fail or skip")
    step = "manifest"

    @property
    def product(self) -> Output:
        """The output that is finished here."""
        return self.split_job.output(self.format)

    def requires(self) -> list[WriteShard]:
        """Return a task per shard."""
        job = self.split_job
        wanted = ",".join(f"{output.format}={output.digest}" for output in job.outputs)
        return [
            WriteShard(
                out=self.out,
                split=self.split,
                digest=job.plan_digest,
                shard=shard,
                outputs=wanted,
                on_bad_image=self.on_bad_image,
                job=self.job,
            )
            for shard in range(job.shards)
        ]

    def mark(self) -> Path:
        """Return the path of the manifest."""
        return paths.manifest(self.product.folder)

    def document(self) -> Document | None:
        """Return the manifest, if one listing shows every file it names."""
        return outputs.document(self.product)

    def make(self) -> Volume:
        """Merge the shards' manifests and facts."""
        document = outputs.finish(self.resolved, self.split_job, self.product)
        return Volume(document["counts"]["records"], document["counts"]["bytes"])


class SetCurrent(ShardmillTask):
    """`current` points to a complete output: the path that a training script uses."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the output")
    format: luigi.Parameter[str] = luigi.Parameter(description="shard format")
    step = "current"

    def requires(self) -> WriteManifest:
        """Return the manifest of the output."""
        return WriteManifest(
            out=self.out,
            split=self.split,
            digest=self.digest,
            format=self.format,
            on_bad_image=self.job.on_bad_image,
            job=self.job,
        )

    def mark(self) -> Path:
        """Return the path of the link."""
        return paths.current(self.folder, self.format, self.split)

    def document(self) -> Document | None:
        """Return the manifest, if the link points to it and it is complete."""
        if storage.pointed(self.mark()) != self.digest:
            return None
        return outputs.document(self.resolved.splits[self.split].output(self.format))

    def make(self) -> Volume:
        """Set the link."""
        storage.point(self.mark(), self.digest)
        return Volume()
