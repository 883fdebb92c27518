"""The engine of this machine: processes that are forked from the one that decides."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.engines.engine import Function
from tasks.run.processes import die_with_worker, show_as


@dataclass(frozen=True)
class Processes:
    """Carries functions out in processes of this machine.

    Attributes:
        slots: how many there are.
        pool: they themselves.
    """

    slots: int
    pool: ProcessPoolExecutor

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Have a function called in one of them; see `Engine`.

        Where one of them has died, none is called, and the future holds that.
        """
        try:
            return self.pool.submit(function, job, split, shard)
        except BrokenProcessPool as error:
            future = Future[int]()
            future.set_exception(error)
            return future


@contextmanager
def processes(count: int) -> Iterator[Processes]:
    """Have so many processes in this context; none outlives the one that forks them."""
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield Processes(count, pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    die_with_worker()
    show_as("shards")
