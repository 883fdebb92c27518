"""How fast a loader gives images: by the clock, and in processor time."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

Images = Iterable[int]
"""Gives how many images came, again and again, for one epoch."""


@dataclass(frozen=True)
class Task:
    """What is measured.

    Attributes:
        out: the output folder.
        split: which split of it.
        workers: processes that read, where a framework has such.
        decode: whether images are decoded.
    """

    out: Path
    split: str
    workers: int
    decode: bool


@dataclass(frozen=True)
class Pair:
    """A loader, and the usual way of its framework.

    Attributes:
        title: of the pair.
        modules: what the loader needs.
        ours: begins an epoch of the loader.
        theirs: begins an epoch of the usual way; None: there is none to compare with.
        usual: what that is.
        needs: what the usual way needs besides.
    """

    title: str
    modules: Sequence[str]
    ours: Callable[[Task], Images]
    theirs: Callable[[Task], Images] | None
    usual: str
    needs: Sequence[str] = ()


@dataclass(frozen=True)
class Speed:
    """How fast a loader was in one round.

    Attributes:
        images_a_second: by the clock; the first images do not count, while processes start and
            files are opened.
        microseconds: of processor time an image, of this process and of those that read for it,
            their start included.
    """

    images_a_second: float
    microseconds: float


def speed(begin: Callable[[Task], Images], task: Task, seconds: float) -> Speed:
    """Return how fast images come over so many seconds, whole epochs one after another."""
    spent = _processor_time()
    counts = chain.from_iterable(begin(task) for _ in repeat(None))
    first, images = next(counts), 0
    started = time.perf_counter()
    for count in counts:
        images += count
        if time.perf_counter() - started >= seconds:
            break
    by_clock = images / (time.perf_counter() - started)
    del counts  # its processes end, and are counted then
    gc.collect()
    spent = _processor_time() - spent
    return Speed(by_clock, max(1e6 * spent, 1) / (first + images))


def _processor_time() -> float:
    """Return seconds of this process, and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
