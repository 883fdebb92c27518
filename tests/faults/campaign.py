"""A round of the fault campaign: a job that is disturbed, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from daemons import Luigid
from killing import kill_tree
from support import RawSet, command, products, shardmill, temporary_files, timings

_END_S = 120
_ORPHANS_S = 15.0  # that a killed command's processes may take to end
_REFUSALS = 5  # as many damaged files may be named one after another
_REFUSED = (1, 2)  # a damaged file; a product whose mark is gone: it may be anybody's
_NAMED = re.compile(r"^shardmill: (/.+?): ", re.MULTILINE)
_LOG_FOLLOWS = "no log can be written here, so it follows"
_NOISE = ("runs", "run.lock", "sources.lock")  # below .shardmill: what no product depends on


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    stderr: str


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbs.

    Attributes:
        products: path -> SHA-256 of what it makes.
        seconds: that it takes.
        calls: by which it changes files: what may fail, see `injection`.
    """

    products: dict[str, str]
    seconds: float
    calls: int


@dataclass
class Command:
    """A command at work."""

    process: psutil.Popen

    def ready(self) -> None:
        """Wait until it handles SIGTERM: till then Python itself answers signals."""
        while self.runs() and not _handles(self.process.pid, signal.SIGTERM):
            time.sleep(0.005)

    def worker(self) -> psutil.Process | None:
        """Return the worker's process, if there is one now."""
        with contextlib.suppress(psutil.Error):
            for child in self.process.children():
                return child
        return None

    def tasks(self) -> list[psutil.Process]:
        """Return the processes of the tasks at work now."""
        worker = self.worker()
        with contextlib.suppress(psutil.Error):
            return worker.children() if worker else []
        return []

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def end(self) -> None:
        """Kill it and all below it, if it has not ended."""
        kill_tree(self.process)


