"""Many short questions to a file system: one after another, or many at once where each one waits.

On a local disk whose answers are in memory, threads only cost: each question takes less time than
it takes to hand over the interpreter. A file server takes a hundred times as long to answer, and
answers many at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_THREADS: Final = 16
_PROBED: Final = 15  # questions that are asked one by one, to see how long the answers take
_WAIT_S: Final = 100e-6  # an answer that takes so long has not come out of memory
_AT_ONCE: Final = 128  # questions that a thread asks in a row

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def spread(
    ask: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item]
) -> list[_Result]:
    """Return what `ask` returns for the items, of whatever thread, in their order.

    Args:
        ask: returns a result for each of some items.
        items: all of them.
    """
    results: list[_Result] = []
    times = []
    for place in range(min(_PROBED, len(items))):
        begun = time.perf_counter()
        results += ask(items[place : place + 1])
        times.append(time.perf_counter() - begun)
    rest = items[len(results) :]
    if len(rest) <= _AT_ONCE or sorted(times)[len(times) // 2] < _WAIT_S:
        return [*results, *ask(rest)] if len(rest) else results
    parts = [rest[first : first + _AT_ONCE] for first in range(0, len(rest), _AT_ONCE)]
    with ThreadPoolExecutor(min(_THREADS, len(parts))) as pool:
        return [*results, *(result for part in pool.map(ask, parts) for result in part)]
