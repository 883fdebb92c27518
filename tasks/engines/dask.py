"""The engine of a Dask cluster: the one module that knows Dask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import distributed

from pipeline.errors import EnvironmentRefused, UsageError
from tasks.engines.address import PATIENCE_S, EngineAddress, check, refused
from tasks.engines.cluster import WorkerLost
from tasks.engines.engine import Function

_ANSWER_S: Final = 60.0  # in which a scheduler says something that it knows
_GONE: Final = (CancelledError, OSError, RuntimeError)  # what a client raises that has lost it


@dataclass(frozen=True)
class Dask:
    """Carries functions out in the workers of a Dask cluster; see `Cluster`.

    Attributes:
        address: of its scheduler.
        client: connected to that.
    """

    address: EngineAddress
    client: Any

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Have a function called in one of its workers; see `Cluster`."""
        future = Future[int]()
        try:
            remote = self.client.submit(function, job, split, shard, pure=False)
            remote.add_done_callback(partial(self._pass_on, future))
        except _GONE as error:
            future.set_exception(self._gone(error))
        return future

    def workers(self) -> int:
        """Return how many workers there are now; see `Cluster`."""
        return len(self.threads())

    def threads(self) -> dict[str, int]:
        """Return how many threads each worker has; raise that the scheduler does not answer."""
        try:
            asked = self.client.scheduler.ncores
            return dict(self.client.sync(asked, callback_timeout=_ANSWER_S))
        except (*_GONE, AttributeError) as error:  # a closed client has no scheduler
            raise self._gone(error) from error

    def _pass_on(self, future: Future[int], remote: Any) -> None:
        """Let a future end as that of Dask has ended."""
        try:
            future.set_result(remote.result(timeout=_ANSWER_S))
        except (distributed.KilledWorker, TimeoutError) as error:  # or its result went with it
            future.set_exception(WorkerLost(str(error)))
        except (CancelledError, distributed.comm.CommClosedError) as error:
            future.set_exception(self._gone(error))
        except (ImportError, AttributeError) as error:
            future.set_exception(_other_program(error))
        except Exception as error:  # noqa: BLE001 - whatever the function has raised
            future.set_exception(error)

    def _gone(self, error: BaseException) -> EnvironmentRefused:
        return EnvironmentRefused(
            f"the Dask scheduler at {self.address} has gone away, or forgotten what it was given",
            found=str(error) or type(error).__name__,
            remedy="start it again, and run the same command again: it goes on",
        )


@contextmanager
def connected(address: EngineAddress, tell: Callable[[str], None]) -> Iterator[Dask]:
    """Be connected to a cluster in this context; it forgets then what is still to be done."""
    check(address)
    try:
        client = distributed.Client(address.url, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, TypeError, ValueError, RuntimeError) as error:  # or it is a worker of Dask
        raise refused(address, str(error)) from error
    engine = Dask(address, client)
    try:
        if threaded := sum(count > 1 for count in engine.threads().values()):
            tell(f"{threaded:,} Dask workers have more than one thread, and use one: --nthreads 1")
        yield engine
    finally:
        with suppress(*_GONE):
            client.close(timeout=PATIENCE_S)


def _other_program(error: Exception) -> UsageError:
    what = "the Dask scheduler or a worker has another program than this one, or none"
    remedy = "run both in environments with the same version of shardmill and its extra dask"
    return UsageError(what, found=str(error), remedy=remedy)
