"""Everything that may come over a job: each kind starts commands, disturbs them, sees them end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
from campaign import Command, Round, sha256
from injection import Fault, failing

_MISSED_S = 8.0  # longer than a luigid waits for a worker, see `hurried`
_GIVEN_UP_S = 15.0
_FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, 0)
_KILLED = -signal.SIGKILL


class Killable(Protocol):
    """A process, or a luigid."""

    def kill(self) -> object: ...


@dataclass(frozen=True)
class Disturbance:
    """A kind of disturbance.

    Attributes:
        act: what is done.
        needs_luigid: whether commands must share a luigid for it.
        redoes: whether a task may finish more than once, without a luigid too.
    """

    act: Callable[[Round], None]
    needs_luigid: bool = False
    redoes: bool = True


def kill(at: Round) -> None:
    """Kill processes of the job, one after another, with SIGKILL."""
    started = at.start()
    for _ in range(at.chance.randint(1, 3)):
        at.wait()
        _kill_one(at, started)
    _revive(at)
    at.finish(started, 0, 1, _KILLED)


def interrupt(at: Round) -> None:
    """Ask the command to end, as a person or a batch system does."""
    number = at.chance.choice([signal.SIGTERM, signal.SIGINT])
    started = at.start()
    started.ready()
    at.wait()
    _signal(at, started, number)
    # A shell says 130 of a process that ends by SIGINT, as one does that is asked while it starts.
    at.finish(started, 0, 130, -signal.SIGINT)


def stop(at: Round) -> None:
    """Stop processes for so long that another command takes over, then let them go on."""
    first = at.start()
    at.wait()
    with _stopped(_victims(at, first)) as count:
        at.note(f"stopped: {'nothing' if not count else 'a process' if count == 1 else 'a group'}")
        second = at.start()
        if count:
            at.story.append("longer than the scheduler waits")
            with contextlib.suppress(psutil.TimeoutExpired):
                second.process.wait(_MISSED_S)
    at.finish(first, 0)
    at.finish(second, 0)


def restart_luigid(at: Round) -> None:
    """End the scheduler and start it again, with its state or without."""
    assert at.luigid
    started = at.start()
    at.wait()
    if at.chance.random() < 0.5:
        at.note("luigid restarted")
        at.luigid.stop()
    else:
        at.note("luigid killed, its state lost")
        at.luigid.kill()
        at.luigid.forget()
    at.wait()
    _revive(at)
    ended = at.finish(started, 0, 1)
    if ended.status and not at.damaged:
        assert "no Luigi scheduler answers" in ended.stderr  # when it began


def twins(at: Round) -> None:
    """Start the same command twice."""
    first = at.start()
    at.wait()
    at.note("two commands, one luigid" if at.luigid else "two commands")
    second = at.start()
    at.finish(first, 0)
    at.finish(second, 0)


def fail_calls(at: Round) -> None:
    """Have the file system refuse a call, or all calls from one on."""
    number, ever = at.chance.choice(_FAULTS), at.chance.random() < 0.5
    calls = at.undisturbed.calls
    first = round(calls ** at.chance.random()) if ever else at.chance.randint(1, calls)
    counter = at.folder / f"calls-{len(at.story)}"
    fault = Fault(str(at.out), number, first, ever or not number, str(counter))
    at.story.append(str(fault))
    started = at.start(**failing(fault))
    if at.luigid:  # beside one, a command that gets no further waits for other hosts
        with contextlib.suppress(psutil.TimeoutExpired):
            started.process.wait(_GIVEN_UP_S)
        _signal(at, started, signal.SIGTERM)
    ended = at.finish(started, 0, *([1] if number else []), *([130] if at.luigid else []))
    met = counter.exists() and counter.stat().st_size >= first
    name = errno.errorcode[number] if number else "half writes"
    at.note(f"{name}{', for ever' if ever and number else ''}" if met else "calls that never came")
    if ended.status == 1 and not at.damaged:
        assert met
        assert "to do:" in ended.stderr or "incomplete:" in ended.stderr


def damage(at: Round) -> None:
    """Between two runs, remove files, cut them short, or flip a bit of them."""
    started = at.start()
    if at.chance.random() < 0.5:
        at.wait()
        started.end()
    at.finish(started, 0, _KILLED)
    for _ in range(at.chance.randint(1, 3)):
        if files := at.files():
            folder = at.chance.choice(sorted({path.parent for path in files}))
            path = at.chance.choice([path for path in files if path.parent == folder])
            at.story.append(str(path))
            at.chance.choice([_remove, _truncate, _flip])(at, path)
            at.damaged[path] = sha256(path)


def change_archive(at: Round) -> None:
    """Touch an archive while it is at work on, lengthen it, or change a byte; then mend it."""
    path = at.chance.choice(sorted(at.sample.raw.glob("*.tar*")))
    content = path.read_bytes()
    how = at.chance.choice(["touched", "lengthened", "changed"])
    started = at.start()
    at.wait()
    at.note(f"archive {how}")
    at.story.append(path.name)
    with path.open("r+b") as file:
        if how == "lengthened":
            file.seek(0, os.SEEK_END)
            file.write(bytes(512))
        elif how == "changed":
            place = at.chance.randrange(len(content))
            file.seek(place)
            file.write(bytes([content[place] ^ 1]))
        else:
            os.utime(file.fileno())
    ended = at.finish(started, *((0, 1) if how == "touched" else (0, 1, 3)))
    if ended.status and not at.damaged:
        at.note("refusals of changed archives")
        assert path.name in ended.stderr
        assert "to do:" in ended.stderr
    path.write_bytes(content)


KINDS: dict[str, Disturbance] = {
    "kill": Disturbance(kill, redoes=False),
    "interrupt": Disturbance(interrupt, redoes=False),
    "stop": Disturbance(stop, needs_luigid=True),
    "restart luigid": Disturbance(restart_luigid, needs_luigid=True),
    "twins": Disturbance(twins),
    "fail calls": Disturbance(fail_calls),
    "damage": Disturbance(damage),
    "change archive": Disturbance(change_archive),
}


def _kill_one(at: Round, started: Command) -> None:
    if at.chance.random() < 0.5:
        _victims(at, started)  # wait for a moment at which a task is at work
    worker, tasks = started.worker(), started.tasks()
    there: dict[str, Killable | None] = {
        "command": started.process if started.runs() else None,
        "worker": worker,
        "task": at.chance.choice(tasks) if tasks else None,
        "luigid": at.luigid if at.luigid and at.luigid.alive() else None,
    }
    victims = {name: victim for name, victim in there.items() if victim}
    if victims:
        name = at.chance.choice(sorted(victims))
        with contextlib.suppress(psutil.NoSuchProcess):
            victims[name].kill()
            at.note(f"killed: {name}")


def _signal(at: Round, started: Command, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        started.process.send_signal(number)
        at.note(number.name)


def _victims(at: Round, started: Command) -> list[psutil.Process]:
    """Return the worker, a task of it, or both, as soon as there are any."""
    while started.runs():
        worker, tasks = started.worker(), started.tasks()
        if worker and tasks:
            return at.chance.choice([[worker], tasks[:1], [worker, *tasks]])
        time.sleep(0.01)
    return []


@contextlib.contextmanager
def _stopped(processes: Sequence[psutil.Process]) -> Iterator[int]:
    """Stop processes and let them go on; yields how many are stopped."""
    stopped = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
            stopped.append(process)
    try:
        yield len(stopped)
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _revive(at: Round) -> None:
    if at.luigid and not at.luigid.alive():
        at.luigid.start()


def _remove(at: Round, path: Path) -> None:
    at.note("file removed")
    path.unlink()


def _truncate(at: Round, path: Path) -> None:
    at.note("file cut short")
    os.truncate(path, at.chance.randint(0, max(0, path.stat().st_size - 1)))


def _flip(at: Round, path: Path) -> None:
    content = bytearray(path.read_bytes())
    if not content:
        return
    at.note("bit flipped")
    place = at.chance.randrange(len(content))
    content[place] ^= 1 << at.chance.randrange(8)
    path.write_bytes(content)
