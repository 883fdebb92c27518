"""Fetching the archives of a data set as tasks of Luigi, for who has them fetched before a job.

    luigi --module tasks FetchArchives --raw RAW --only devkit

Headers are named by their file, so that no secret is a parameter.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

import luigi

from pipeline.job.choices import words
from pipeline.job.table.fetch import FETCH_OPTIONS
from tasks.parameters import ListParameter
from tasks.run.processes import die_with_worker

logger = logging.getLogger("luigi-interface")
_HELP = {option.name: option.summary.replace("%", "%%") for option in FETCH_OPTIONS}


class FetchRoot(luigi.Task):
    """What is fetched, and how: the options of ``shardmill fetch``, by the same names."""

    raw: luigi.Parameter[str] = luigi.Parameter(description=_HELP["raw"])
    config: luigi.Parameter[str] = luigi.Parameter(default="", description=_HELP["config"])
    out: luigi.Parameter[str] = luigi.Parameter(default="", description=_HELP["out"])
    mirror: ListParameter = ListParameter(
        default="", significant=False, description=_HELP["mirror"]
    )
    header: ListParameter = ListParameter(
        default="", significant=False, description=_HELP["header"]
    )
    netrc: luigi.BoolParameter = luigi.BoolParameter(significant=False, description=_HELP["netrc"])
    connections: luigi.IntParameter = luigi.IntParameter(
        default=4, significant=False, description=_HELP["connections"]
    )
    limit_rate: luigi.Parameter[str] = luigi.Parameter(
        default="", significant=False, description=_HELP["limit_rate"]
    )

    def values(self, only: tuple[str, ...]) -> dict[str, Any]:
        """Return the values of the options, of some archives."""
        given: dict[str, Any] = {name: getattr(self, name) for name in _HELP if name != "only"}
        lists = {name: words(str(given[name])) for name in ("mirror", "header")}
        return {**given, **lists, "only": only}


class FetchedTarget(luigi.Target):
    """An archive that was fetched, or found to have the right MD5, and looks as it did then."""

    def __init__(self, task: FetchArchive) -> None:
        self._task = task

    def exists(self) -> bool:
        """Whether it is there."""
        from pipeline.state import fetching  # noqa: PLC0415 - libcurl: only where it is used

        return fetching.is_there(self._task.plan, self._task.plan.archives[0])


class FetchArchive(FetchRoot):
    """One archive is there, and has its MD5."""

    archive: luigi.Parameter[str] = luigi.Parameter(description="name in the configuration")

    @cached_property
    def plan(self) -> Any:
        """What is to be fetched."""
        from pipeline.state.fetch_plan import plan_of  # noqa: PLC0415

        return plan_of(self.values((str(self.archive),)))

    def output(self) -> FetchedTarget:
        """Return the archive as Luigi's target."""
        return FetchedTarget(self)

    def run(self) -> None:
        """Fetch it, unless it is there."""
        from pipeline.state import fetching  # noqa: PLC0415
        from pipeline.storage.http.fetch.means import Means  # noqa: PLC0415
        from pipeline.storage.http.transfer import Transfer  # noqa: PLC0415

        die_with_worker()
        plan = self.plan
        with Transfer(plan.connections) as transfer:
            means = Means(transfer, plan.connections, plan.rate, say=logger.info)
            fetching.fetch(plan, plan.archives[0], means)


class FetchArchives(FetchRoot, luigi.WrapperTask):
    """Every archive is there, and has its MD5."""

    only: ListParameter = ListParameter(default="", description=_HELP["only"])

    def requires(self) -> list[FetchArchive]:
        """Return a task for each archive."""
        from pipeline.state.fetch_plan import plan_of  # noqa: PLC0415

        plan = plan_of(self.values(words(str(self.only))))
        plan.check()
        given = {name: getattr(self, name) for name in _HELP if name != "only"}
        return [FetchArchive(archive=archive.name, **given) for archive in plan.archives]
