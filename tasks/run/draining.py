"""Asks the tasks of a worker to stop where another worker can go on: between two shards.

It is a byte that a worker shares with the processes that it forks. A signal would end them in the
middle of a shard, and whoever stops a host sends one to all of its processes.
"""

from __future__ import annotations

import mmap
from typing import Final

_FLAG: Final = [mmap.mmap(-1, 1)]


def begin() -> None:
    """Have this process, and those that it forks from now on, share a byte of their own."""
    _FLAG[0] = mmap.mmap(-1, 1)


def ask() -> None:
    """Have the tasks of this worker begin no further shard; those of other workers go on."""
    _FLAG[0][0] = 1


def is_asked() -> bool:
    """Whether a task is to stop after what it is writing; what it has not begun is not done."""
    return bool(_FLAG[0][0])
