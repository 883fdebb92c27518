"""The step that writes a part of the shards of a job, and has Luigi hand out none of them."""

from __future__ import annotations

import luigi

from pipeline.job.artifacts import SHARDS
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.shards.part import parse
from tasks.artifact_tasks import ShardmillTask, tasks_of
from tasks.base import JobTask
from tasks.engines import parts
from tasks.engines.processes import processes
from tasks.run.processes import notice, worker_count


class WritePart(JobTask):
    """The shards of a part in every format, and then what is missing of others.

    It is never complete before it has run: what others have left is only seen then.
    """

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the job")
    part: luigi.Parameter[str] = luigi.Parameter(description="I/N")

    @property
    def step(self) -> str:
        """What it does, for reports."""
        return "shards"

    def requires(self) -> list[ShardmillTask]:
        """Return what makes the plans, and what looks at the images; all of it is there."""
        return before_shards(resolve(self.job))

    def complete(self) -> bool:
        """Whether nothing is to be done, which nobody knows before."""
        return False

    def make(self) -> None:
        """Write the shards."""
        with processes(worker_count()) as engine:
            parts.carry_out(resolve(self.job), parse(str(self.part), {}), engine, notice)


def before_shards(resolved: ResolvedJob) -> list[ShardmillTask]:
    """Return the tasks that make what the shards of a job are made of."""
    shards = resolved.graph.of_kind(SHARDS)
    names = dict.fromkeys(need for artifact in shards for need in artifact.needs)
    return tasks_of(resolved, names)
