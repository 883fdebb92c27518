"""A job that is killed at random points goes on where it was and ends in the same bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from daemons import Luigid
from support import SHARDS, RawSet, command, products, temporary_files

KILLS = int(os.environ.get("SHARDMILL_KILLS", "20"))
WITH_LUIGID = max(2, KILLS // 4)
PER_ROUND = 3
_RUN_S = 120


class Victim(Protocol):
    """Whatever can be killed."""

    def kill(self) -> object: ...


@dataclass
class Round:
    """One output folder, made in spite of some kills."""

    raw_set: RawSet
    out: Path
    chance: random.Random
    luigid: Luigid | None = None
    killed: Counter[str] = field(default_factory=Counter)

    def start(self) -> psutil.Popen:
        where = ("--raw", self.raw_set.raw, "--config", self.raw_set.config, "--out", self.out)
        scheduler = ("--scheduler-host", self.luigid.address) if self.luigid else ()
        return psutil.Popen(
            command("imagenet", *where, *SHARDS, "--workers", 2, *scheduler),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill_one(self, started: psutil.Popen) -> None:
        """Kill a random process: the command, its worker, a task, or the scheduler."""
        try:
            (worker,) = started.children()
            tasks = worker.children()
        except (psutil.Error, ValueError):
            worker, tasks = None, []
        victims: list[tuple[str, Victim]] = [("command", started)]
        victims += [("worker", worker)] if worker else []
        victims += [("task", self.chance.choice(tasks))] if tasks else []
        victims += [("luigid", self.luigid)] if self.luigid else []
        name, victim = self.chance.choice(victims)
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return
        self.killed[name] += 1

    def disturb(self, kills: int) -> None:
        """Start the command and kill parts of it, again and again, then let it finish."""
        while sum(self.killed.values()) < kills:
            started = self.start()
            while started.poll() is None and sum(self.killed.values()) < kills:
                time.sleep(self.chance.uniform(0.05, 1.5))
                if started.poll() is None:
                    self.kill_one(started)
                if self.luigid and not self.luigid.alive():
                    self.luigid.start()
            _finish(started)
            if (self.out / "tfrecord/train/current").exists():
                break
        if self.luigid and not self.luigid.alive():
            self.luigid.start()
        last = self.start()
        stderr = _finish(last)
        assert last.returncode == 0, stderr

    def finished_tasks(self) -> Counter[tuple[str, str]]:
        """How often each task has finished, over all runs."""
        return Counter(
            (timing["step"], timing["name"])
            for path in (self.out / ".shardmill/runs").rglob("timings.jsonl")
            for timing in map(json.loads, path.read_text().splitlines())
        )


def _finish(started: psutil.Popen) -> str:
    _, stderr = started.communicate(timeout=_RUN_S)
    return str(stderr)


def _half_written(out: Path, undisturbed: dict[str, str]) -> list[str]:
    temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
    return [
        name
        for name, content in products(out).items()
        if name not in temporary and undisturbed.get(name) != content
    ]


@pytest.mark.usefixtures("hurried")
def test_a_job_survives_random_kills(
    sample: RawSet, undisturbed: dict[str, str], tmp_path: Path, chance: random.Random
) -> None:
    killed: Counter[str] = Counter()
    while killed.total() < KILLS:
        out = tmp_path / f"out-{killed.total()}"
        disturbed = Round(sample, out, chance)
        disturbed.disturb(min(PER_ROUND, KILLS - killed.total()))
        killed += disturbed.killed
        assert products(out) == undisturbed
        assert set(disturbed.finished_tasks().values()) == {1}
    assert killed["worker"] + killed["task"] > 0
    print(f"kills: {dict(killed)}")  # noqa: T201 - the campaign's result


@pytest.mark.usefixtures("hurried")
def test_a_job_survives_the_death_of_its_scheduler(
    sample: RawSet, undisturbed: dict[str, str], tmp_path: Path, chance: random.Random
) -> None:
    killed: Counter[str] = Counter()
    while killed.total() < WITH_LUIGID:
        folder = tmp_path / f"round-{killed.total()}"
        folder.mkdir()
        with Luigid(folder) as luigid:
            disturbed = Round(sample, folder / "out", chance, luigid)
            disturbed.disturb(PER_ROUND)
        killed += disturbed.killed
        assert products(folder / "out") == undisturbed
    print(f"kills: {dict(killed)}")  # noqa: T201 - the campaign's result


@pytest.mark.parametrize("after", [0.3, 0.6, 0.9, 1.2, 1.5])
@pytest.mark.usefixtures("hurried")
def test_nothing_half_written_ever_stands_under_a_final_name(
    sample: RawSet, undisturbed: dict[str, str], out: Path, chance: random.Random, after: float
) -> None:
    disturbed = Round(sample, out, chance)
    started = disturbed.start()
    time.sleep(after)
    processes = [started, *started.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
    _finish(started)
    assert _half_written(out, undisturbed) == []
    last = disturbed.start()
    stderr = _finish(last)
    assert last.returncode == 0, stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []
