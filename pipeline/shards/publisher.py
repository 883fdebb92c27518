"""Publishes shards one after another, each in a thread while the next one is written.

To send a shard to a store takes about as long as to write it, and most of that is waiting. At most
one shard is on its way: so a process that is killed loses two, the one that is sent and the one
that is written, and its host keeps no more than these two.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

Given = TypeVar("Given")


class Publisher:
    """Carries out one piece of work at a time, in the order given, beside the thread that owns it.

    Its thread begins with the first piece and ends with the context. A process that forks must
    have no piece under way then: see `wait`.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "publish")
        self._under_way: Future[None] | None = None

    def later(self, work: Callable[[Given], None]) -> Callable[[Given], None]:
        """Return what begins a piece of work with what it is given; see `begin`."""
        return lambda given: self.begin(partial(work, given))

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a piece of work when the one before it is done.

        Raises:
            ShardmillError: what the one before has raised; then this one is not begun.
        """
        self.wait()
        self._under_way = self._executor.submit(work)

    def wait(self) -> None:
        """Wait for what is under way.

        Raises:
            ShardmillError: what it has raised.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for what is under way; its error counts, unless there is another one already."""
        self._executor.shutdown()
        if kind is None:
            self.wait()
