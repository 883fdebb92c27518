"""How the checks of ``shardmill verify`` are done: in processes, with a bar on a terminal."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, replace

from pipeline.job.options import Job
from pipeline.verification.reading import Check
from tasks.cli.display import LOOK_EVERY_S, counting_display
from tasks.cli.reaching import Reached

_AT_ONCE = 4  # shards handed to a process at a time, of many
_MANY = 64


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
        at_once = _AT_ONCE if len(checks) >= _MANY else 1  # of a few each is soon seen to be done
        parts = [
            self.pool.submit(_called, checks[first : first + at_once], twice=self.twice)
            for first in range(0, len(checks), at_once)
        ]
        done = 0
        with counting_display(f"verify {name}", "checks") as tell:
            for part in parts:
                while not part.done():
                    wait([part], LOOK_EVERY_S)
                    tell(done, len(checks))
                for result in part.result():
                    yield result
                    done += 1
                    tell(done, len(checks))


def _called(checks: Sequence[Callable[[], Check]], *, twice: bool) -> list[Check]:
    return [_call(check, twice=twice) for check in checks]


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
