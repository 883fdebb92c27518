"""The steps of a job whose shards an engine writes on other hosts; everything else is made here."""

from __future__ import annotations

from collections.abc import Iterator

import luigi

from pipeline.job.artifacts import SHARDS
from pipeline.job.graph import Graph
from pipeline.job.resolve import resolve
from tasks.artifact_tasks import ShardmillTask, tasks_of
from tasks.base import JobTask
from tasks.engines import address, cluster, parts
from tasks.parts import before_shards
from tasks.prepare import Prepare, is_complete
from tasks.roots import prepare_task
from tasks.run.processes import notice


class WriteShardsElsewhere(JobTask):
    """The shards of all splits in every format; it only waits for the engine that writes them."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the job")
    engine: luigi.Parameter[str] = luigi.Parameter(description="address of the engine")

    @property
    def step(self) -> str:
        """What it does, for reports."""
        return "shards"

    def requires(self) -> list[ShardmillTask]:
        """Return what makes the plans, and what looks at the images."""
        return before_shards(resolve(self.job))

    def complete(self) -> bool:
        """Whether no shard is missing."""
        return not parts.missing(resolve(self.job))

    def make(self) -> None:
        """Have the shards written."""
        # Not before there is something to write: it takes a second or more.
        from tasks.engines import dask  # noqa: PLC0415

        with dask.connected(address.parse(str(self.engine)), notice) as engine:
            cluster.carry_out(resolve(self.job), engine, notice)


class PrepareElsewhere(JobTask):
    """Everything that a job asks for, with an engine for the shards.

    The tasks that write shards here are there, too, and find each one done.
    """

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the job")
    engine: luigi.Parameter[str] = luigi.Parameter(description="address of the engine")

    def requires(self) -> list[luigi.Task]:
        """Return the shards, and what is made beside them."""
        resolved = resolve(self.job)
        graph = resolved.graph
        beside = [name for name in graph.last if not _needs_shards(graph, name)]
        shards = WriteShardsElsewhere(
            out=self.out, digest=self.digest, engine=self.engine, job=self.job
        )
        return [shards, *tasks_of(resolved, beside)]

    def complete(self) -> bool:
        """Whether everything is there."""
        return is_complete(self.job)

    def run(self) -> Iterator[Prepare]:  # type: ignore[override]
        """Have everything made that comes after the shards."""
        yield prepare_task(self.job)


def _needs_shards(graph: Graph, name: str) -> bool:
    artifact = graph[name]
    return artifact.kind == SHARDS or any(_needs_shards(graph, need) for need in artifact.needs)
