"""The steps that write: a shard in all wanted formats, and the manifest of a whole split."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any, Self

import luigi
import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog import plan
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import PlanMark
from pipeline.errors import OutputDamaged, SourcesDiffer
from pipeline.job.artifacts import LINK, MANIFEST, PLAN, SHARDS, Artifact, name_of
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import Document
from pipeline.paths import ShardName
from pipeline.shards import finish as outputs
from pipeline.shards import part_sources as partsources
from pipeline.shards import two_hosts
from pipeline.shards import write as shards
from pipeline.shards.output import Output
from pipeline.state import inventory, withdrawal
from pipeline.storage import Location
from tasks.archives import seen_images, verifying_again
from tasks.artifact_tasks import ShardmillTask
from tasks.base import Volume
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
    makes = SHARDS
    document_kind = ShardMark

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return a task for each group of shards."""
        job, split = resolved.job, resolved.splits[artifact.split]
        wanted = ",".join(f"{output.format}={output.digest}" for output in split.outputs)
        return [
            cls(
                out=job.out,
                split=split.name,
                digest=artifact.digest,
                first=first,
                stop=stop,
                outputs=wanted,
                on_bad_image=job.on_bad_image,
                job=job,
            )
            for first, stop in split.shard_groups()
        ]

    @property
    def plan(self) -> ShardmillTask:
        """The task that makes the plan that the shards are part of."""
        (task,) = self.needed(PLAN)
        return task

    def mark(self) -> Location:
        """Return the path of the last shard's manifest in the first format."""
        return paths.shard_mark(self.folder, self.split_job.outputs[0].digest, self.stop - 1)

    def document(self) -> ShardMark | None:
        """Return the last shard's manifest in the first format, if no shard lacks any format."""
        shards = range(self.first, self.stop)
        return inventory.shards(self.resolved, self.artifact, shards)

    def make(self) -> None:
        """Write the shards that are missing."""
        with self.invalidating(self.plan):
            path = paths.plan_mark(self.folder, self.split, self.digest)
            mark = manifest.read(path, PlanMark)
            if len(mark.shards) != self.split_job.shards:
                raise OutputDamaged("the plan is of another number of shards", file=str(path))
        job, written = self.split_job, list[tuple[Output, ShardName]]()
        for shard in range(self.first, self.stop):
            missing = [output for output in job.outputs if self._found(output, shard) is None]
            if missing:
                with self.noting(f"{self.split} {shard}") as volume:
                    self._write(shard, missing, mark.shards[shard], volume)
                name = ShardName(self.split, shard, job.shards)
                written += [(output, name) for output in missing]
        two_hosts.check_shards(self.folder, job, written)

    def _write(self, shard: int, missing: list[Output], expected: str, volume: Volume) -> None:
        job, name = self.split_job, ShardName(self.split, shard, self.split_job.shards)
        with self.invalidating(self.plan):
            planned = paths.plan(self.folder, self.split, self.digest)
            rows = plan.read_shard(planned, shard, expected)
        two_hosts.before_shard(self.folder, missing, name)
        with (
            self.counter(rows.num_rows, "images", f"{self.split} {shard}") as progress,
            verifying_again(self),
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
                why_absent=job.source.why_absent,
            )
        volume.bytes = sum(
            info.size
            for output in missing
            for file in output.files(name)[:1]
            if (info := storage.stat(file))
        )

    @cached_property
    def _members(self) -> KnownContents:
        """What the images were when they were verified; read once for all shards."""
        return self.split_job.source.known_contents(self.folder)

    def _keep_sources(self, shard: int, found: pa.Table) -> Document:
        """Keep what a shard is made of; other formats of other images are withdrawn."""
        family = self.split_job.shards_digest
        try:
            return partsources.keep(self.folder, family, shard, found, self.resolved.root)
        except SourcesDiffer:
            families = {output.digest: family for output in self.split_job.outputs}
            withdrawal.withdraw(self.folder, {family: [shard]}, families)
            raise

    def _found(self, output: Output, shard: int) -> ShardMark | None:
        return outputs.shard_document(self.folder, output, shard)


class WriteManifest(SplitTask):
    """The manifest of one output; `digest` is the output's. It waits for every shard."""

    format: luigi.Parameter[str] = luigi.Parameter(description="shard format")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(description="fail or skip")
    makes = MANIFEST
    document_kind = OutputManifest

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an output."""
        return {**super().named(artifact), "format": artifact.variant}

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return the task that finishes an output."""
        job, named = resolved.job, cls.named(artifact)
        return [cls(out=job.out, on_bad_image=job.on_bad_image, job=job, **named)]

    @property
    def artifact_name(self) -> str:
        """The name of the manifest, in its job."""
        return name_of(MANIFEST, str(self.split), str(self.format))

    @property
    def product(self) -> Output:
        """The output that is finished here."""
        return self.split_job.output(self.format)

    def make(self) -> Volume:
        """Merge the shards' manifests and facts."""
        document = outputs.finish(self.resolved, self.split_job, self.product)
        two_hosts.check_manifest(self.folder, self.split_job, self.product)
        return Volume(document["counts"]["records"], document["counts"]["bytes"])


class SetCurrent(SplitTask):
    """`current` points to a complete output: the path that a training script uses."""

    format: luigi.Parameter[str] = luigi.Parameter(description="shard format")
    makes = LINK

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an output."""
        return {**super().named(artifact), "format": artifact.variant}

    @property
    def artifact_name(self) -> str:
        """The name of the link, in its job."""
        return name_of(LINK, str(self.split), str(self.format))

    def make(self) -> Volume:
        """Set the link."""
        storage.point(self.mark(), self.digest)
        return Volume()
