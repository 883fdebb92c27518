"""A round of the campaign of hosts: one job from S3 to S3 by three of them, which is disturbed."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from hostservers import HostedLuigid, HostedSeaweedFS, kill_below
from machines import Host
from outputs3 import names, stored
from s3bucket import Bucket
from support import command

PATIENCE_S = 5.0
"""Seconds after which the luigid of the rounds gives the tasks of a silent host away."""
_END_S = 400
_ENDS = (0, 1, -signal.SIGKILL)


@dataclass
class HostRound:
    """One output in a bucket, made by several hosts in spite of everything.

    Attributes:
        hosts: the first has the luigid, the second the store.
        luigid: through which they share the work.
        store: holds the archives below ``raw`` and the output.
        bucket: of the store.
        config: the data set.
        options: of the job.
        expected: path -> SHA-256 of what an undisturbed local run makes.
        seconds: that it takes.
        chance: every choice of the round.
        tally: what was done, and what came of it.
        story: the same in order, for a round that fails.
    """

    hosts: list[Host]
    luigid: HostedLuigid
    store: HostedSeaweedFS
    bucket: Bucket
    config: Path
    options: tuple[str, ...]
    expected: dict[str, str]
    seconds: float
    chance: random.Random
    tally: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    running: dict[str, psutil.Popen] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Count something that happened, and put it down in the story."""
        self.tally[what] += 1
        self.story.append(f"{time.monotonic():.2f} {what}")

    def wait(self) -> None:
        """Let a random time pass, less than what a whole job takes."""
        time.sleep(self.chance.uniform(0, 0.8 * self.seconds))

    @property
    def words(self) -> list[str]:
        """The command, the same on every host."""
        places = ("--raw", f"{self.bucket.folder}/raw", "--out", self.bucket.folder)
        return command(
            *("imagenet", *places, "--config", self.config, "--s3-endpoint", self.store.endpoint),
            *("--scheduler-host", self.luigid.address, "--workers", 1, *self.options),
        )

    def start(self, host: Host) -> None:
        """Start the command on a host."""
        self.story.append(f"{time.monotonic():.2f} start on {host.name}")
        self.running[host.name] = host.start(self.words)

    def finish(self, host: Host, *statuses: int) -> int:
        """Wait for the end of the command on a host, and never take a false success."""
        process = self.running.pop(host.name)
        _, said = process.communicate(timeout=_END_S)
        status, text = int(process.returncode), said.decode()
        self.note(f"exit status {status}")
        self.story.append(f"{host.name}: {text}")
        assert "Traceback" not in text
        assert "defect of the program" not in text
        assert status in statuses, f"status {status} on {host.name}: {text}"
        if status == 0:
            assert self.products() == self.expected
        return status

    def products(self) -> dict[str, str]:
        """Return path -> SHA-256 of what stands in the output."""
        return {name: sha for name, sha in stored(self.bucket).items() if name[:4] != "raw/"}

    def play(self, disturbances: Sequence[Callable[[HostRound], None]]) -> None:
        """Disturb the job in each of these ways, then see that it ends well all the same."""
        try:
            for host in self.hosts:
                self.start(host)
            for disturb in disturbances:
                self.wait()
                self.note(disturb.__name__)
                disturb(self)
                self.story.append(f"{time.monotonic():.2f} goes on")
            ends = {host.name: self.finish(host, *_ENDS) for host in self.hosts}
            there = self.products()
            assert {name: self.expected.get(name) for name in there} == there
            for host in self.hosts:
                if ends[host.name] != 0:
                    self.start(host)
                    self.finish(host, 0)
            assert self.products() == self.expected
            self.check_what_is_left()
        finally:
            for process in self.running.values():
                kill_below(process.pid)
                process.kill()
                process.communicate()

    def check_what_is_left(self) -> None:
        """See that `clean` leaves nothing of the dead, in the store and on the hosts."""
        where = (self.bucket.folder, "--s3-endpoint", self.store.endpoint)
        cleaned = self.hosts[2].run(
            command("clean", *where, "--yes", "--other-hosts", "--uploads-after", 0)
        )
        assert cleaned.returncode == 0, cleaned.stderr
        assert self.bucket.unfinished() == []
        assert [name for name in names(self.bucket) if name.startswith(".shardmill/leases")] == []
        for host in self.hosts:
            assert list(host.folder.rglob(".*.tmp")) == []
            assert [each for each in host.processes() if _line(each) == self.words] == []


def kill_host(at: HostRound) -> None:
    """Kill a host whole, with the server that it may have; it comes back after a while."""
    host = at.chance.choice(at.hosts)
    at.story.append(f"of {host.name}")
    host.kill()
    time.sleep(at.chance.uniform(0, 2 * PATIENCE_S))
    host.boot()
    if host is at.luigid.host:
        at.luigid.kill()
        at.luigid.start()
    if host is at.store.host:
        at.store.kill()
        at.store.start()


def cut_host(at: HostRound) -> None:
    """Cut a host from the network, and join it again."""
    host = at.chance.choice(at.hosts)
    at.story.append(f"of {host.name}")
    host.cut()
    time.sleep(at.chance.uniform(0, 3 * PATIENCE_S))
    host.join()


def stop_host(at: HostRound) -> None:
    """Stop what works on a host for longer than the luigid has patience, and have it go on."""
    host = at.chance.choice(at.hosts)
    at.story.append(f"of {host.name}")
    servers = ("luigi.cmdline", "weed")
    host.send(signal.SIGSTOP, servers)
    time.sleep(at.chance.uniform(1.2, 2) * PATIENCE_S)
    host.send(signal.SIGCONT)


def kill_luigid(at: HostRound) -> None:
    """Kill the luigid, which loses its state."""
    at.luigid.kill()
    time.sleep(at.chance.uniform(0, PATIENCE_S))
    at.luigid.start()


def restart_luigid(at: HostRound) -> None:
    """End the luigid in good order, and start it again with its state."""
    at.luigid.stop()
    time.sleep(at.chance.uniform(0, PATIENCE_S))
    at.luigid.start()


def kill_store(at: HostRound) -> None:
    """Kill the store, and start it again."""
    at.store.kill()
    time.sleep(at.chance.uniform(0, PATIENCE_S))
    at.store.start()


KINDS = (kill_host, cut_host, stop_host, kill_luigid, restart_luigid, kill_store)


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
