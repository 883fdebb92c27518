"""Processes that die, and processes whose command dies."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import forked
import psutil
import pytest
from packing import draw_set, encoding, list_all, names, passing, saved, write_list
from support import command, shardmill

from pipeline.errors import BadImage, NoSpace, ShardmillError
from pipeline.im2rec import pool
from pipeline.im2rec.pack import pack
from pipeline.images.raster import Pixels
from pipeline.storage import SharedFile, StagedFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_set(tmp_path)


@pytest.fixture
def long_list(root: Path, tmp_path: Path) -> Path:
    """A list that is worked at for seconds."""
    rows = [(number, 0, f"{number % 12}.jpg") for number in range(20_000)]
    return write_list(tmp_path / "a.lst", rows)


@pytest.fixture
def at_work(root: Path, long_list: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that has begun to write, with two workers."""
    arguments = ("im2rec", tmp_path / "a", root, "--resize", 300, "--num-thread", 2)
    process = forked.ForkedPopen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not any(path.stat().st_size for path in tmp_path.glob(".a.rec.*.tmp")):
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_is_an_error_and_nothing_is_published(
    root: Path, tmp_path: Path, long_list: Path, victim: int
) -> None:
    def kill(done: int, lines: int) -> None:
        worker = sorted(multiprocessing.active_children(), key=lambda one: one.pid or 0)[victim]
        worker.kill()
        worker.join()

    with pytest.raises(ShardmillError, match="has died, and nothing was published") as error:
        pack(passing(root, long_list, threads=2), kill)
    assert error.value.exit_status == 1
    assert "SIGKILL" in (error.value.found or "")
    assert names(tmp_path) == {"images", "a.lst"}
    assert multiprocessing.active_children() == []


def test_a_command_whose_worker_is_killed_ends_in_status_1(
    at_work: subprocess.Popen[str], tmp_path: Path
) -> None:
    workers = psutil.Process(at_work.pid).children()
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    _, stderr = at_work.communicate(timeout=60)
    assert at_work.returncode == 1
    assert "a process that packs images has died" in stderr
    assert names(tmp_path) == {"images", "a.lst"}
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_leaves_nothing(
    at_work: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    workers = psutil.Process(at_work.pid).children()
    at_work.send_signal(number)
    _, stderr = at_work.communicate(timeout=60)
    assert at_work.returncode == 130
    assert stderr.strip() == "interrupted"
    assert names(tmp_path) == {"images", "a.lst"}
    assert not any(worker.is_running() for worker in workers)


def test_workers_end_when_their_command_is_killed(
    at_work: subprocess.Popen[str], root: Path, tmp_path: Path
) -> None:
    workers = psutil.Process(at_work.pid).children()
    at_work.kill()
    at_work.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    assert not (tmp_path / "a.rec").exists()
    write_list(tmp_path / "a.lst", [(0, 0, "0.jpg")])
    assert shardmill("im2rec", tmp_path / "a", root).returncode == 0
    assert names(tmp_path) == {"images", "a.lst", "a.rec", "a.idx", "a.manifest.json"}


def test_a_transform_that_fails_ends_in_an_error(root: Path, tmp_path: Path) -> None:
    def fail(pixels: Pixels) -> Pixels:
        raise RuntimeError(pixels.shape)

    for threads in (1, 2):
        with pytest.raises(BadImage, match="fail failed on this image") as error:
            pack(encoding(root, list_all(root), fail, threads=threads))
        assert "RuntimeError" in (error.value.found or "")
        assert error.value.file == str(root / "0.jpg")
        assert error.value.place == f"line 1 of {tmp_path / 'a.lst'}"
        assert "--error-limit" in (error.value.remedy or "")
        assert names(tmp_path) == {"images", "a.lst"}


@pytest.mark.parametrize("threads", [1, 2])
def test_images_that_a_transform_fails_on_count_under_the_limit(
    root: Path, tmp_path: Path, threads: int
) -> None:
    def crop(pixels: Pixels) -> Pixels:
        if pixels.shape[1] < 32:
            raise ValueError("too small")
        return pixels[:, :32]

    for name in ("2.jpg", "9.jpg"):
        (root / name).write_bytes(saved("JPEG"))
    job = encoding(root, list_all(root), crop, threads=threads, error_limit=2)
    assert [each.path for each in pack(job).left_out] == ["2.jpg", "9.jpg"]
    assert (
        pack(job).left_out[0].reason.endswith("failed on this image; found ValueError: too small")
    )
    with pytest.raises(BadImage, match="more images cannot be packed"):
        pack(replace(job, error_limit=1))


@pytest.mark.parametrize(
    ("threads", "file", "method"), [(1, StagedFile, "write"), (2, SharedFile, "write_at")]
)
def test_a_process_that_cannot_write_says_why(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    file: type,
    method: str,
) -> None:
    write = getattr(file, method)

    def refuse(self: SharedFile | StagedFile, *given: object) -> object:
        if str(self.path).endswith(".rec"):
            raise NoSpace("no space left to write", file=str(self.path))
        return write(self, *given)

    monkeypatch.setattr(file, method, refuse)
    with pytest.raises(NoSpace) as error:
        pack(passing(root, list_all(root), threads=threads))
    assert error.value.file == str(tmp_path / "a.rec")
    assert names(tmp_path) == {"images", "a.lst"}


def test_a_worker_that_is_ahead_waits_for_the_one_that_is_not(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(number, 0, f"{number % 12}.jpg") for number in range(300)]
    listing = write_list(tmp_path / "a.lst", rows)
    expected = pack(passing(root, listing)).targets.records.read_bytes()
    largest = []
    feed = pool.WorkerPool._feed

    def fed(workers: pool.WorkerPool, worker: pool.Worker) -> None:
        feed(workers, worker)
        largest.append(sum(worker.sizes))

    def slow(pixels: Pixels) -> Pixels:
        time.sleep(0.2)
        return pixels

    monkeypatch.setattr(pool, "_AHEAD", 50_000)
    monkeypatch.setattr(pool.WorkerPool, "_feed", fed)
    assert (
        expected
        == pack(passing(root, listing, threads=3, batch_size=4)).targets.records.read_bytes()
    )
    assert max(largest) < 50_000 + 4 * 40_000
    job = encoding(root, write_list(listing, rows[:3]), slow, threads=3, batch_size=1)
    assert pack(job).records == 3
