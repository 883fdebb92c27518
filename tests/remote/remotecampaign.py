"""A round of the campaign against a store: a job from S3 to S3 that is disturbed, on two hosts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from faultproxy import SLOW_DOWN, FaultProxy, Rule, rule
from killing import kill_tree
from s3bucket import Bucket
from s3servers import ADMIN
from support import RawSet, command

from pipeline import manifest

END_S = 180
SECRETS = (ADMIN.secret, ADMIN.access, "X-Amz-", "AWS4-HMAC")
"""What may stand in no file, message or list of processes: keys and signatures."""
STATE = ".shardmill/"
FAULTS: dict[str, list[Rule]] = {
    "well": [],
    "busy": [rule("answer", status=503, body=SLOW_DOWN, every=7)],
    "cut": [rule("cut", "GET", after=700, every=5), rule("reset", every=17, skip=3)],
    "answers lost": [rule("lose", "PUT", every=6), rule("answer", status=500, every=13)],
    "slow": [rule("delay", seconds=0.05)],
}
"""What the proxy before the server does; none of it lasts."""


@dataclass
class Host:
    """A machine of its own, as far as a command can tell: its state and its scratch folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say where this host keeps what is no result."""
        return {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }


@dataclass
class RemoteRound:
    """One output in a bucket, made in spite of everything.

    Attributes:
        bucket: holds the archives below ``raw`` and the output below ``out``.
        proxy: between the commands and the server.
        config: the data set.
        options: of the job.
        expected: path -> SHA-256 of what an undisturbed local run makes.
        seconds: that an undisturbed run takes.
        chance: every choice of the round.
        hosts: on which commands run.
        tally: what was done, and what came of it.
        story: the same in order, for a round that fails.
    """

    bucket: Bucket
    proxy: FaultProxy
    config: Path
    options: tuple[str, ...]
    expected: dict[str, str]
    seconds: float
    chance: random.Random
    hosts: list[Host]
    tally: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    started: list[psutil.Popen] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Count something that happened, and put it down in the story."""
        self.tally[what] += 1
        self.story.append(f"{time.monotonic():.2f} {what}")

    def wait(self) -> None:
        """Let a random time pass, less than what a whole job takes."""
        time.sleep(self.chance.uniform(0, 0.8 * self.seconds))

    def start(self, host: Host | None = None) -> psutil.Popen:
        """Start the command on a host, by default on any."""
        host = host or self.chance.choice(self.hosts)
        self.story.append(f"{time.monotonic():.2f} start on {host.folder.name}")
        words = ("--raw", f"{self.bucket.folder}/raw", "--out", f"{self.bucket.folder}/out")
        store = ("--s3-endpoint", self.proxy.url, "--config", self.config, "--workers", 2)
        process = psutil.Popen(
            command("imagenet", *words, *store, *self.options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | host.environment,
        )
        self.started.append(process)
        return process

    def finish(self, process: psutil.Popen, *statuses: int) -> int:
        """Wait for the end of a command, with one of these statuses, and never a false success."""
        _, stderr = process.communicate(timeout=END_S)
        self.note(f"exit status {process.returncode}")
        self.story.append(stderr)
        assert "Traceback" not in stderr
        assert "defect of the program" not in stderr
        assert not [secret for secret in SECRETS if secret in stderr]
        assert process.returncode in statuses, stderr
        if process.returncode == 0:
            assert self.products() == self.expected
        return int(process.returncode)

    def play(self, disturbances: list[Callable[[RemoteRound], None]]) -> None:
        """Disturb the job in each of these ways, then see that it ends well all the same."""
        try:
            for disturb in disturbances:
                faults = self.chance.choice(sorted(FAULTS))
                self.note(f"{disturb.__name__}, {faults}")
                self.proxy.follow(*FAULTS[faults])
                disturb(self)
                self.check_what_is_there()
            self.proxy.follow()
            self.finish(self.start(), 0)
            self.check_what_is_there()
            self.check_hosts()
        finally:
            for process in self.started:
                kill_tree(process)

    def objects(self) -> dict[str, str]:
        """Return name -> SHA-256 of every object of the output."""
        return {
            name.removeprefix("out/"): hashlib.sha256(self.bucket.content(name)).hexdigest()
            for name in self.bucket.names()
            if name.startswith("out/")
        }

    def products(self) -> dict[str, str]:
        """Return the same without the program's own state, ``current`` as what it names."""
        return {
            name: self._pointed(name) if name.endswith("/current") else sha
            for name, sha in self.objects().items()
            if not name.startswith(STATE)
        }

    def _pointed(self, name: str) -> str:
        return self.bucket.content(f"out/{name}").decode().removesuffix("\n")

    def check_what_is_there(self) -> None:
        """See that whatever stands under a final key is whole, and nothing else is there."""
        there = self.products()
        assert {name: self.expected.get(name) for name in there} == there
        assert self.bucket.unfinished() == []
        names = {name.removeprefix("out/") for name in self.bucket.names()}
        for name in sorted(names):
            if name.startswith(STATE) and name.endswith(".json"):
                self._check_mark(name)

    def _check_mark(self, name: str) -> None:
        """See that a mark is whole: it agrees with its own hash."""
        content = self.bucket.content(f"out/{name}")
        if content:  # an object without a byte counts as absent
            manifest.parse(content, Path(name))

    def check_hosts(self) -> None:
        """See that no host holds a half-written file, or any secret."""
        for host in self.hosts:
            for path in host.folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    content = path.read_bytes()
                    held = [each for each in SECRETS if each.encode() in content]
                    assert not held, f"{path} holds {held}"
                    assert not path.name.endswith(".tmp"), path
        for name in self.bucket.names():
            if name.startswith(f"out/{STATE}"):
                content = self.bucket.content(name)
                assert not [each for each in SECRETS if each.encode() in content], name


def kill(at: RemoteRound) -> None:
    """Kill processes of the job, one after another, with SIGKILL."""
    process = at.start()
    for _ in range(at.chance.randint(1, 3)):
        at.wait()
        _kill_one(at, process)
    at.finish(process, 0, 1, -signal.SIGKILL)


def kill_server(at: RemoteRound) -> None:
    """Kill the server in mid-run, and start it again."""
    process = at.start()
    at.wait()
    at.bucket.server.kill()
    at.note("server killed")
    time.sleep(at.chance.uniform(0, 2))
    at.bucket.server.start()
    at.finish(process, 0, 1)


def kill_both(at: RemoteRound) -> None:
    """Kill the server, and the command with all its processes while there is none."""
    process = at.start()
    at.wait()
    at.bucket.server.kill()
    time.sleep(at.chance.uniform(0, 0.5))
    kill_tree(process)
    at.bucket.server.start()
    at.finish(process, 0, -signal.SIGKILL)


def interrupt(at: RemoteRound) -> None:
    """Ask the command to end, as a person or a batch system does."""
    process = at.start()
    at.wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    # A shell says 130 of a process that ends by SIGINT, as one does that is asked while it starts.
    at.finish(process, 0, 130, -signal.SIGINT, -signal.SIGTERM)


def two_hosts(at: RemoteRound) -> None:
    """Run the same command on two hosts at once; one of them may be killed."""
    first = at.start(at.hosts[0])
    at.wait()
    second = at.start(at.hosts[1])
    if killed := at.chance.random() < 0.5:
        at.wait()
        _kill_one(at, first)
    at.finish(second, 0)
    at.finish(first, *((0, 1, -signal.SIGKILL) if killed else (0,)))


KINDS = (kill, kill_server, kill_both, interrupt, two_hosts)


def _kill_one(at: RemoteRound, process: psutil.Popen) -> None:
    """Kill the command, its worker, or a process of a task, whichever there is."""
    with contextlib.suppress(psutil.Error):
        everyone = [process, *process.children(recursive=True)]
        _check_command_lines(everyone)
        victim = at.chance.choice(everyone)
        victim.kill()
        at.note("killed: command" if victim is process else "killed: a process below it")


def _check_command_lines(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            assert not [secret for secret in SECRETS if secret in line]


def uploaded(bucket: Bucket, raw: RawSet) -> None:
    """Put the archives of a set below ``raw``."""
    for path in sorted(raw.raw.iterdir()):
        if path.is_file():
            bucket.put(f"raw/{path.name}", content=path.read_bytes())