@dataclass
class Round:
    """One output folder, made in spite of everything.

    Attributes:
        sample: a set of its own: archives may be changed.
        folder: where everything of this round lies.
        options: of the job.
        undisturbed: a run with these options that nobody disturbs.
        chance: every choice of the round.
        luigid: that commands share; without it each has a scheduler of its own.
        once: whether no task may finish more than once.
        tally: what was done, and what came of it.
        story: the same in order, for a round that fails.
        damaged: files that were damaged -> SHA-256 of what was left in them, None of nothing; a
            command may refuse these, and say which.
        commands: all that were started.
    """

    sample: RawSet
    folder: Path
    options: tuple[str, ...]
    undisturbed: Undisturbed
    chance: random.Random
    luigid: Luigid | None = None
    once: bool = False
    tally: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    damaged: dict[Path, str | None] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.folder / "out"

    def note(self, what: str) -> None:
        """Count something that happened, and put it down in the story."""
        self.tally[what] += 1
        self.story.append(f"{time.monotonic():.2f} {what}")

    def wait(self) -> None:
        """Let a random time pass, less than what a whole job takes."""
        time.sleep(self.chance.uniform(0, 0.8 * self.undisturbed.seconds))

    def start(self, **environment: str) -> Command:
        """Start the command."""
        self.story.append(f"{time.monotonic():.2f} start")
        where = ("--raw", self.sample.raw, "--config", self.sample.config, "--out", self.out)
        scheduler = ("--scheduler-host", self.luigid.address) if self.luigid else ()
        process = psutil.Popen(
            command("imagenet", *where, *self.options, "--workers", 2, *scheduler),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.commands.append(Command(process))
        return self.commands[-1]

    def finish(self, started: Command, *statuses: int) -> Ended:
        """Wait for the end of a command, with one of these statuses, and never a false success.

        Where files were damaged it may also refuse those.
        """
        _, stderr = started.process.communicate(timeout=_END_S)
        ended = Ended(started.process.returncode, stderr)
        self.note(f"exit status {ended.status}")
        self.story.append(ended.stderr)
        # Luigi's own log, if it can be written nowhere else, has its tracebacks indented.
        own = "\nTraceback" if _LOG_FOLLOWS in ended.stderr else "Traceback"
        assert own not in f"\n{ended.stderr}"
        assert "defect of the program" not in ended.stderr
        assert ended.status in statuses or (self.damaged and ended.status in _REFUSED)
        if ended.status == 0 and not self.damaged:
            assert self.finished_products() == self.undisturbed.products
        return ended

    def play(self, disturbances: Iterable[Callable[[Round], None]]) -> None:
        """Disturb the job in each of these ways, then see that it ends well all the same."""
        with self.luigid or contextlib.nullcontext():
            try:
                for disturb in disturbances:
                    self._renew()
                    self.story.append(disturb.__name__)
                    disturb(self)
                self.settle()
            finally:
                for started in self.commands:
                    started.end()

    def _renew(self) -> None:
        """Begin anew if the job is complete: nothing is left of it to disturb."""
        if self.out.exists() and self.finished_products() == self.undisturbed.products:
            self.story.append("begin anew")
            shutil.rmtree(self.out)
            self.damaged.clear()

    def finished_products(self) -> dict[str, str]:
        """Return path -> SHA-256 of what stands under final names."""
        found = products(self.out).items()
        return {name: value for name, value in found if not name.endswith(".tmp")}

    def files(self) -> list[Path]:
        """Return every file that something depends on, sorted."""
        state = self.out / ".shardmill"
        noise = tuple(state / name for name in _NOISE)
        return [
            path
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and not path.is_symlink() and not path.name.endswith(".tmp")
            if not any(path.is_relative_to(each) for each in noise)
        ]

    def settle(self) -> None:
        """Run the command undisturbed until it ends well, and check what is then there."""
        self.story.append("settle")
        self._complete()
        self._mend_damage()
        assert self.finished_products() == self.undisturbed.products
        assert temporary_files(self.out) == []
        assert self._survivors() == []
        self._count_tasks()

    def _complete(self) -> None:
        """Run until complete, doing what each refusal of a damaged file says."""
        for _ in range(_REFUSALS):
            if self.luigid and not self.luigid.alive():
                self.luigid.start()
            ended = self.finish(self.start(), 0)
            if ended.status == 0:
                return
            if "say --replace" in ended.stderr:
                self.note("refusals of products whose marks are gone")
                self.options = (*self.options, "--replace")
                continue
            self.note("refusals of damaged files")
            named = [Path(name) for name in _NAMED.findall(ended.stderr)]
            assert named, "a refusal names no file"
            for path in named:
                path.unlink(missing_ok=True)
        raise AssertionError("it is refused again and again")

    def _mend_damage(self) -> None:
        """Have `verify` find the files that still are damaged, and the command make them again."""
        left = {path for path, digest in self.damaged.items() if digest and digest == sha256(path)}
        found = shardmill("verify", self.out, "--remove-damaged")
        self.story.append(f"verify, damaged: {left}: {found.returncode}\n{found.stderr}")
        assert "Traceback" not in found.stderr
        assert (found.returncode == 0) == (not left)
        marks = {path for path in left if path.suffix == ".json"}  # which may be all that knows
        assert (marks or left) <= {Path(name) for name in _NAMED.findall(found.stderr)}
        if left:
            self.tally["damaged files that verify removed"] += len(left)
            self._complete()
            again = shardmill("verify", self.out)
            assert again.returncode == 0, again.stderr

    def _survivors(self) -> list[str]:
        """Return the processes of this round that do not end."""
        deadline = time.monotonic() + _ORPHANS_S
        while (left := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _processes(self) -> Iterator[str]:
        for process in psutil.process_iter(["pid", "cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.out) in line and process.info["pid"] != os.getpid():
                yield line

    def _count_tasks(self) -> None:
        done = Counter((timing.step, timing.name) for timing in timings(self.out))
        self.tally["finished tasks"] += done.total()
        again = {task: count - 1 for task, count in done.items() if count > 1}
        self.tally["redone shards"] += sum(
            more for (step, _), more in again.items() if step == "shards"
        )
        assert not (self.once and again)


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, by what the kernel says of it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)
    return False


def sha256(path: Path) -> str | None:
    """Return the digest of a file's content, None if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
