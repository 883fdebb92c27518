"""``--cluster``: a command whose shards an engine writes, and that makes everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import prepare, shardmill
from finishedoutputs import kept
from stubcluster import StubCluster, stand_in
from support import RawSet, products

from pipeline.errors import BadImage, EnvironmentRefused
from pipeline.job.table.option import LIST, OPEN
from tasks.cli.enginewords import with_clusters
from tasks.engines import address
from tasks.engines.address import EngineAddress

AT = "dask://sched:8786"
MORE = ("--format", "tfrecord,webdataset", "--shards", "train=5", "--export", "parquet")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubCluster:
    """A cluster at each address, whether Dask is installed or not."""
    return stand_in(monkeypatch)


def test_the_cluster_writes_the_shards_and_the_command_the_rest(
    small: RawSet, out: Path, stub: StubCluster
) -> None:
    run = prepare(small, out, *MORE, "--cluster", AT)
    assert run.returncode == 0, run.stderr
    assert stub.at == [address.parse(AT)]
    assert [shard for split, shard in stub.shards if split == "train"] == [0, 1, 2, 3, 4]
    assert "shards: " in run.stdout
    assert products(out) == products(kept(small, *MORE).out)
    again = prepare(small, out, *MORE, "--cluster", AT)
    assert "already complete" in again.stdout
    assert len(stub.at) == 1


def test_an_engine_with_an_address_is_a_cluster(
    small: RawSet, out: Path, stub: StubCluster
) -> None:
    run = prepare(small, out, "--split", "validation", "--engine", AT)
    assert run.returncode == 0, run.stderr
    assert stub.shards


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--engine", AT], ["--cluster", AT]),
        ([f"--engine={AT}", "x"], [f"--cluster={AT}", "x"]),
        (["--engine", "sched:1"], ["--cluster", "sched:1"]),
        (["--engine", "opencv", "--engine", AT], ["--engine", "opencv", "--cluster", AT]),
        (["--engine=pillow", "--raw", AT], ["--engine=pillow", "--raw", AT]),
        (["--engine"], ["--engine"]),
        ([], []),
    ],
)
def test_which_engine_is_a_cluster(words: list[str], meant: list[str]) -> None:
    assert with_clusters(words) == meant


def test_a_refusal_there_is_the_status_of_the_command(
    small: RawSet, out: Path, stub: StubCluster
) -> None:
    stub.refused = BadImage("on node7: no image")
    run = prepare(small, out, "--cluster", AT)
    assert run.returncode == 3
    assert "on node7: no image" in run.stderr
    assert not list(out.rglob("*-of-*"))


def test_a_list_and_open_images_take_a_cluster(
    tmp_path: Path, out: Path, openimages: Path, stub: StubCluster
) -> None:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    run = shardmill(OPEN, *where, "--out", out, "--class", "Bear", "--cluster", AT)
    assert run.returncode == 4, run.stderr  # an image is bad
    assert stub.shards
    other = tmp_path / "other"
    run = shardmill(LIST, tmp_path / "none.lst", "--out", other, "--cluster", "sched")
    assert (run.returncode, stub.at[1:]) == (2, [])
    assert "dask://HOST:PORT" in run.stderr


def test_a_scheduler_that_does_not_answer_is_said_before_work(
    small: RawSet, out: Path, stub: StubCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(at: EngineAddress) -> None:
        raise EnvironmentRefused(f"no Dask scheduler answers at {at}")

    monkeypatch.setattr(address, "check", check)
    run = prepare(small, out, "--cluster", AT)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == f"shardmill: no Dask scheduler answers at {AT}"
    assert (stub.shards, stub.at) == ([], [])
    assert not list(out.rglob("*.arrow"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--until", "plan"), "--cluster writes shards: leave --until out"),
        (("--scheduler-host", "localhost"), "contradict each other"),
        (("--stage", "STAGE"), "leave --stage out"),
        (("--part", "0/2"), "--part and --cluster contradict each other"),
    ],
)
def test_what_contradicts_a_cluster_is_refused(
    small: RawSet, out: Path, stub: StubCluster, more: tuple[str, ...], said: str
) -> None:
    run = prepare(small, out, "--cluster", AT, *more)
    assert run.returncode == 2
    assert said in run.stderr
    assert stub.at == []


@pytest.mark.parametrize("given", ["sched:8786", "dask://sched", "tcp://sched:1"])
def test_a_malformed_address_is_refused_with_the_form(small: RawSet, out: Path, given: str) -> None:
    run = prepare(small, out, "--cluster", given)
    assert run.returncode == 2
    assert "dask://HOST:PORT" in run.stderr
    assert given in run.stderr


def test_without_dask_it_is_said_how_to_install_it(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "find_spec", lambda _: None)
    run = prepare(small, out, "--cluster", AT)
    assert run.returncode == 2
    assert "pip install '.[dask]'" in run.stderr


def test_a_dry_run_asks_no_cluster(small: RawSet, out: Path, stub: StubCluster) -> None:
    run = prepare(small, out, "--cluster", AT, "--dry-run")
    assert (run.returncode, stub.at) == (0, [])
