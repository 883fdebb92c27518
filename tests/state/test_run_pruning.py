"""Folders of commands that ended go, the oldest first; those at work and files of others stay."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from drawnlists import lay

from pipeline import paths, storage
from pipeline.state import run_end, run_pruning


def begin(out: Path, day: int) -> str:
    """Lay down the folder of a command that was started on a day, and is at work."""
    name = f"202601{day:02d}-000000-host-abcdef"
    lay(paths.run_log(out, name), b"log")
    lay(paths.run_timings(out, name), b"{}\n")
    lay(paths.run_counters(out, name) / "host-1.json", b"{}")
    lay(paths.run_failures(out, name) / "Task_1.json", b"{}")
    return name


def end(out: Path, day: int) -> str:
    name = begin(out, day)
    run_end.note(out, name, 0, "")
    return name


def there(out: Path) -> list[str]:
    return sorted(storage.folders(paths.runs(out)))


def test_the_oldest_that_ended_go_first(out: Path) -> None:
    working, *ended = [begin(out, 1), *(end(out, day) for day in (5, 3, 4, 2))]
    assert run_pruning.prune(out, 2) == 2
    assert there(out) == [working, ended[2], ended[0]]  # of the 1st, 4th and 5th
    assert run_pruning.prune(out, 2) == 0


def test_one_that_was_killed_goes_when_nothing_changed_for_a_day(out: Path) -> None:
    killed, last = begin(out, 1), end(out, 2)
    run_pruning.prune(out, 1)
    assert there(out) == [killed, last]
    long_ago = time.time() - 100_000
    for path in paths.run(out, killed).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    run_pruning.prune(out, 1)
    assert there(out) == [last]


@pytest.mark.parametrize("place", ["notes.txt", "failures/notes.txt", "counters/a/b.json"])
def test_what_is_of_others_stays(out: Path, place: str) -> None:
    name = end(out, 1)
    lay(paths.run(out, name) / place, b"mine")
    lay(paths.runs(out) / "mine" / "end.json", b"{}")
    end(out, 2)
    run_pruning.prune(out, 1)
    assert (paths.run(out, name) / place).read_bytes() == b"mine"
    assert (paths.runs(out) / "mine" / "end.json").read_bytes() == b"{}"
    assert not paths.run_log(out, name).exists()


def test_nothing_is_removed_through_a_link(out: Path, tmp_path: Path) -> None:
    name = end(out, 1)
    folder = paths.run(out, name)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    end(out, 2)
    run_pruning.prune(out, 1)
    assert (tmp_path / "elsewhere" / "end.json").exists()
