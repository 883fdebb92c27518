"""Who says that he is at work on an output: seen by all, taken over when it is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import manifest, paths, storage
from pipeline.errors import NoSpace
from pipeline.state import at_work, lease, ownership
from pipeline.state.at_work import ALONE
from pipeline.state.lease import PATIENCE_S, SETTLE_S, Waiting


class Time:
    """A clock that moves when it is waited, and what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    @property
    def waiting(self) -> Waiting:
        return Waiting(lambda: self.now, self.sleep)


@pytest.fixture
def time() -> Time:
    return Time()


def write(out: Path, name: str, **changed: object) -> bytes:
    """Write the lease of another process; by default it is one of this host that has ended."""
    process = storage.this_process()
    document = {
        "host": process.host,
        "pid": process.pid,
        "place": process.place,
        "birth": "00000000",
        "began": 0.0,
        "renewed": 0,
    }
    content = manifest.alone(document | changed)
    storage.publish_bytes(paths.lease(out, name), content)
    return content


def names(out: Path) -> list[str]:
    return [path.stem for path in storage.documents(paths.lease(out, "any").parent)]


def test_a_command_is_seen_while_it_is_at_work(tmp_path: Path) -> None:
    assert at_work.at_work(tmp_path) == []
    with lease.stated(tmp_path):
        (mine,) = at_work.at_work(tmp_path)
        assert mine.runs
        assert str(storage.this_process().pid) in str(mine)
        assert ownership.is_owned(tmp_path, mine.place)
    assert at_work.at_work(tmp_path) == []
    assert names(tmp_path) == []


def test_whoever_is_alone_keeps_the_next_one_out(tmp_path: Path, time: Time) -> None:
    with lease.alone(tmp_path, time.waiting) as other:
        assert other is None
        with lease.alone(tmp_path, time.waiting) as holder:
            assert holder is not None
            assert holder.runs
    assert names(tmp_path) == []


def test_whoever_shares_keeps_one_out_who_wants_to_be_alone(tmp_path: Path, time: Time) -> None:
    with lease.stated(tmp_path), lease.alone(tmp_path, time.waiting) as other:
        assert other is not None
    assert time.now == 1000


@pytest.mark.parametrize("name", [ALONE, "other"])
def test_a_process_of_this_host_that_ended_is_gone_at_once(
    tmp_path: Path, time: Time, name: str
) -> None:
    write(tmp_path, name)
    assert at_work.at_work(tmp_path) == []
    with lease.alone(tmp_path, time.waiting) as other:
        assert other is None
        assert names(tmp_path) == [ALONE]
    assert time.now - 1000 <= SETTLE_S


def test_the_same_numbers_after_another_boot_are_another_process(tmp_path: Path) -> None:
    write(tmp_path, "other", birth="12345678")
    assert at_work.at_work(tmp_path) == []
    write(tmp_path, "other", birth=storage.this_process().birth)
    assert len(at_work.at_work(tmp_path)) == 1


@pytest.mark.parametrize("name", [ALONE, "other"])
def test_one_of_another_host_that_gives_no_sign_is_taken_over(
    tmp_path: Path, time: Time, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, name, host="elsewhere")
    assert len(at_work.at_work(tmp_path)) == 1
    with (
        caplog.at_level(logging.WARNING, storage.WAITS),
        lease.alone(tmp_path, time.waiting) as other,
    ):
        assert other is None
        assert names(tmp_path) == [ALONE]
    assert PATIENCE_S < time.now - 1000 < 2 * PATIENCE_S
    (said,) = caplog.messages
    assert "elsewhere" in said
    assert "90 seconds" in said


@pytest.mark.parametrize("name", [ALONE, "other"])
def test_one_of_another_host_whose_counter_moves_is_at_work(
    tmp_path: Path, time: Time, name: str
) -> None:
    write(tmp_path, name, host="elsewhere")
    time.meanwhile = lambda: write(tmp_path, name, host="elsewhere", renewed=1)
    with lease.alone(tmp_path, time.waiting) as other:
        assert other is not None
        assert "elsewhere" in str(other)
    assert time.now - 1000 < PATIENCE_S


def test_one_that_appears_while_another_is_waited_for_is_at_work(
    tmp_path: Path, time: Time
) -> None:
    write(tmp_path, "gone", host="elsewhere")
    time.meanwhile = lambda: write(tmp_path, "new", host="another")
    with lease.alone(tmp_path, time.waiting) as other:
        assert "another" in str(other)


def test_of_two_who_take_a_dead_one_over_the_second_is_told(tmp_path: Path, time: Time) -> None:
    write(tmp_path, ALONE)
    time.meanwhile = lambda: write(tmp_path, ALONE, host="quicker")
    with lease.alone(tmp_path, time.waiting) as other:
        assert "quicker" in str(other)
    assert names(tmp_path) == [ALONE]  # that of the other


def test_what_was_taken_over_meanwhile_is_not_renewed_or_removed(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    with lease.alone(tmp_path, time.waiting) as other:
        assert other is None
        content = write(tmp_path, ALONE, host="elsewhere")
    assert storage.read_bytes(paths.lease(tmp_path, ALONE)) == content


def test_a_lease_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.001)
    for hold in (lease.stated, lease.alone):
        with hold(tmp_path):
            (first,) = at_work.at_work(tmp_path)
            while at_work.at_work(tmp_path) in ([first], []):
                pass


def test_a_damaged_lease_counts_as_one_of_another_host(tmp_path: Path, time: Time) -> None:
    place = paths.lease(tmp_path, ALONE)
    for content in (b"", b"{}", b"no JSON", bytes(2 << 20)):
        storage.publish_bytes(place, content)
        (other,) = at_work.at_work(tmp_path)
        assert other.runs is None
        with lease.alone(tmp_path, time.waiting) as holder:
            assert holder is None


def test_a_lease_that_cannot_be_written_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoSpace("no room")

    monkeypatch.setattr(storage, "write_unsynced", full)
    with lease.stated(tmp_path):
        assert at_work.at_work(tmp_path) == []


def test_a_run_removes_what_is_of_this_host_and_gone(tmp_path: Path) -> None:
    write(tmp_path, "here")
    write(tmp_path, "there", host="elsewhere")
    with lease.stated(tmp_path):
        at_work.sweep(tmp_path)
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == ["there"]


def test_of_commands_that_have_ended_nothing_is_left(tmp_path: Path) -> None:
    with lease.stated(tmp_path):
        pass
    assert not at_work.leftovers(tmp_path, of_other_hosts=True).items


@pytest.mark.parametrize("of_other_hosts", [False, True])
def test_what_clean_removes_of_other_hosts_is_asked_for(
    tmp_path: Path, of_other_hosts: bool
) -> None:
    write(tmp_path, "here")
    write(tmp_path, "there", host="elsewhere")
    with lease.stated(tmp_path):
        storage.carry_out(at_work.leftovers(tmp_path, of_other_hosts=of_other_hosts))
        left = names(tmp_path)
    assert ("there" in left, "here" in left) == (not of_other_hosts, False)
    assert len(left) == (1 if of_other_hosts else 2)
