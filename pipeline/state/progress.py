"""Small files that say how far a command is: counters while tasks run, timings when they end.

They are written without sync: losing one in a crash costs nothing.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pipeline import manifest, paths, storage
from pipeline.documents.decoding import decoded
from pipeline.documents.values import Seconds, Size, Text
from pipeline.errors import OutputDamaged, Vanished
from pipeline.storage import Location

_COUNTER = re.compile(r".+-\d+\.json", re.ASCII)
_INTERVAL_S = 0.5
WRITING = "shards"
"""The step of a shard that is written."""
LINKING = "linking"
"""The step of a shard that is not written, since an earlier output has its records."""


@dataclass(frozen=True)
class Count:
    """How far one task is: `done` of `total` units (``bytes`` or ``images``)."""

    step: Text
    name: Text
    done: Size
    total: Size
    unit: Text


@dataclass(frozen=True)
class Timing:
    """A finished task: when it ran (seconds since the epoch) and what it handled."""

    step: Text
    name: Text
    start: Seconds
    end: Seconds
    images: Size
    bytes: Size


@dataclass(frozen=True)
class StepTiming:
    """All finished tasks of one step: from the first start to the last end."""

    step: str
    tasks: int
    seconds: float
    images: int
    bytes: int


class Counter:
    """Publishes a `Count` at most twice a second; removes its file when it is closed."""

    def __init__(
        self, out: Location, run: str, step: str, name: str, total: int, unit: str
    ) -> None:
        self._out = out
        self._path = paths.run_counters(out, run) / f"{storage.host_name()}-{os.getpid()}.json"
        self._count = Count(step, name, 0, total, unit)
        self._written = 0.0

    def update(self, done: int) -> bool:
        """Note progress; return whether it was published, which is not done every time."""
        now = time.monotonic()
        if now - self._written < _INTERVAL_S:
            return False
        self._written = now
        values = asdict(self._count) | {"done": done}
        storage.write_unsynced(self._path, json.dumps(values).encode())
        return True

    def close(self) -> None:
        """Remove the counter; one that lies behind a link stays, and says nothing any more."""
        storage.carry_out(storage.plan_files(storage.host_root(self._out), [self._path]))


def counts(out: Location, run: str) -> list[Count]:
    """Return the counters of the tasks that are at work in one command."""
    folder = paths.run_counters(out, run)
    written = []
    for name in sorted(storage.sizes(folder)):
        if name.endswith(".json"):
            with contextlib.suppress(Vanished, OutputDamaged):  # its task ended, or it is not ours
                content = storage.read_bytes(folder / name, manifest.MOST_BYTES)
                written.append(decoded(content, Count, folder / name))
    return written


def clear_counters(out: Location, run: str) -> None:
    """Remove the counters of a command whose tasks are all dead, and nothing of another name."""
    folder = paths.run_counters(out, run)
    counters = (folder / name for name in storage.sizes(folder) if _COUNTER.fullmatch(name))
    storage.carry_out(storage.plan_files(storage.host_root(out), counters))


def note(out: Location, run: str, timing: Timing) -> None:
    """Record a finished task."""
    storage.append_line(paths.run_timings(out, run), json.dumps(asdict(timing)).encode())


def timings(out: Location, run: str) -> list[Timing]:
    """Return the finished tasks of one command; a line cut off by a crash is passed over."""
    path = paths.run_timings(out, run)
    if storage.stat(path) is None:
        return []
    finished = list[Timing]()
    with contextlib.suppress(OutputDamaged):  # it is longer than any: not ours
        for line in storage.read_bytes(path, manifest.MOST_BYTES).splitlines():
            with contextlib.suppress(OutputDamaged):
                finished.append(decoded(line, Timing, path))
    return finished


def most_repeated(finished: Iterable[Timing]) -> tuple[str, int]:
    """Return the task that was finished most often, as its step and name, and how often."""
    often = collections.Counter(f"{timing.step}: {timing.name}" for timing in finished)
    return max(often.items(), key=lambda each: each[1], default=("", 0))


def activity(out: Location) -> tuple[int, int]:
    """Return a value that changes whenever any command's task on any host gets further."""
    finished, counted = 0, 0
    for name in storage.folders(paths.runs(out)):
        info = storage.stat(paths.run_timings(out, name))
        finished += info.size if info else 0
        folder = paths.run_counters(out, name)
        times = [storage.modified_ns(folder / counter) for counter in storage.sizes(folder)]
        counted = max([counted, *filter(None, times)])
    return finished, counted


def latest_run(out: Location) -> str | None:
    """Return the name of the command that finished a task last."""
    times = {}
    for name in storage.folders(paths.runs(out)):
        modified = storage.modified_ns(paths.run_timings(out, name))
        if modified is not None:
            times[name] = modified
    return max(times, key=lambda name: times[name]) if times else None


def linked(finished: Iterable[Timing]) -> dict[tuple[str, str], int]:
    """Return how many shards were linked, by split and format, of which one was."""
    return dict(collections.Counter((split, form) for split, form, _ in linked_shards(finished)))


def linked_shards(finished: Iterable[Timing]) -> frozenset[tuple[str, str, int]]:
    """Return split, format and number of each shard that was linked."""
    names = (timing.name.rsplit(" ", 2) for timing in finished if timing.step == LINKING)
    return frozenset((split, form, int(number)) for split, form, number in names)


def made_shards(finished: Iterable[Timing]) -> frozenset[tuple[str, int]]:
    """Return split and number of each shard that was written in a format or more."""
    names = (timing.name.rsplit(" ", 1) for timing in finished if timing.step == WRITING)
    return frozenset((split, int(number)) for split, number in names if number.isdecimal())


def by_step(finished: Iterable[Timing]) -> list[StepTiming]:
    """Sum finished tasks by step, in the order in which steps began."""
    steps: dict[str, list[Timing]] = {}
    for timing in sorted(finished, key=lambda timing: timing.start):
        steps.setdefault(timing.step, []).append(timing)
    return [
        StepTiming(
            step,
            len(tasks),
            max(1e-6, max(task.end for task in tasks) - min(task.start for task in tasks)),
            sum(task.images for task in tasks),
            sum(task.bytes for task in tasks),
        )
        for step, tasks in steps.items()
    ]
