"""A bound on processor time, so that a test of bounded work fails where it would hang."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class OverrunError(BaseException):
    """Something took too much processor time; of no kind that code could take for its own."""


@contextlib.contextmanager
def bounded_cpu(seconds: float = 20) -> Iterator[None]:
    """Interrupt what takes more of the processor's time, however long others keep it waiting."""

    def interrupt(_: int, frame: FrameType | None) -> None:
        raise OverrunError(f"more than {seconds:.1f} s of the processor's time, at {frame}")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
