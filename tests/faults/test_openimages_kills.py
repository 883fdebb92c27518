"""Open Images, collected and prepared while processes, the scheduler and the server are killed.

``SHARDMILL_KILLS`` says how many kills there are, ``SHARDMILL_SEED`` which ones.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from campaign import Command
from daemons import Luigid
from openimagesbucket import Bucket, Handler, hang_up, serve
from support import ROOT, command, products, temporary_files

from pipeline.sample.openimages import draw_openimages

KILLS = int(os.environ.get("SHARDMILL_KILLS", "20"))
IN_FLIGHT = 8
SLOWLY_S = 0.05  # that each answer takes
LONGEST_S = 6.0  # of a command before it is disturbed: about what all of it takes
END_S = 180
IMAGES = r"^(train|validation|test)/"
OPTIONS = ("--class", "Bear", "--class", "Car", "--class", "Airplane", "--masks")
MADE = (*OPTIONS, "--format", "tfrecord", "--export", "coco", "--in-flight", IN_FLIGHT)
ROOT_OF_LUIGI = (sys.executable, "-m", "luigi", "--module", "tasks", "PrepareOpenImages")
ROOT_KILLS = min(KILLS, 6)
LEFT_OUT = 4
"""The status of a command that ends well: some drawn images are absent, or no images."""


@dataclass
class Disturbed:
    """Commands of one output folder, and what is done to them.

    Attributes:
        out: the output folder.
        config: of the drawn set, whose files and images come from `bucket`.
        bucket: the server.
        luigid: the scheduler.
        chance: every choice.
        kills: what was killed, how often.
    """

    out: Path
    config: Path
    bucket: Bucket
    luigid: Luigid
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    commands: list[Command] = field(default_factory=list)

    def start(self) -> Command:
        """Start the command."""
        where = ("--config", self.config, "--out", self.out, "--workers", 2)
        process = psutil.Popen(
            command("openimages", *where, *MADE, "--scheduler-host", self.luigid.address),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.commands.append(Command(process))
        return self.commands[-1]

    def start_root(self) -> Command:
        """Start Luigi's own command, with its own worker of two processes."""
        host, _, port = self.luigid.address.partition(":")
        scheduler = ("--scheduler-host", host, "--scheduler-port", port, "--workers", 2)
        words = ("--config", self.config, "--out", self.out, *MADE, *scheduler)
        process = psutil.Popen(
            [*ROOT_OF_LUIGI, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.out.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.commands.append(Command(process))
        return self.commands[-1]

    def kill_one(self, started: Command) -> None:
        """Kill a process of a command, the scheduler or the server, if there is one now."""
        tasks, worker = started.tasks(), started.worker()
        victims: dict[str, Callable[[], object]] = {"server": self._hang_up}
        if started.runs():
            victims["command"] = started.end
        if worker is not None:
            victims["worker"] = worker.kill
        if tasks:
            victims["task"] = self.chance.choice(tasks).kill
        if self.luigid.alive():
            victims["luigid"] = self.luigid.kill
        name = self.chance.choice(sorted(victims))
        with contextlib.suppress(psutil.NoSuchProcess):
            victims[name]()
            self.kills[name] += 1

    def _hang_up(self) -> None:
        """Have the server break off, as one that is started again does."""
        self.bucket.rule("", hang_up, times=IN_FLIGHT)

    def revive(self) -> None:
        """Start the scheduler again, if it was killed."""
        if not self.luigid.alive():
            self.luigid.start()

    def finish(self, started: Command) -> int:
        """Wait for the end of a command and all of its processes; return its status."""
        _, stderr = started.process.communicate(timeout=END_S)
        assert "Traceback" not in stderr, stderr
        return int(started.process.returncode)


def slowly(handler: Handler) -> None:
    time.sleep(SLOWLY_S)
    serve(handler)


def made(out: Path) -> dict[str, str]:
    """Return path -> SHA-256 of all that is made, but tables that say when something failed.

    Hidden is what a command that was killed leaves for the next one: files and folders half done,
    what is there of a download, and locks, which stay and are used again (`locks.target_lock`).
    """
    return {
        name: content
        for name, content in products(out).items()
        if not name.startswith("failures/") and not any(map(is_hidden, Path(name).parts))
    }


def is_hidden(name: str) -> bool:
    return name.startswith(".")


def half_done(out: Path) -> list[Path]:
    return [*temporary_files(out), *out.rglob(".*.parts")]


def again(bucket: Bucket, out: Path) -> int:
    """Return how often the bytes of an image were sent that had been sent before."""
    there = {path.name for path in (out / "images").rglob("*.jpg")}
    sent = Counter(
        seen.path for seen in bucket.requests(IMAGES) if seen.sent and seen.status == 200
    )
    return sum(count - 1 for path, count in sent.items() if Path(path).name in there)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    draw_openimages(folder, train_images=120, other_images=24)
    return folder


@pytest.fixture
def disturbed(
    drawn: Path, tmp_path: Path, hurried: Path, chance: random.Random
) -> Iterator[Disturbed]:
    with Bucket(drawn / "bucket", drawn / "raw") as bucket, Luigid(tmp_path) as luigid:
        config = bucket.configure(drawn, tmp_path / "config")
        at = Disturbed(tmp_path / "out", config, bucket, luigid, chance)
        try:
            yield at
        finally:
            for started in at.commands:
                started.end()


def test_killed_anywhere_it_ends_in_the_same_files_and_no_image_is_sent_twice(
    disturbed: Disturbed, tmp_path: Path
) -> None:
    at, bucket = disturbed, disturbed.bucket
    undisturbed = Disturbed(tmp_path / "whole", at.config, bucket, at.luigid, at.chance)
    assert undisturbed.finish(undisturbed.start()) == LEFT_OUT
    assert again(bucket, undisturbed.out) == 0
    whole = made(undisturbed.out)
    bucket.forget()
    killed_before = 0
    while at.kills.total() < KILLS:
        bucket.rule("", slowly)
        started = at.start()
        for _ in range(at.chance.randint(1, 3)):
            time.sleep(at.chance.uniform(0, LONGEST_S / 2))
            at.kill_one(started)
        at.revive()
        at.finish(started)
        assert made(at.out).items() <= whole.items()
        if made(at.out) == whole and at.kills.total() < KILLS:  # nothing is left to disturb
            assert again(bucket, at.out) <= (at.kills.total() - killed_before) * IN_FLIGHT
            killed_before = at.kills.total()
            shutil.rmtree(at.out)
            bucket.forget()
    at.revive()
    assert at.finish(at.start()) == LEFT_OUT
    assert made(at.out) == whole
    assert half_done(at.out) == []
    sent_again = again(bucket, at.out)
    assert sent_again <= (at.kills.total() - killed_before) * IN_FLIGHT
    print(f"\nkilled: {dict(at.kills)}; sent again at last: {sent_again}")  # noqa: T201 - the result
    bucket.forget()
    assert at.finish(at.start()) == LEFT_OUT
    assert bucket.requests() == []


def test_the_root_of_luigi_killed_and_started_again_ends_in_the_same_files(
    disturbed: Disturbed, tmp_path: Path
) -> None:
    at = disturbed
    undisturbed = Disturbed(tmp_path / "whole", at.config, at.bucket, at.luigid, at.chance)
    assert undisturbed.finish(undisturbed.start()) == LEFT_OUT
    whole = made(undisturbed.out)
    at.bucket.rule("", slowly)
    for number in range(ROOT_KILLS):
        started = at.start_root()
        time.sleep(at.chance.uniform(0, LONGEST_S))
        started.end()
        started.process.wait(END_S)
        if number % 2:
            at.luigid.kill()
            at.revive()
        assert made(at.out).items() <= whole.items()
    assert at.start_root().process.wait(END_S) == 0
    assert made(at.out) == whole
    assert half_done(at.out) == []
