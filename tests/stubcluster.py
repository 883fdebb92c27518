"""A Dask cluster that is this process, whether Dask is installed or not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from pipeline.errors import ShardmillError
from tasks.engines import address, there
from tasks.engines.address import EngineAddress
from tasks.engines.engine import Function


@dataclass
class StubCluster:
    """Does at once what is submitted, or holds it for good.

    Attributes:
        count: of its workers.
        failures: what its futures hold, for each submission of a shard in turn.
        refused: why no shard can be written.
        holds: whether nothing of it ever ends.
        shards: what was submitted, in order.
        requests: the jobs of these.
        at: where somebody has connected to it.
    """

    count: int = 2
    failures: dict[int, list[Exception]] = field(default_factory=dict)
    refused: ShardmillError | None = None
    holds: bool = False
    shards: list[tuple[str, int]] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    at: list[EngineAddress] = field(default_factory=list)

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Call the function, unless a failure is left for the shard."""
        self.shards.append((split, shard))
        self.requests.add(job)
        future = Future[int]()
        failures = self.failures.get(shard)
        failure = failures.pop(0) if failures else self.refused
        if failure is not None:
            future.set_exception(failure)
        elif not self.holds:
            try:
                future.set_result(function(job, split, shard))
            except ShardmillError as error:
                future.set_exception(error)
        return future

    def workers(self) -> int:
        """Return how many there are."""
        return self.count


def stand_in(patch: pytest.MonkeyPatch) -> StubCluster:
    """Have a stub be the cluster at each address; return it."""
    stub = StubCluster()

    @contextmanager
    def connected(at: EngineAddress, tell: Callable[[str], None]) -> Iterator[StubCluster]:
        del tell
        stub.at.append(at)
        yield stub

    module = ModuleType("tasks.engines.dask")
    module.connected = connected  # type: ignore[attr-defined]
    patch.setitem(sys.modules, module.__name__, module)
    patch.setattr(module.__name__, module, raising=False)
    patch.setattr(address, "find_spec", lambda _: True)
    patch.setattr(address, "check", lambda _: None)
    there._works.cache_clear()
    return stub
