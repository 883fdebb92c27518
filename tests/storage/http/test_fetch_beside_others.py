"""Downloads where somebody else has been, or is at work: here, at once, on another host."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetching_here import PART, THREE_PARTS, Here, archive_at, cut
from loopback import Loopback

from pipeline.errors import (
    AlreadyAtWork,
    ArchiveRefused,
    OutputConflict,
    ShardmillError,
)
from pipeline.storage.http.fetch import leftovers


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(THREE_PARTS) as server:
        yield server


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.storage.http.fetch.parts.PART", PART)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path / "raw")


class TestWhatIsThere:
    def test_the_right_file_is_taken_and_remembered(self, server: Loopback, here: Here) -> None:
        here.raw.mkdir()
        here.file.write_bytes(THREE_PARTS)
        assert not here.fetch(archive_at(server))
        assert "its MD5 compared" in here.text
        here.said.clear()
        assert not here.fetch(archive_at(server))
        assert (here.said, server.seen) == ([], [])

    def test_another_file_is_refused_and_left_alone(self, server: Loopback, here: Here) -> None:
        here.raw.mkdir()
        here.file.write_bytes(b"mine")
        with pytest.raises(ArchiveRefused, match="move it away"):
            here.fetch(archive_at(server))
        assert here.file.read_bytes() == b"mine"
        assert server.seen == []

    def test_a_file_that_appears_meanwhile_is_not_replaced(
        self, server: Loopback, here: Here
    ) -> None:
        here.watch = lambda _done: here.file.write_bytes(b"mine")
        with pytest.raises(OutputConflict, match="has appeared"):
            here.fetch(archive_at(server))
        assert here.file.read_bytes() == b"mine"


class TestTwoAtOnce:
    @pytest.fixture(params=["locks that exclude", "locks that exclude nobody"])
    def locks(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param != "locks that exclude":
            monkeypatch.setattr(fcntl, "flock", lambda _fd, _operation: None)

    @pytest.mark.usefixtures("locks")
    def test_one_works_and_the_other_says_so(self, server: Loopback, here: Here) -> None:
        refused = list[ShardmillError]()

        def second(done: int) -> None:
            if not refused:
                with pytest.raises(AlreadyAtWork) as caught:
                    Here(here.raw).fetch(archive_at(server))
                refused.append(caught.value)

        here.watch = second
        assert here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS
        assert here.hidden() == []
        assert "another command" in str(refused[0])


class TestOfAnotherHost:
    """Nobody sees from here whether a process of another host still works."""

    @pytest.fixture(autouse=True)
    def from_elsewhere(self, server: Loopback, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
        cut(here, server)
        monkeypatch.setattr(leftovers, "WATCH_S", 0.05)
        monkeypatch.setattr(leftovers, "_LOOK_S", 0.01)
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")

    def test_what_nobody_writes_is_taken_over(self, server: Loopback, here: Here) -> None:
        here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS
        assert "looking for" in here.text
        assert "going on with" in here.text
        assert here.hidden() == []

    def test_what_somebody_writes_is_left_alone(
        self, server: Loopback, here: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = here.partial()
        contents = (number.to_bytes(4, "big") for number in range(100))
        monkeypatch.setattr(leftovers, "_content", lambda _path: next(contents))
        with pytest.raises(AlreadyAtWork, match="another process"):
            here.fetch(archive_at(server))
        assert here.partial() == before

    def test_who_was_taken_for_gone_stops(self, server: Loopback, tmp_path: Path) -> None:
        first = Here(tmp_path / "another")
        taken = first.raw / "taken"
        first.watch = lambda done: (
            done > PART and not taken.exists() and first.partial().rename(taken)
        )
        with pytest.raises(AlreadyAtWork, match="has gone on"):
            first.fetch(archive_at(server))
        assert not first.file.exists()
        assert len(list(first.raw.glob(".*.parts"))) == 1  # the other's by now
