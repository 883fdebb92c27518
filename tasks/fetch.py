"""Fetching the archives of a data set as tasks of Luigi, for who has them fetched before a job.

    luigi --module tasks FetchArchives --raw RAW --only devkit

Headers are named by their file, so that no secret is a parameter.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

import luigi

from pipeline.job.table.fetch import FETCH_OPTIONS
from pipeline.job.table.option import FETCH
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan, plan_of
from pipeline.storage.http.fetch.session import Session
from tasks.parameters import given, takes
from tasks.run.processes import die_with_worker, ending_for_good

logger = logging.getLogger("luigi-interface")
_SHARED = tuple(option for option in FETCH_OPTIONS if option.flag != "--only")
_WHAT = {"config", "raw", "out", "only"}  # all else says how it is fetched
_HOW = tuple(option.name for option in FETCH_OPTIONS if option.name not in _WHAT)


@takes(FETCH, *(option.flag for option in _SHARED), unnamed=_HOW)
class FetchRoot(luigi.Task):
    """What is fetched, and how: the options of ``shardmill fetch``, by the same names."""

    def values(self, **more: Any) -> dict[str, Any]:
        """Return the values of the options, and more of them.

        Raises:
            UsageError: a text means nothing.
        """
        return {**given(self, FETCH), **more}


class FetchedTarget(luigi.Target):
    """An archive that was fetched, or found to have the right MD5, and looks as it did then."""

    def __init__(self, task: FetchArchive) -> None:
        self._task = task

    def exists(self) -> bool:
        """Whether it is there."""
        return fetching.is_there(self._task.plan, self._task.plan.archives[0])


class FetchArchive(FetchRoot):
    """One archive is there, and has its MD5."""

    archive: luigi.Parameter[str] = luigi.Parameter(description="name in the configuration")

    @cached_property
    def plan(self) -> FetchPlan:
        """What is to be fetched."""
        return plan_of(self.values(only=(str(self.archive),)))

    def output(self) -> FetchedTarget:
        """Return the archive as Luigi's target."""
        return FetchedTarget(self)

    def run(self) -> None:
        """Fetch it, unless it is there."""
        from pipeline.storage.http.transfer import Transfer  # noqa: PLC0415 - libcurl: not before

        die_with_worker()
        with ending_for_good():
            plan = self.plan
            with Transfer(plan.connections) as transfer:
                session = Session(transfer, plan.connections, plan.rate, say=logger.info)
                fetching.fetch(plan, plan.archives[0], session)


@takes(FETCH, "--only")
class FetchArchives(FetchRoot, luigi.WrapperTask):
    """Every archive is there, and has its MD5."""

    def requires(self) -> list[FetchArchive]:
        """Return a task for each archive."""
        plan = plan_of(self.values())
        plan.check()
        shared = {option.name: getattr(self, option.name) for option in _SHARED}
        return [FetchArchive(archive=archive.name, **shared) for archive in plan.archives]
