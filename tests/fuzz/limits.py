"""Limits of time and memory, and the trial of a parser within them."""

from __future__ import annotations

import contextlib
import resource
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from targets import Target

_SECONDS = 20
_FIXED = 64 << 20  # bytes


class Overrun(BaseException):
    """A parser took too long; of no kind that a parser could take for its own."""


def trial(target: Target, data: bytes, folder: Path) -> None:
    """Parse a document: nothing but the target's own refusal may come of it, soon, in bounds."""
    with bounded_memory(_FIXED + target.room * len(data)), contextlib.suppress(target.refusal):
        target.parse(data, folder)


@contextlib.contextmanager
def bounded_time() -> Iterator[None]:
    """Interrupt what takes longer than 20 seconds."""
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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
    raise Overrun(f"longer than {_SECONDS} s, at {frame}")
