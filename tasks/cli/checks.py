"""How the checks of ``shardmill verify`` are done: in processes, with a bar on a terminal."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from pipeline.job.options import Job
from pipeline.verification.reading import Check
from tasks.cli.display import counting_display
from tasks.cli.reaching import Reached

_AT_ONCE = 4  # shards handed to a process at a time


@dataclass(frozen=True)
class Checks:
    """Runs checks in the processes of a pool.

    Attributes:
        pool: the processes.
        twice: whether what a check finds counts only if it finds something again: what comes from a
            store may have been damaged on the way.
    """

    pool: ProcessPoolExecutor
    twice: bool = False

    def __call__(self, name: str, checks: Sequence[Callable[[], Check]]) -> Iterator[Check]:
        """Yield what the checks of a file give, in their order; `name` is what the bar says."""
        results = self.pool.map(partial(_call, twice=self.twice), checks, chunksize=_AT_ONCE)
        with counting_display(f"verify {name}", "checks") as tell:
            for done, result in enumerate(results, 1):
                yield result
                tell(done, len(checks))


def _call(check: Callable[[], Check], *, twice: bool) -> Check:
    result = check()
    return check() if twice and result.findings else result


def new_processes(
    workers: int | None, reached: Reached, jobs: Sequence[Job]
) -> ProcessPoolExecutor:
    """Return processes for checks, which reach remote places as the last of some jobs does.

    Args:
        workers: how many; None: the CPUs.
        reached: the output folder.
        jobs: its jobs, the one that was started last at the end.
    """
    as_last = replace(reached, options=jobs[-1].remote) if jobs else reached
    as_last.use()
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=as_last.use)
