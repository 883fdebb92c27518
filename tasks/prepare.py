"""The root of a job's tasks: it requires the last task of each artifact."""

from __future__ import annotations

import logging
from typing import Final

import luigi
from luigi.parameter import ParameterVisibility

from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.quantities import counted, verb
from pipeline.state.inventory import Inventory
from tasks import annotations as boxes
from tasks import (
    archives,
    class_tables,
    exports,
    joined,
    lists,
    segments,
    shards,
    trees,
)
from tasks.artifact_tasks import ShardmillTask, tasks_of
from tasks.base import JobParameter

STEPS: Final = (*(boxes, archives, class_tables, exports, joined, lists, segments, shards, trees),)
"""The modules that define the steps: each fills the table of tasks when it is imported."""
logger = logging.getLogger("luigi-interface")


class Prepare(luigi.WrapperTask):
    """Everything that a job asks for.

    It is complete when every output's manifest is whole and `current` points to it, which
    takes two listings an output however many shards there are, and when every other product
    is finished and there.
    """

    out: luigi.Parameter[str] = luigi.Parameter(description="output folder")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the job")
    job: JobParameter = JobParameter(
        significant=False, visibility=ParameterVisibility.HIDDEN, description="the whole job"
    )

    def requires(self) -> list[ShardmillTask]:
        """Return the last task of each product."""
        return leaf_tasks(self.job)

    def run(self) -> None:
        """Say how many images were left out, which ``shardmill`` says with its status."""
        resolved = resolve(self.job)
        inventory = Inventory(resolved)
        for split, output in resolved.outputs:
            document = inventory.manifest(split.name, output.format)
            left_out = document.counts.left_out if document else 0
            if left_out:
                logger.warning(
                    "%s: %s %s left out of %s: the output is complete without that",
                    *(split.name, counted(left_out, "image"), verb(left_out, "was", "were")),
                    output.folder,
                )


def leaf_tasks(job: Job) -> list[ShardmillTask]:
    """Return the last task of each product of a job."""
    resolved = resolve(job)
    return tasks_of(resolved, resolved.graph.last)


def is_complete(job: Job) -> bool:
    """Return whether everything a job asks for is there: the truth for an exit status."""
    return Inventory(resolve(job)).complete
