"""The shipped script for Slurm, as it is written, on a real one."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm import Slurm, missing
from support import ROOT, RawSet, prepare, products, temporary_files

from pipeline import storage

SCRIPT = ROOT / "config" / "slurm" / "shards.sbatch"
SHARDS = ("--shards", "train=48", "--shards", "validation=16")
SMALLER = ("--cpus-per-task=1", "--mem=100M")  # than elements of a cluster are: a node has two CPUs
PATIENCE_S = 300


@pytest.fixture(scope="module")
def expected(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one command makes."""
    out = tmp_path_factory.mktemp("expected")
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    assert not missing(), f"make hosts installs these: {', '.join(missing())}"
    with Slurm(tmp_path_factory.mktemp("slurm"), cpus=4) as cluster:
        yield cluster


@pytest.fixture
def words(sample: RawSet, tmp_path: Path) -> list[str]:
    """The command, whose shards are planned."""
    run = prepare(sample, tmp_path / "out", *SHARDS, "--until", "plan")
    assert run.returncode == 0, run.stderr
    places = ("--raw", sample.raw, "--config", sample.config, "--out", tmp_path / "out")
    return ["imagenet", *map(str, places), *SHARDS]


def finish(slurm: Slurm, words: list[str], *arrays: str) -> None:
    """Run the ordinary command when the arrays have ended: it tells the truth of the whole."""
    line = shlex.join(["shardmill", *words])
    after = f"--dependency=afterany:{':'.join(arrays)}"
    status, said = slurm.wait(*SMALLER, after, "--wrap", line)
    assert status == 0, f"{said}\n{slurm.logs()}"


def check(out: Path, expected: dict[str, str]) -> None:
    assert products(out) == expected
    assert temporary_files(out) == []
    assert storage.documents(out / ".shardmill" / "leases") == []


def written(out: Path) -> int:
    """Return how many shards are there."""
    return sum(1 for _ in (out / ".shardmill" / "shards").glob("*/*.json"))


def test_an_array_of_seven_whose_elements_are_cancelled_and_queued_again(
    slurm: Slurm, words: list[str], expected: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    array = slurm.submit("--array=0-6", *SMALLER, SCRIPT, *words)
    deadline = time.monotonic() + PATIENCE_S
    while written(out) < 2 or len(slurm.running(array)) < 2:
        assert time.monotonic() < deadline, slurm.logs()
        assert written(out) < 64, "all was written before anything was cancelled"
        time.sleep(0.1)
    cancelled, again, *_ = slurm.running(array)
    slurm.run("scancel", cancelled)
    slurm.run("scontrol", "requeue", again)
    while again not in slurm.run("squeue", "-h", "-r", "-j", array, "-o", "%F_%K", check=False):
        assert time.monotonic() < deadline, "it is not in the queue again"
        time.sleep(0.1)
    # Slurm would wait for two minutes before it starts the element again.
    slurm.run("scontrol", "update", f"JobId={again}", "StartTime=now", check=False)
    finish(slurm, words, array)
    check(out, expected)


def test_two_arrays_at_once(
    slurm: Slurm, words: list[str], expected: dict[str, str], tmp_path: Path
) -> None:
    arrays = [
        slurm.submit(f"--array={which}", *SMALLER, SCRIPT, *words) for which in ("0-6", "1-5")
    ]
    finish(slurm, words, *arrays)
    check(tmp_path / "out", expected)
    assert "Traceback" not in slurm.logs()
