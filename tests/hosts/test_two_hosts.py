"""Two hosts that share a folder: what one takes over, publishes late, or sees by another clock."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hostservers import HostedLuigid
from machines import Host, hosts
from preloaded import another_clock
from support import ROOT, RawSet, command, prepare, products, temporary_files

SHARDS = ("--shards", "train=24", "--shards", "validation=8")
TAKEOVER_S = 300
PATIENCE_S = 240
HOLDER = """
import sys, time
from pathlib import Path
from pipeline.state import lease
with lease.stated(Path(sys.argv[1])):
    print("at work", file=sys.stderr, flush=True)
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def expected(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("expected")
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Host]]:
    with hosts(tmp_path / "hosts", "one", "two") as both:
        yield both


@pytest.fixture
def luigid(two: list[Host], tmp_path: Path) -> Iterator[HostedLuigid]:
    scheduler = HostedLuigid(tmp_path / "luigid", two[0])
    scheduler.start()
    yield scheduler
    scheduler.kill()


def words(sample: RawSet, out: Path, *more: object) -> list[str]:
    where = ("--raw", sample.raw, "--config", sample.config, "--out", out)
    return command("imagenet", *where, *SHARDS, *more)


def finish(process: psutil.Popen, *statuses: int, within: float = PATIENCE_S) -> str:
    _, said = process.communicate(timeout=within)
    assert process.returncode in statuses, said.decode()
    assert b"Traceback" not in said
    return str(said.decode())


def begun(out: Path, shards: int = 2) -> None:
    """Wait until some shards are there."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(1 for _ in (out / ".shardmill" / "shards").glob("*/*.json")) < shards:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def whole(out: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every product but those that a host has half written."""
    left = {str(path.relative_to(out)) for path in temporary_files(out)}
    return {name: content for name, content in products(out).items() if name not in left}


def check(host: Host, out: Path, expected: dict[str, str], *, was_killed: bool = False) -> None:
    """See that the output is whole, and that nothing of the dead is left after `clean`.

    Of a host that was killed nothing is known to the others: what it was writing stays until then.
    """
    assert (whole(out) if was_killed else products(out)) == expected
    cleaned = host.run(command("clean", out, "--yes", "--other-hosts"))
    assert cleaned.returncode == 0, cleaned.stderr
    assert temporary_files(out) == []
    assert list((out / ".shardmill").glob("leases/*")) == []
    assert products(out) == expected


def test_what_a_killed_host_had_is_taken_over_with_the_shipped_settings(
    two: list[Host],
    luigid: HostedLuigid,
    sample: RawSet,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(ROOT / "luigi.cfg"))
    out, (one, other) = tmp_path / "out", two
    line = words(sample, out, "--scheduler-host", luigid.address, "--workers", 1)
    lost = other.start(line)
    begun(out)
    left = one.start(line)
    begun(out, 4)
    other.kill()
    finish(lost, -signal.SIGKILL)
    finish(left, 0, within=TAKEOVER_S)
    check(one, out, expected, was_killed=True)


@pytest.mark.usefixtures("hurried")
def test_an_orphan_that_publishes_late_does_no_harm(
    two: list[Host],
    luigid: HostedLuigid,
    sample: RawSet,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    out, (one, other) = tmp_path / "out", two
    line = words(sample, out, "--scheduler-host", luigid.address, "--workers", 1)
    late = other.start(line)
    begun(out)
    other.send(signal.SIGSTOP)
    finish(one.start(line), 0)
    assert whole(out) == expected
    other.send(signal.SIGCONT)
    finish(late, 0)
    check(one, out, expected)


def test_two_writers_of_every_shard_do_no_harm(
    two: list[Host], sample: RawSet, expected: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for process in [host.start(words(sample, out, "--workers", 1)) for host in two]:
        finish(process, 0)
    check(two[0], out, expected)


@pytest.mark.usefixtures("hurried")
def test_a_host_whose_clock_is_an_hour_off_does_no_harm(
    two: list[Host],
    luigid: HostedLuigid,
    sample: RawSet,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    off = another_clock("-1h", tmp_path)
    out, (one, other) = tmp_path / "out", two
    line = words(sample, out, "--scheduler-host", luigid.address, "--workers", 1)
    before = other.run([sys.executable, "-c", "import time; print(time.time())"], variables=off)
    assert float(before.stdout) < time.time() - 3000
    wrong = other.start(line, variables=off)
    right = one.start(line)
    finish(wrong, 0)
    finish(right, 0)
    again = other.run(line, variables=off)
    assert again.returncode == 0, again.stderr
    assert "already complete" in again.stdout
    check(one, out, expected)


def test_only_one_host_is_at_work_with_no_overlap(
    two: list[Host], sample: RawSet, expected: dict[str, str], tmp_path: Path
) -> None:
    out, (one, other) = tmp_path / "out", two
    holder = one.start([sys.executable, "-c", HOLDER, str(out)])
    assert holder.stderr.readline() == b"at work\n"
    line = words(sample, out, "--no-overlap", "--workers", 2)
    refused = other.run(line)
    assert refused.returncode == 10, refused.stderr
    assert re.search(r"at work on .*: process \d+ on one, since", refused.stderr)
    one.kill()
    holder.wait()
    holder.stderr.close()
    taken_over = other.run(line)
    assert taken_over.returncode == 0, taken_over.stderr
    assert re.search(r"sign of life of process \d+ on one", taken_over.stderr)
    check(other, out, expected)


def test_nobody_of_these_hosts_is_this_one(two: list[Host]) -> None:
    names = [host.run(["uname", "-n"]).stdout.strip() for host in two]
    if two[0].can_be_cut:
        assert names == ["one", "two"]
        assert os.uname().nodename not in names
