"""One thing for each of many places by several processes: order, errors, bounds and deaths."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.errors import BadImage, ShardmillError, TransientError
from pipeline.plaintext import Lines
from pipeline.processes import ordered
from pipeline.processes.ordered import in_order

NAME = "a process that squares"
SEVERAL = pytest.mark.parametrize("processes", [1, 2, 3, 5])


class Work:
    """Calls a function for each place, and knows in which process it does."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self._function = function
        self.is_forked = False

    def forked(self) -> None:
        self.is_forked = True

    def __call__(self, place: int) -> Any:
        return self._function(place)


def squared(place: int) -> int:
    return place * place


def pausing(own: int) -> Callable[[int], int]:
    """Return what does nothing in one process, and stops all others in their second place."""

    def pause(place: int) -> int:
        if place and os.getpid() != own:
            signal.pause()
        return place

    return pause


def results(function: Callable[[int], Any], count: int, processes: int) -> list[Any]:
    with in_order(Work(function), count, processes, NAME) as made:
        return list(made)


@SEVERAL
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_results_come_in_order(count: int, processes: int) -> None:
    assert results(squared, count, processes) == [squared(place) for place in range(count)]
    assert multiprocessing.active_children() == []


@SEVERAL
def test_every_process_but_one_is_a_fork_that_was_told_so(processes: int) -> None:
    def where(place: int) -> tuple[int, bool]:
        time.sleep(0.001)
        return os.getpid(), work.is_forked

    work = Work(where)
    with in_order(work, 60, processes, NAME) as made:
        worked = dict(made)
    assert worked.pop(os.getpid(), False) is False
    assert set(worked.values()) <= {True}
    assert len(worked) <= processes - 1
    assert worked or processes == 1


@SEVERAL
def test_a_slow_place_does_not_change_the_order(processes: int) -> None:
    def slow(place: int) -> int:
        time.sleep(0.01 if place % 7 == 0 else 0)
        return place

    assert results(slow, 50, processes) == list(range(50))


@SEVERAL
def test_an_error_comes_where_its_place_comes(processes: int) -> None:
    def fail(place: int) -> int:
        if place in {11, 12, 40}:
            lines = Lines.of(("one", f"line {place}"))
            raise BadImage("no image", file="a.tar", place=lines, remedy="none")
        return place

    with in_order(Work(fail), 80, processes, NAME) as made:
        assert [next(made) for _ in range(11)] == list(range(11))
        with pytest.raises(BadImage) as error:
            next(made)
    with pytest.raises(BadImage) as alone:
        fail(11)
    assert error.value.to_record() == alone.value.to_record()
    assert multiprocessing.active_children() == []


class Strange(Exception):
    """An error that cannot be read back once it is pickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@pytest.mark.parametrize("error", [ValueError("no 7"), MemoryError(), OSError(28, "full")])
@SEVERAL
def test_an_error_that_nobody_raised_on_purpose_is_the_same_too(
    error: Exception, processes: int
) -> None:
    def fail(place: int) -> int:
        raise error

    with pytest.raises(type(error)) as raised:
        results(fail, 20, processes)
    assert str(raised.value) == str(error)


def test_an_error_that_cannot_be_sent_is_told_with_its_type_and_where_it_was_raised() -> None:
    def strange(place: int) -> None:
        raise Strange(place, 3)

    with pytest.raises(RuntimeError, match=r"(?s)in strange.*Strange: 0 and 3"):
        results(strange, 20, 2)


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_not_many_results_are_ahead_of_the_one_that_is_taken(
    tmp_path: Path, processes: int
) -> None:
    begun = tmp_path / "begun"

    def note(place: int) -> int:
        with begun.open("a") as file:
            file.write(f"{place}\n")
        return place

    with in_order(Work(note), 10_000, processes, NAME) as made:
        for taken in range(5):
            assert next(made) == taken
            time.sleep(0.02)  # for the others to go as far as they may
            most = max(map(int, begun.read_text().split()))
            assert most < taken + ordered.AHEAD * processes + 1


def test_large_results_are_fewer_ahead(tmp_path: Path) -> None:
    size, processes = 2 << 20, 2

    def large(place: int) -> bytes:
        return bytes(size)

    with in_order(Work(large), 60, processes, NAME) as made:
        kept = kept_by(made)
        for _ in range(20):
            next(made)
            begun = ordered.QUEUED * (processes - 1) + 1
            assert kept() <= ordered.AHEAD_BYTES * processes + begun * size


def kept_by(made: Iterator[Any]) -> Callable[[], int]:
    """Return what says how many bytes of results wait for their turn."""
    own = made.gi_frame.f_locals["self"]  # type: ignore[attr-defined]
    return lambda: own._kept_bytes


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_is_an_error_that_another_attempt_may_not_meet(
    number: signal.Signals,
) -> None:
    own = os.getpid()

    def die(place: int) -> int:
        if place > 20 and os.getpid() != own:
            os.kill(os.getpid(), number)
        time.sleep(0.001)
        return place

    with pytest.raises(TransientError, match="a process that squares has died") as error:
        results(die, 1000, 3)
    assert error.value.found == f"it was ended by {number.name}"
    assert "--workers" in (error.value.remedy or "")
    assert multiprocessing.active_children() == []


def test_an_error_in_the_context_ends_all_of_them_at_once() -> None:
    with (  # noqa: PT012 - what is raised in it
        pytest.raises(KeyboardInterrupt),
        in_order(Work(pausing(os.getpid())), 50, 3, NAME) as made,
    ):
        next(made)
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []


def test_who_takes_no_more_waits_for_nobody_but_those_at_work() -> None:
    with in_order(Work(squared), 10_000, 3, NAME) as made:
        assert next(made) == 0
    assert multiprocessing.active_children() == []


def test_no_descriptor_stays_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    assert len(results(squared, 40, 3)) == 40
    assert set(os.listdir("/proc/self/fd")) <= before  # those of tests before may be closed


def test_they_end_when_their_parent_is_killed() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        with in_order(Work(pausing(os.getpid())), 50, 4, NAME) as made:
            next(made)
            pids = [str(child.pid) for child in multiprocessing.active_children()]
            os.write(writing, " ".join(pids).encode())
            signal.pause()
        os._exit(0)
    with closing(os.fdopen(reading)) as file:
        os.close(writing)
        children = [psutil.Process(int(pid)) for pid in os.read(file.fileno(), 1000).split()]
    assert len(children) == 3
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_errors_keep_their_kind_through_a_pipe() -> None:
    for kind in (ShardmillError, TransientError, BadImage):
        error = ordered._pickled(kind("what", found="that"))
        assert isinstance(pickle.loads(error), kind)  # noqa: S301 - our own
