"""Runs a command as a process and measures it: time, processor time, memory of its tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.state import progress

_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Usage:
    """One run of a command.

    Attributes:
        wall_s: seconds from start to end, imports and all.
        cpu_s: user and system seconds of the process and of all descendants it waited for.
        output: what it wrote to standard output.
        peak_bytes: the largest resident set of the process or one of these descendants.
    """

    wall_s: float
    cpu_s: float
    output: str
    peak_bytes: int


@dataclass(frozen=True)
class Peak:
    """The most memory that one process of a tree held for itself alone.

    Attributes:
        depth: 0 for the process that was started, 1 for its children, and so on.
        name: of the process at its peak; that of a task of ours is its step.
        uss: peak unique set size in bytes, by samples.
    """

    depth: int
    name: str
    uss: int


class CommandFailed(Exception):
    """A measured command ended with another status than 0."""


def run(command: Sequence[str], folder: Path) -> Usage:
    """Run a command in a folder to its end.

    Raises:
        CommandFailed: its status is not 0; with what it wrote last.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, cwd=folder)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = output.read().decode(errors="replace")
        if process.returncode:
            tail = (said + errors.read().decode(errors="replace"))[-2000:]
            raise CommandFailed(f"{' '.join(command)}: status {process.returncode}\n{tail}")
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
        return Usage(wall, cpu, said, peak)


def steps(out: Path) -> dict[str, float]:
    """Return the seconds of every step of the last command of ours in an output folder."""
    name = progress.latest_run(out)
    assert name is not None, f"no command has finished a step in {out}"
    return {step.step: step.seconds for step in progress.by_step(progress.timings(out, name))}


def peaks(command: Sequence[str], folder: Path) -> list[Peak]:
    """Run a command and sample the unique set size of every process of its tree.

    Sampling costs processor time: a run measured here is not one to be timed.
    """
    highest: dict[tuple[int, float], Peak] = {}
    with psutil.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    ) as root:
        while root.poll() is None:
            for (pid, born), peak in _sample(root):
                before = highest.get((pid, born), peak)
                highest[pid, born] = max(before, peak, key=lambda each: each.uss)
            time.sleep(_SAMPLE_S)
        if root.returncode:
            raise CommandFailed(f"{' '.join(command)}: status {root.returncode}")
    return list(highest.values())


def _sample(root: psutil.Process) -> list[tuple[tuple[int, float], Peak]]:
    """Return (process, what it holds now) of what is alive; the dying are passed over."""
    found = []
    depths = {root.pid: 0}
    with suppress(psutil.NoSuchProcess):
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                depth = depths.setdefault(process.pid, depths.get(process.ppid(), 0) + 1)
                peak = Peak(depth, _name(process), process.memory_full_info().uss)
                found.append(((process.pid, process.create_time()), peak))
    return found


def _name(process: psutil.Process) -> str:
    """Return the name it has now: psutil's is the one that it was born with, or it guesses."""
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return process.name()
