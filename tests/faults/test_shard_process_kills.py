"""One shard that several processes encode: whichever of them dies, the bytes are the same."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from drawnlists import ALL_FORMATS, ListedSet, draw_list
from support import command, products, temporary_files

OPTIONS = (*ALL_FORMATS, "--shards", 1, "--resize", 700)
WORKERS = 3
NAMES = ("command", "worker", "task", "helper", "another helper")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    return draw_list(tmp_path_factory.mktemp("drawn") / "drawn", images=60)


@pytest.fixture(scope="module")
def alone(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process makes that nobody disturbs."""
    out = tmp_path_factory.mktemp("alone")
    run = drawn.prepare(out, *OPTIONS, "--workers", 1)
    assert run.returncode == 0, run.stderr
    return products(out)


@contextlib.contextmanager
def at_work(drawn: ListedSet, out: Path) -> Iterator[dict[str, psutil.Process]]:
    """Start the command; give its processes by `NAMES` when several of them encode a shard."""
    where = ("--root", drawn.root, "--out", out, "--workers", WORKERS)
    words = command("imagelist", drawn.path, *where, *OPTIONS)
    started = psutil.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: list[psutil.Process] = []
    while len(found) < len(NAMES):
        assert started.poll() is None
        time.sleep(0.005)
        with contextlib.suppress(psutil.Error):
            found = _found(started)
    yield dict(zip(NAMES, found, strict=True))
    with contextlib.suppress(psutil.NoSuchProcess):
        started.kill()
    _, alive = psutil.wait_procs(found, timeout=30)
    assert alive == []


def _found(started: psutil.Popen) -> list[psutil.Process]:
    for worker in started.children():
        for task in worker.children():
            if helpers := task.children():
                return [started, worker, task, *helpers]
    return []


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("victim", NAMES)
def test_whoever_is_killed_the_bytes_are_those_of_one_process(
    drawn: ListedSet, alone: dict[str, str], out: Path, chance: random.Random, victim: str
) -> None:
    with at_work(drawn, out) as processes:
        time.sleep(chance.uniform(0, 0.3))
        with contextlib.suppress(psutil.NoSuchProcess):
            processes[victim].kill()
        status = processes["command"].wait(timeout=120)
        assert status == (-signal.SIGKILL if victim == "command" else 0)
    if victim == "command":
        run = drawn.prepare(out, *OPTIONS, "--workers", WORKERS)
        assert run.returncode == 0, run.stderr
    assert products(out) == alone
    assert temporary_files(out) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_of_them_and_publishes_nothing(
    drawn: ListedSet, out: Path, number: signal.Signals
) -> None:
    with at_work(drawn, out) as processes:
        processes["command"].send_signal(number)
        assert processes["command"].wait(timeout=60) == 130
        _, alive = psutil.wait_procs(list(processes.values()), timeout=30)
        assert alive == []
    assert temporary_files(out) == []
