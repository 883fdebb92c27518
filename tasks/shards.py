"""The steps that write: a shard in all wanted formats, and the manifest of a whole split."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any, Self

import luigi

from pipeline import paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.job.artifacts import LINK, MANIFEST, SHARDS, Artifact, name_of
from pipeline.job.resolve import ResolvedJob
from pipeline.shards import finish as outputs
from pipeline.shards import two_hosts
from pipeline.shards.output import Output
from pipeline.shards.publisher import Publisher
from pipeline.shards.work import Made, ShardWork
from pipeline.shards.write import UnpublishedShard, at_once
from pipeline.state import inventory, progress, sorted_segments, unverified
from pipeline.state.inventory import Inventory
from pipeline.state.shard_processes import processes_of_a_shard, shard_groups_left, work_left
from pipeline.storage import Location
from tasks.artifact_tasks import tasks_of
from tasks.base import Volume
from tasks.run import draining
from tasks.run.processes import worker_count
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

    def mark(self) -> Location:
        """Return the path of the last shard's manifest in the first format."""
        return paths.shard_mark(self.folder, self.split_job.outputs[0].digest, self.stop - 1)

    def document(self) -> ShardMark | None:
        """Return the last shard's manifest in the first format, if no shard lacks any format."""
        shards = range(self.first, self.stop)
        return inventory.shards(self.resolved, self.artifact, shards)

    def make(self) -> None:
        """Write the shards that are missing."""
        work, sizes = ShardWork(self.resolved, self.split_job), self.split_job.shard_sizes()
        made = list[Made]()
        with Publisher() as publisher:
            for shard in range(self.first, self.stop):
                if draining.is_asked():
                    break  # the worker gives the rest back
                if not work.lacking(shard):
                    continue
                name = f"{self.split} {shard}"
                if (processes := self._processes()) > 1:
                    publisher.wait()  # nothing is under way in a process that forks
                start = time.time()
                publish: Callable[[UnpublishedShard], None] = partial(self._publish, name, start)
                if storage.is_sent(self.folder):  # while the next one is written
                    publish = publisher.later(publish)
                with (
                    self.counter(sizes[shard], "images", name) as note,
                    unverified.waiting_for_md5(self.resolved, self.split_job),
                ):
                    made.append(work.make(shard, note, publish, processes))
                for output in made[-1].linked:
                    whose = f"{self.split} {output.format} {shard}"
                    self.note(whose, start, Volume(), progress.LINKING)
        work.confirm(made)

    def _publish(self, name: str, start: float, shard: UnpublishedShard) -> None:
        """Publish a shard, and note what was written since a time."""
        at_once(shard)
        self.note(name, start, Volume(shard.records, shard.bytes))

    def _processes(self) -> int:
        """Return how many processes prepare the images of the next shard, with this one."""
        workers, resolved = worker_count(), self.resolved
        if workers == 1 or not any(each.form.image.encodes for each in self.split_job.outputs):
            return 1
        if self._tasks_left(self.artifact) > workers // 2:
            return 1  # there is enough for all, as mostly: nothing else is looked for
        pending = Inventory(resolved).pending()
        return processes_of_a_shard(workers, *work_left(resolved.graph, pending, self._tasks_left))

    def _tasks_left(self, artifact: Artifact) -> int:
        """Return how many tasks an artifact that is not whole takes; some, if more than workers."""
        if artifact.kind == SHARDS:
            left = shard_groups_left(self.resolved, artifact)
            return sum(1 for _ in islice(left, worker_count() + 1))
        return len(tasks_of(self.resolved, [artifact.name]))


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
        sorted_segments.sweep(self.resolved)  # their room is given back as soon as that can be
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
