"""The steps that write: a shard in all wanted formats, and the manifest of a whole split."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

import luigi
import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.archives.member_hashes import KnownMembers
from pipeline.catalog import plan
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import PlanMark
from pipeline.errors import OutputDamaged, SourcesDiffer
from pipeline.manifest import Document
from pipeline.paths import ShardName
from pipeline.shards import earlier
from pipeline.shards import finish as outputs
from pipeline.shards import part_sources as partsources
from pipeline.shards import write as shards
from pipeline.shards.output import Output
from pipeline.state import withdrawal
from tasks.archives import (
    CheckInputs,
    VerifyArchive,
    known_members,
    of_images,
    seen_images,
    verifying_again,
)
from tasks.base import ShardmillTask, Volume
from tasks.lists import BuildPlan
from tasks.splits import SplitTask


class WriteShards(SplitTask):
    """Some shards in a row, in every format that is still missing, from one read of each image.

    They are published one by one: what is there stays, whatever becomes of the task. `digest`
    is the plan's; `outputs` holds the outputs' digests.
    """

    first: luigi.IntParameter = luigi.IntParameter(description="0-based number of the first one")
    stop: luigi.IntParameter = luigi.IntParameter(description="that of the last one, and one more")
    outputs: luigi.Parameter[str] = luigi.Parameter(description="format=digest, ...")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(description="fail or skip")
    step = "shards"
    document_kind = ShardMark

    def requires(self) -> list[BuildPlan | CheckInputs | VerifyArchive]:
        """Return the plan, and what looks at the archive: a changed one is verified again."""
        return [self.plan, *of_images(self, self.split_job)]

    @property
    def plan(self) -> BuildPlan:
        """The plan that the shards are part of."""
        return BuildPlan(out=self.out, split=self.split, digest=self.digest, job=self.job)

    def mark(self) -> Path:
        """Return the path of the last shard's manifest in the first format."""
        return paths.shard_mark(self.folder, self.split_job.outputs[0].digest, self.stop - 1)

    def document(self) -> ShardMark | None:
        """Return the last shard's manifest in the first format, if no shard lacks any format."""
        found: ShardMark | None = None
        for shard in range(self.first, self.stop):
            documents = [self._found(output, shard) for output in self.split_job.outputs]
            found = documents[0]
            if None in documents:
                return None
        return found

    def make(self) -> None:
        """Write the shards that are missing."""
        with self.forgetting(self.plan):
            path = paths.plan_mark(self.folder, self.split, self.digest)
            mark = manifest.read(path, PlanMark)
            if len(mark.shards) != self.split_job.shards:
                raise OutputDamaged("the plan is of another number of shards", file=str(path))
        for shard in range(self.first, self.stop):
            job = self.split_job
            missing = [output for output in job.outputs if self._found(output, shard) is None]
            if missing:
                with self.noting(f"{self.split} {shard}") as volume:
                    self._write(shard, missing, mark.shards[shard], volume)

    def _write(self, shard: int, missing: list[Output], expected: str, volume: Volume) -> None:
        job, name = self.split_job, ShardName(self.split, shard, self.split_job.shards)
        with self.forgetting(self.plan):
            planned = paths.plan(self.folder, self.split, self.digest)
            rows = plan.read_shard(planned, shard, expected)
        with (
            self.counter(rows.num_rows, "images") as progress,
            verifying_again(self, job),
        ):
            volume.images = shards.write_shard(
                self.folder,
                name,
                rows,
                self.resolved.root,
                missing,
                verified=seen_images(self, job),
                members=self._members,
                whole_files=job.source.whole_files,
                on_bad_image=self.on_bad_image,
                progress=progress,
                keep=partial(self._keep_sources, shard) if job.source.whole_files else None,
            )
        volume.bytes = sum(
            info.size
            for output in missing
            for file in output.files(name)[:1]
            if (info := storage.stat(file))
        )

    @cached_property
    def _members(self) -> KnownMembers:
        """What the images were when their archives were verified; read once for all shards."""
        return known_members(self, self.split_job)

    def _keep_sources(self, shard: int, found: pa.Table) -> Document:
        """Keep what a shard is made of; other formats of other images are withdrawn."""
        family, root = str(self.digest), self.resolved.root
        contents = found["content"].to_pylist()
        others = earlier.of_others(self.folder, self.split_job, shard, contents)
        try:
            if others:
                raise partsources.differ(root)
            return partsources.keep(self.folder, family, shard, found, root)
        except SourcesDiffer:
            outputs = (output.digest for output in self.split_job.outputs)
            families = dict.fromkeys((*outputs, *others), family)
            withdrawal.withdraw(self.folder, {family: [shard]}, families)
            raise

    def _found(self, output: Output, shard: int) -> ShardMark | None:
        return outputs.shard_document(self.folder, output, shard)


class WriteManifest(SplitTask):
    """The manifest of one output; `digest` is the output's. It waits for every shard."""

    format: luigi.Parameter[str] = luigi.Parameter(description="shard format")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(description="fail or skip")
    step = "manifest"
    document_kind = OutputManifest

    @property
    def product(self) -> Output:
        """The output that is finished here."""
        return self.split_job.output(self.format)

    def requires(self) -> list[WriteShards]:
        """Return the tasks that write the shards."""
        job = self.split_job
        wanted = ",".join(f"{output.format}={output.digest}" for output in job.outputs)
        return [
            WriteShards(
                out=self.out,
                split=self.split,
                digest=job.plan_digest,
                first=first,
                stop=stop,
                outputs=wanted,
                on_bad_image=self.on_bad_image,
                job=self.job,
            )
            for first, stop in job.shard_groups()
        ]

    def mark(self) -> Path:
        """Return the path of the manifest."""
        return paths.manifest(self.product.folder)

    def document(self) -> OutputManifest | None:
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

    def document(self) -> OutputManifest | None:
        """Return the manifest, if the link points to it and it is complete."""
        if storage.pointed(self.mark()) != self.digest:
            return None
        return outputs.document(self.resolved.splits[self.split].output(self.format))

    def make(self) -> Volume:
        """Set the link."""
        storage.point(self.mark(), self.digest)
        return Volume()
