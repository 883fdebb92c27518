"""``--cluster`` with a real Dask: its processes are killed, refuse, and see too little."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import forked
import pytest
from daskprocesses import DaskProcesses
from support import SHARDS, RawSet, command, prepare, products, temporary_files

from pipeline import paths
from pipeline.formats.registry import ALL
from pipeline.storage import this_process
from tasks.engines.cluster import WAIT_VARIABLE

OLDER = 1234
"""A version of a writer that no program has."""
PROGRAM = f"from pipeline.formats.registry import ALL; ALL['tfrecord'].version = {OLDER}"


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskProcesses]:
    """A scheduler without workers."""
    with DaskProcesses(tmp_path / "dask") as started:
        yield started


def start(raw_set: RawSet, out: Path, *more: object) -> forked.ForkedPopen:
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    words = command("imagenet", *where, *SHARDS, *more)
    return forked.ForkedPopen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_shards(out: Path, count: int) -> None:
    marks = paths.shard_marks(out, "")
    deadline = time.monotonic() + 120
    while len(list(marks.glob("*/*.json"))) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_worker_is_killed_and_then_the_scheduler(
    sample: RawSet, undisturbed: dict[str, str], out: Path, dask: DaskProcesses
) -> None:
    """The first is not noticed; of the second the command says so, and goes on when it is back."""
    workers = dask.workers(2)
    started = start(sample, out, "--cluster", dask.address)
    wait_for_shards(out, 3)
    workers[0].kill()
    wait_for_shards(out, 20)
    assert started.poll() is None
    dask.scheduler.kill()
    said, complained = started.communicate(timeout=120)
    assert started.returncode == 1, complained + said
    assert f"the Dask scheduler at {dask.address} has gone away" in complained
    dask.restart()
    dask.workers(2)
    again = prepare(sample, out, *SHARDS, "--engine", dask.address)
    assert again.returncode == 0, again.stderr + again.stdout
    assert products(out) == undisturbed
    assert temporary_files(out) == []


def test_a_refusal_there_stops_the_other_shards(
    sample: RawSet, tmp_path: Path, out: Path, dask: DaskProcesses
) -> None:
    raw = sample.copy(tmp_path / "raw")
    spoil(raw, "ILSVRC2012_img_train.tar")
    dask.workers(1)
    run = prepare(raw, out, *SHARDS, "--cluster", dask.address)
    assert run.returncode == 3, run.stderr + run.stdout
    assert f"on {this_process().host}: " in run.stderr
    written = len(list(paths.shard_marks(out, "").glob("*/*.json")))
    time.sleep(2)
    left = len(list(paths.shard_marks(out, "").glob("*/*.json")))
    assert left <= written + 1  # the one that was being written
    assert left < 48 + 12 - 1


def spoil(raw: RawSet, name: str) -> None:
    """Make the first image of the first class of the training archive one that nobody can read."""
    archive = raw.raw / name
    with tarfile.open(archive) as tar:
        outer = next(iter(tar))
        inner = tar.extractfile(outer)
        with tarfile.open(fileobj=inner) as classes:
            member = next(iter(classes))
    with archive.open("r+b") as file:
        file.seek(outer.offset_data + member.offset_data)
        file.write(bytes(member.size))
    raw.repin(name)


def test_a_worker_with_another_program_writes_nothing(
    small: RawSet, tmp_path: Path, out: Path, dask: DaskProcesses
) -> None:
    (tmp_path / "older.py").write_text(PROGRAM)
    dask.workers(1, "--preload", tmp_path / "older.py")
    run = prepare(small, out, "--format", "tfrecord", "--cluster", dask.address)
    assert run.returncode == 2, run.stderr + run.stdout
    assert f"on {this_process().host}: this program would write other shards" in run.stderr
    assert f"version {ALL['tfrecord'].version} of its writer" in run.stderr
    assert f"version {OLDER} of its writer" in run.stderr
    assert not list(out.rglob("*-of-*"))


def test_a_worker_without_the_archive_says_where(
    small: RawSet, tmp_path: Path, out: Path, dask: DaskProcesses
) -> None:
    folder, config = tmp_path / "raw", small.copy(tmp_path / "config").config
    raw = RawSet(small.copy(folder).raw, config)
    dask.workers(1, within=hidden(folder))
    run = prepare(raw, out, "--cluster", dask.address)
    assert run.returncode == 3, run.stderr + run.stdout
    assert f"on {this_process().host}: the archive is not there" in run.stderr
    assert f"{folder}/ILSVRC2012_img_" in run.stderr
    assert not list(out.rglob("*-of-*"))


def hidden(folder: Path) -> list[str]:
    """Return what starts a program that finds nothing in a folder."""
    own = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces here: a worker that does not see a folder cannot be started")
    return [*own, "sh", "-c", f'mount -t tmpfs none "{folder}" && exec "$@"', "sh"]


def test_without_workers_and_with_a_scheduler_that_is_stopped(
    small: RawSet, out: Path, dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WAIT_VARIABLE, "1")
    run = prepare(small, out, "--cluster", dask.address)
    assert run.returncode == 1, run.stderr + run.stdout
    assert "waiting for one, 1 s at most" in run.stderr
    assert "the engine had no worker for 1 seconds" in run.stderr
    os.kill(dask.scheduler.pid, signal.SIGSTOP)
    run = prepare(small, out, "--cluster", dask.address)
    assert run.returncode == 1
    assert f"no Dask scheduler answers at {dask.address}" in run.stderr


def test_a_worker_of_dask_is_no_scheduler(small: RawSet, out: Path, dask: DaskProcesses) -> None:
    dask.workers(1)
    run = prepare(small, out, "--cluster", dask.address_of_worker())
    assert run.returncode == 1, run.stderr + run.stdout
    assert "no Dask scheduler answers at" in run.stderr
