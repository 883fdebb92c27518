"""Who says that he is writing a shard: advisory, renewed, and gone with its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import manifest, paths, storage
from pipeline.documents.shards import ShardClaim
from pipeline.errors import NoSpace
from pipeline.state import ownership, shard_claims
from pipeline.state.shard_claims import PATIENCE_S, RENEW_S, ShardClaims

FAMILY = "0123456789ab"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mine(tmp_path: Path, clock: Clock) -> ShardClaims:
    return ShardClaims(tmp_path, FAMILY, clock)


@pytest.fixture
def other(tmp_path: Path, clock: Clock) -> ShardClaims:
    """Those of another process, which this one stands for."""
    return ShardClaims(tmp_path, FAMILY, clock)


Owned = Callable[..., None]


@pytest.fixture
def owned(tmp_path: Path) -> Owned:
    """Write a claim of another process."""

    def write(shard: int, **changed: object) -> None:
        process = storage.this_process()
        document = {
            "host": process.host,
            "pid": process.pid,
            "place": process.place,
            "birth": process.birth,
            "renewed": 0,
            **changed,
        }
        manifest.publish_alone(paths.shard_claim(tmp_path, FAMILY, shard), document)

    return write


def claim(out: Path, shard: int) -> ShardClaim | None:
    return manifest.read_undamaged(paths.shard_claim(out, FAMILY, shard), ShardClaim)


def test_a_claim_has_host_and_process_and_goes_when_it_is_dropped(
    mine: ShardClaims, other: ShardClaims, tmp_path: Path
) -> None:
    assert other.is_free(3)
    mine.take(3)
    written = claim(tmp_path, 3)
    assert written is not None
    assert (written.host, written.pid) == (storage.this_process().host, storage.this_process().pid)
    assert not other.is_free(3)
    assert other.is_free(2)
    mine.drop(3)
    assert other.is_free(3)
    assert claim(tmp_path, 3) is None
    mine.drop(3)


def test_a_claim_is_renewed_when_it_is_time(
    mine: ShardClaims, clock: Clock, tmp_path: Path
) -> None:
    mine.take(1)
    mine.renew()
    first = claim(tmp_path, 1)
    clock.now += RENEW_S / 2
    mine.renew()
    assert claim(tmp_path, 1) == first
    clock.now += RENEW_S
    mine.renew()
    second = claim(tmp_path, 1)
    assert first is not None
    assert second is not None
    assert second.renewed == first.renewed + 1


def test_a_process_of_this_host_that_is_gone_claims_nothing(
    mine: ShardClaims, owned: Owned
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    owned(1, pid=process.pid, birth="")
    assert mine.is_free(1)
    owned(2, birth="00000000")  # the number is another process's now
    assert mine.is_free(2)


def test_a_process_of_another_host_is_gone_when_it_was_not_renewed(
    mine: ShardClaims, owned: Owned, clock: Clock
) -> None:
    owned(1, host="elsewhere")
    assert not mine.is_free(1)
    clock.now += PATIENCE_S
    assert not mine.is_free(1)
    owned(1, host="elsewhere", renewed=1)
    clock.now += 1
    assert not mine.is_free(1)
    clock.now += PATIENCE_S + 1
    assert mine.is_free(1)


def test_whoever_takes_over_is_waited_for_anew(
    mine: ShardClaims, owned: Owned, clock: Clock
) -> None:
    owned(1, host="elsewhere")
    mine.is_free(1)
    clock.now += PATIENCE_S + 1
    owned(1, host="third")
    assert not mine.is_free(1)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"host": 1}'])
def test_what_is_no_claim_claims_nothing(mine: ShardClaims, tmp_path: Path, content: bytes) -> None:
    place = paths.shard_claim(tmp_path, FAMILY, 1)
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert mine.is_free(1)


def test_a_shard_is_written_though_it_cannot_be_claimed(
    mine: ShardClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoSpace("no space")

    monkeypatch.setattr(shard_claims, "manifest", SimpleNamespace(publish_alone=full))
    mine.take(1)
    mine.renew()


def test_claims_of_the_killed_are_swept_once_their_shards_are_there(
    mine: ShardClaims, tmp_path: Path
) -> None:
    for shard in (1, 2):
        mine.take(shard)
    shard_claims.sweep(tmp_path, FAMILY, {1}.__contains__)
    assert claim(tmp_path, 1) is None
    assert claim(tmp_path, 2) is not None
    shard_claims.sweep(tmp_path, "ba9876543210", {1}.__contains__)


def test_claims_of_processes_that_are_gone_go_whatever_job_they_were_about(
    mine: ShardClaims, owned: Owned, tmp_path: Path
) -> None:
    mine.take(1)
    owned(2, birth="00000000")
    owned(3, host="elsewhere")
    stranger = tmp_path / ".shardmill" / "claims" / "notes.txt"
    stranger.write_text("mine")
    shard_claims.sweep_gone(tmp_path)
    assert [claim(tmp_path, shard) is not None for shard in (1, 2, 3)] == [True, False, True]
    plan = shard_claims.leftovers(tmp_path, of_other_hosts=True)
    assert [item.path for item in plan.items] == [paths.shard_claim(tmp_path, FAMILY, 3)]
    assert stranger.exists()


def test_where_there_are_no_claims_none_are_left(tmp_path: Path) -> None:
    shard_claims.sweep_gone(tmp_path)
    assert not shard_claims.leftovers(tmp_path, of_other_hosts=True).items


def test_a_claim_is_this_programs_own() -> None:
    out = Path("/out")
    assert ownership.is_owned(out, paths.shard_claim(out, FAMILY, 12345))
    assert ownership.is_owned(out, paths.shard_terms(out, "train", FAMILY))


def test_a_claim_that_goes_between_the_look_and_the_read_is_none(
    mine: ShardClaims, owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned(3)
    assert not mine.is_free(3)
    look = storage.stat

    def look_and_remove(path: Path) -> object:
        there = look(path)
        path.unlink(missing_ok=True)
        return there

    monkeypatch.setattr(storage, "stat", look_and_remove)
    assert mine.is_free(3)
