"""Who is at work on an output folder, on whichever host: each command says so while it is.

The lock of `pipeline.paths.run_lock` holds between commands of one host, and on some file systems
between hosts, too. Between all hosts hold leases: a small document of each command at work, with
its process, and a counter that it raises every `RENEW_S` seconds. Nobody relies on one for what is
written: a lease may be lost, left behind or made twice at any moment, and all that is published is
the same.

Clocks of two hosts do not agree. So a process of another host is gone when its counter did not
move for `PATIENCE_S` by the monotonic clock of whoever looks, who waits for that, and says so; one
of the same host, when it does not run.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline import manifest, paths, plaintext, storage
from pipeline.errors import ShardmillError
from pipeline.state import at_work
from pipeline.state.at_work import ALONE, AtWork
from pipeline.storage import Exchanged, Location

RENEW_S: Final = 15.0
"""Seconds after which a lease is renewed."""
PATIENCE_S: Final = 90.0
"""Seconds without renewal after which a process of another host is taken for gone."""
SETTLE_S: Final = 2.0
"""Seconds after which one who wrote reads again, where writing excludes nobody."""

_LOOK_AGAIN_S: Final = 3.0
_END_S: Final = 5.0  # that a renewal under way is waited for at the end


@dataclass
class Waiting:
    """How one who looks at leases waits; a test puts others in the place of both.

    Attributes:
        clock: returns seconds that only grow.
        sleep: waits for some seconds.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@contextlib.contextmanager
def stated(out: Location) -> Iterator[None]:
    """Say in this context that this process is at work on an output folder."""
    process = storage.this_process()
    name = f"{process.host}-{process.pid}-{process.place}-{process.birth}"
    with _Held(out, paths.lease(out, name)) as held:
        with contextlib.suppress(ShardmillError):  # who cannot say it can work nevertheless
            held.put()
        held.renew_from_now_on()
        yield


@contextlib.contextmanager
def alone(out: Location, waiting: Waiting | None = None) -> Iterator[AtWork | None]:
    """Say in this context that this process is at work, unless anybody else is.

    Who comes after it may share the output, unless he wants to be alone, too.

    Args:
        out: the output folder.
        waiting: how it is waited for somebody's sign of life.

    Yields:
        Somebody else who is at work; None: nobody is, and this process holds the lease.

    Raises:
        ShardmillError: the lease cannot be read or written.
    """
    waiting = waiting or Waiting()
    place = paths.lease(out, ALONE)
    alive, gone = _first_alive(out, waiting)
    if alive is not None:
        yield alive
        return
    before = gone.get(place.name)
    for each in (each for each in gone.values() if each.place != place):
        with contextlib.suppress(ShardmillError):
            storage.remove(out, each.place)
    with _Held(out, place, before.content if before else b"") as held:
        if not held.take(waiting):
            yield at_work.all_leases(out).get(place.name) or AtWork(place, b"", None)
            return
        held.renew_from_now_on()
        yield None


def _first_alive(out: Location, waiting: Waiting) -> tuple[AtWork | None, Mapping[str, AtWork]]:
    """Return the first who is at work, or None, and then the leases of those who are gone.

    Whoever cannot be seen from here has `PATIENCE_S` to give a sign of life.
    """
    before, began, is_said = at_work.all_leases(out), waiting.clock(), False
    now = before
    while True:
        for name, each in now.items():
            if each.runs or (each.runs is None and before.get(name) != each):
                return each, {}
        unknown = [each for each in now.values() if each.runs is None]
        if not unknown or waiting.clock() - began > PATIENCE_S:
            return None, now
        if not is_said:
            is_said = True
            logging.getLogger(storage.WAITS).warning(
                "waiting for a sign of life of %s: whether it runs is not seen from here, and"
                " without one for %.0f seconds it counts as gone",
                plaintext.line(str(unknown[0])),
                PATIENCE_S,
            )
        waiting.sleep(_LOOK_AGAIN_S)
        now = at_work.all_leases(out)


@dataclass
class _Held:
    """A lease of this process, which a thread of its own renews.

    Attributes:
        out: the output folder.
        place: of the lease.
        content: what is there by now; b"": nothing.
    """

    out: Location
    place: Location
    content: bytes = b""
    _began: float = field(default_factory=time.time)
    _renewed: int = 0
    _thread: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _is_mine: bool = False

    def put(self) -> None:
        """Write it over whatever is there, which is of this process."""
        self.content = self._document()
        self._is_mine = True
        if isinstance(self.place, Path):
            storage.write_unsynced(self.place, self.content)
        else:
            storage.publish_bytes(self.place, self.content)

    def take(self, waiting: Waiting) -> bool:
        """Put it in the place of what was seen; return whether nobody else was quicker."""
        mine = self._document()
        done = storage.exchange(self.place, self.content, mine)
        if done is Exchanged.REFUSED:
            return False
        if done is Exchanged.PERHAPS:
            waiting.sleep(SETTLE_S)
            if at_work.content_of(self.place) != mine:
                return False
        self.content, self._is_mine = mine, True
        return True

    def renew_from_now_on(self) -> None:
        """Raise its counter every `RENEW_S` seconds, in a thread that forked processes lack."""
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            self._renewed += 1
            with contextlib.suppress(ShardmillError):  # one that is late is no harm
                self._raise_counter()
            if not self._is_mine:
                return

    def _raise_counter(self) -> None:
        if self.place.name != paths.lease(self.out, ALONE).name:
            self.put()
            return
        content = self._document()
        # While this process was stopped, somebody may have taken it over.
        done = storage.exchange(self.place, self.content, content)
        self._is_mine = done is not Exchanged.REFUSED
        self.content = content

    def _document(self) -> bytes:
        said = {"began": self._began, "renewed": self._renewed}
        return manifest.alone(asdict(storage.this_process()) | said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_END_S)
        with contextlib.suppress(ShardmillError):
            if self._is_mine and at_work.content_of(self.place) == self.content:
                self._remove()

    def _remove(self) -> None:
        """Remove it: where this process may not delete an object, that is withdrawn."""
        try:
            storage.carry_out(storage.plan_files(self.out, [self.place]))
        except ShardmillError:
            storage.remove(self.out, self.place)
