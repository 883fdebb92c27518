"""A worker beside a command: whatever becomes of it, the bytes are those of the command alone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forked
import psutil
import pytest
from daemons import Luigid
from support import SHARDS, RawSet, command, products, temporary_files

from pipeline import paths, storage
from pipeline.formats.registry import ALL
from pipeline.shards.writer import OutputWriter
from pipeline.state import progress

IMAGE_S = 0.2
END_S = 60


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have each image of a shard take a while as long as this file is there."""
    mark, add = tmp_path / "slow", OutputWriter.add
    mark.touch()

    def slowly(self: OutputWriter, image: Any) -> None:
        add(self, image)
        time.sleep(IMAGE_S if mark.exists() else 0.0)

    monkeypatch.setattr(OutputWriter, "add", slowly)
    return mark


class Beside:
    """A command with one process at a luigid, and a worker beside it."""

    def __init__(self, sample: RawSet, out: Path, luigid: Luigid, slow: Path) -> None:
        self.out, self.luigid, self.slow = out, luigid, slow
        where = ("--raw", sample.raw, "--config", sample.config, "--out", out, "--workers", 1)
        self.command = self.start("imagenet", *where, *SHARDS)
        self.wait(lambda: len(self.marks()) >= 1)
        self.worker = self.start("worker", "--for", out, "--workers", 2)

    def start(self, *words: object) -> forked.ForkedPopen:
        line = command(*words, "--scheduler-host", self.luigid.address)
        return forked.ForkedPopen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def marks(self) -> list[Path]:
        return list(paths.shard_marks(self.out, "").glob("*/*.json"))

    def runs(self) -> list[str]:
        """The runs of workers."""
        names = storage.folders(paths.runs(self.out))
        return [name for name in names if name.endswith("-worker")]

    def written(self) -> int:
        """How many shards workers have written."""
        timings = [timing for run in self.runs() for timing in progress.timings(self.out, run)]
        return sum(timing.step == "shards" for timing in timings)

    def is_writing(self) -> bool:
        """Whether a worker has written a shard, and so is in the middle of the next."""
        return self.written() > 0

    def wait(self, until: Callable[[], object]) -> None:
        deadline = time.monotonic() + END_S
        while not until():
            assert time.monotonic() < deadline
            assert self.command.poll() is None, self.command.communicate()
            time.sleep(0.01)

    def ended(self, undisturbed: dict[str, str]) -> None:
        """Check that the command ends well, and soon, in the bytes of an undisturbed one."""
        self.slow.unlink()
        _, said = self.command.communicate(timeout=END_S)
        assert self.command.returncode == 0, said
        assert products(self.out) == undisturbed
        assert temporary_files(self.out) == []


@pytest.fixture
def beside(
    sample: RawSet, out: Path, tmp_path: Path, slow: Path, hurried: Path
) -> Iterator[Beside]:
    del hurried
    with Luigid(tmp_path) as luigid:
        both = Beside(sample, out, luigid, slow)
        try:
            yield both
        finally:
            for process in (both.command, both.worker):
                if process.poll() is None:
                    forked.kill_whole(process)


def test_it_joins_in_the_middle_and_ends_with_the_command(
    beside: Beside, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, with another writer, writes nothing meanwhile."""
    beside.wait(beside.is_writing)
    with monkeypatch.context() as patch:
        patch.setattr(type(ALL["tfrecord"]), "version", 77)
        other = beside.start("worker", "--for", beside.out)
    _, said = other.communicate(timeout=END_S)
    assert other.returncode == 2
    assert "train: tfrecord: version 77 of its writer" in said
    beside.ended(undisturbed)
    said, errors = beside.worker.communicate(timeout=END_S)
    assert beside.worker.returncode == 0, errors
    assert beside.written() > 0
    assert f"{beside.out}: done here: {beside.written()} shards" in said
    assert "complete" in said


def test_it_is_killed_in_the_middle_of_a_shard(beside: Beside, undisturbed: dict[str, str]) -> None:
    beside.wait(beside.is_writing)
    forked.kill_whole(beside.worker)
    beside.ended(undisturbed)


def test_it_is_asked_to_end_in_the_middle_of_a_shard(
    beside: Beside, undisturbed: dict[str, str]
) -> None:
    beside.wait(beside.is_writing)
    before = beside.written()
    for process in psutil.Process(beside.worker.pid).children(recursive=True):
        process.send_signal(signal.SIGTERM)  # as whoever stops a whole host
    os.kill(beside.worker.pid, signal.SIGTERM)
    _, said = beside.worker.communicate(timeout=END_S)
    assert beside.worker.returncode == 0, said
    assert "asked to end" in said
    assert beside.command.poll() is None
    assert beside.written() > before
    beside.ended(undisturbed)
    (log,) = (paths.run_log(beside.out, run) for run in beside.runs())
    assert "FAILED" not in log.read_text()


def test_two_signals_end_it_at_once(beside: Beside, undisturbed: dict[str, str]) -> None:
    beside.wait(beside.is_writing)
    for _ in range(2):
        os.kill(beside.worker.pid, signal.SIGTERM)
        time.sleep(0.1)  # two at once are one
    beside.worker.communicate(timeout=END_S)
    assert beside.worker.returncode in {0, 130}  # a shard may have been finished between them
    beside.ended(undisturbed)
