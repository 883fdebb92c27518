"""Limits of processor time and memory, and the trial of a parser within them.

Both grow with the document, so that a small one cannot make for hours of work. The time is that of
the processor: a machine that is busy with other things makes no parser slow.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from targets import Target

_SECONDS = 2.0
_FIXED = 64 << 20  # bytes


class Overrun(BaseException):
    """A parser took too long; of no kind that a parser could take for its own."""


def trial(target: Target, data: bytes, folder: Path) -> None:
    """Parse a document: nothing but the target's own refusal may come of it, soon, in bounds."""
    began = time.process_time()
    with bounded_memory(_FIXED + target.room * len(data)), contextlib.suppress(target.refusal):
        target.parse(data, folder)
    taken, most = time.process_time() - began, allowed(target, data)
    assert taken <= most, f"{taken:.1f} s of the processor's time, where {most:.1f} are allowed"


def allowed(target: Target, data: bytes) -> float:
    """Return how many seconds of the processor's time a document may take."""
    return _SECONDS + target.pace * len(data)


@contextlib.contextmanager
def bounded_time(target: Target, data: bytes) -> Iterator[None]:
    """Interrupt what takes more of the processor's time than it may."""
    before = signal.signal(signal.SIGPROF, _interrupt)
    signal.setitimer(signal.ITIMER_PROF, allowed(target, data))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def bounded_memory(most: int) -> Iterator[None]:
    """Assert that so many bytes are not passed: of Python's own, or resident ones of the process.

    The second number counts what C code takes, but only above the most that there ever was.
    """
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    held, resident = tracemalloc.get_traced_memory()[0], _most_resident()
    try:
        yield
        taken = max(tracemalloc.get_traced_memory()[1] - held, _most_resident() - resident)
        assert taken <= most, f"{taken} bytes were taken"
    finally:
        if not tracing:
            tracemalloc.stop()


def _most_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _interrupt(_: int, frame: FrameType | None) -> None:
    raise Overrun(f"more of the processor's time than is allowed, at {frame}")
