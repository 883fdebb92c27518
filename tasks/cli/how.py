"""How a command that prepares shards is run: by how many processes, and beside which others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pipeline import plaintext
from pipeline.errors import ShardmillError, UsageError, abbreviate
from pipeline.job.build import build_job
from pipeline.job.options import Job
from pipeline.job.table.options import options_of
from pipeline.state import run_pruning
from pipeline.storage import Location
from tasks.cli import report
from tasks.cli.options import processes, split_run_options
from tasks.cli.saying import say
from tasks.engines import address as engines
from tasks.engines.address import EngineAddress
from tasks.phases import PREPARING, ByEngine, Phase
from tasks.run import scheduler, settings
from tasks.run.exchange import Address
from tasks.run.standby import Standby
from tasks.run.supervisor import Supervisor


@dataclass(frozen=True)
class How:
    """How a command is run.

    Attributes:
        workers: how many processes work.
        address: of a luigid; None: the command works alone.
        engine: what writes the shards on other hosts; None: they are written here.
        no_overlap: whether nothing is done while another command is at work.
        dry_run: whether nothing is done at all.
        keep_runs: of how many ended commands the logs stay; None: of all.
        began: when, by the monotonic clock.
    """

    workers: int
    address: Address | None
    engine: EngineAddress | None
    no_overlap: bool
    dry_run: bool
    keep_runs: int | None = None
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(
        cls,
        *,
        workers: int | None,
        scheduler_host: str,
        cluster: str,
        no_overlap: bool,
        dry_run: bool,
        keep_runs: int | None,
    ) -> Self:
        """Return what the options mean.

        Raises:
            UsageError: the scheduler is no host, or the cluster no address.
        """
        address = scheduler.address_of(scheduler_host) if scheduler_host else None
        engine = engines.parse(cluster) if cluster else None
        return cls(processes(workers), address, engine, no_overlap, dry_run, keep_runs)

    def check(self, job: Job) -> None:
        """Check what else is asked for beside an engine.

        Raises:
            UsageError: it contradicts that, or Dask is not installed.
        """
        if self.engine is None:
            return
        contradictions = {
            "--cluster writes shards: leave --until out": not job.wants("shards"),
            "--cluster and --scheduler-host contradict each other: leave one out": (
                self.address is not None
            ),
            "--cluster reads archives where its workers see them: leave --stage out": bool(
                job.remote.stage_folder
            ),
        }
        for what, is_so in contradictions.items():
            if is_so:
                raise UsageError(what)
        engines.check_installed()

    def tidy_up(self, out: Location, status: int) -> int:
        """Remove the logs that need not stay, if a command is complete; return its exit status."""
        if self.keep_runs is None or self.dry_run:
            return status
        if status in {report.COMPLETE, report.LEFT_OUT}:
            try:
                run_pruning.prune(out, self.keep_runs)
            except ShardmillError as error:  # the work and its status are the same
                say(f"logs of earlier commands were not removed: {error.brief}", err=True)
        return status

    def begin(self) -> None:
        """Say what is not taken of Luigi's settings; wait for the luigid; look for the engine.

        Raises:
            ShardmillError: one of them does not answer.
        """
        if left_out := settings.apply_users_settings():
            tell(
                f"luigi.cfg of the working folder: {abbreviate(map(plaintext.beginning, left_out))}"
                ": not taken from there; the file that LUIGI_CONFIG_PATH names is taken whole"
            )
        if self.address is not None:
            scheduler.wait_for(self.address, tell)
        if self.engine is not None:
            engines.check(self.engine)

    def supervisor(
        self, job: Job, phase: Phase | None = None, standby: Standby | None = None
    ) -> Supervisor:
        """Return what has workers carry out a job, or a part of it; `standby` may be the first."""
        began = self.began
        if phase is None:
            phase = PREPARING if self.engine is None else ByEngine(str(self.engine))
        return Supervisor(job, self.workers, self.address, phase, began=began, standby=standby)


def asked_for(command: str, given: Mapping[str, Any]) -> tuple[Job, How]:
    """Return what the options of a command ask for, and how that is to be run.

    Raises:
        UsageError: they mean nothing, or contradict each other.
    """
    values, run = split_run_options(options_of(command), given)
    job, how = build_job(command, values), How.of(**run)
    how.check(job)
    return job, how


def tell(text: str) -> None:
    """Say at once what a person should know."""
    say(text, err=True)
