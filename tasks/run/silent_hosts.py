"""Which hosts a ``luigid`` has not heard of for a while, though they have tasks of a job."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pipeline import plaintext
from pipeline.errors import ShardmillError
from tasks.run import exchange
from tasks.run.exchange import Address, Limits

Ask = Callable[[Address, str, Mapping[str, object], Limits], Any]
_SILENT_S: Final = 30.0
"""A worker says every five seconds that it lives; as shipped, its tasks are given away after 90."""
_EVERY_S: Final = 10.0
_MOST_NAMED: Final = 20  # hosts; whoever reaches a luigid can invent any number
_LIMITS: Final = Limits(silence_s=2.0, answer_s=2.0)


class SilentHosts:
    """Names each host once when it falls silent, and again when it does after it was heard of.

    What a luigid answers decides nothing: an answer that is none of its is passed over.

    Args:
        address: of the luigid.
        out: the output folder, as the tasks of the job have it.
        ask: one exchange with the luigid.
    """

    def __init__(self, address: Address, out: str, ask: Ask = exchange.ask) -> None:
        self._address, self._out, self._ask = address, out, ask
        self._named = set[str]()
        self._next = 0.0

    def fallen_silent(self) -> list[str]:
        """Return a line for each host that has fallen silent; it is asked every ten seconds."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + _EVERY_S
        try:
            answer = self._ask(self._address, "worker_list", {"include_running": True}, _LIMITS)
        except ShardmillError:  # that it is lost is said elsewhere
            return []
        silent = dict(_silent(answer, self._out))
        lines = [
            f"host {host} silent for {seconds:.0f} s: other hosts take over what it was doing"
            for host, seconds in silent.items()
            if host not in self._named
        ]
        self._named = set(silent)
        return lines


def _silent(answer: Any, out: str) -> Iterator[tuple[str, float]]:
    """Yield hosts that have tasks of an output folder, and for how long nothing was heard of them.

    The clock of the luigid may be another: the worker that was heard of last is taken as now. This
    command has one itself.
    """
    workers = (
        [each for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []
    )
    heard = [(each, at) for each in workers if (at := _seconds(each.get("last_active")))]
    now = max((at for _, at in heard), default=0.0)
    named = 0
    for worker, at in heard:
        if now - at > _SILENT_S and named < _MOST_NAMED and _has_tasks(worker, out):
            named += 1
            yield plaintext.beginning(worker.get("host") or "of no name"), now - at


def _seconds(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else 0.0  # type: ignore[arg-type]


def _has_tasks(worker: Mapping[str, Any], out: str) -> bool:
    running = worker.get("running")
    tasks = running.values() if isinstance(running, dict) else ()
    params = (task.get("params") for task in tasks if isinstance(task, dict))
    return any(isinstance(each, dict) and each.get("out") == out for each in params)
