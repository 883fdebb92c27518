"""Downloads of archives from a server of this process: cut, changed, damaged, refused."""

from __future__ import annotations

import errno
import gc
import os
import random
import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fetching_here import NAME, PART, THREE_PARTS, Cut, Here, a_tar, archive_at, cut
from loopback import ETAG, Act, Handler, Loopback, answer, cut_after, serve

from pipeline import manifest, paths, storage
from pipeline.documents.records import ArchiveMark
from pipeline.errors import (
    ArchiveMissing,
    ArchiveRefused,
    InputRefused,
    NoSpace,
    ObjectRefused,
    RemoteUnavailable,
)
from pipeline.sources.inputs import Archive
from pipeline.storage.http.fetch.arrival import PartArrival
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.sidecar import Sidecar
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer

SIZE = len(THREE_PARTS)
LOGIN = b"<!DOCTYPE html><title>Please log in</title>" + b" " * 2000


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


def asked(server: Loopback) -> list[str]:
    """Return the ranges that were asked for, but for the first look at the file."""
    return [seen.range for seen in server.seen if seen.range != "bytes=0-511"]


def whole_file(handler: Handler, cut: int = -1) -> None:
    del handler.headers["Range"]
    serve(handler, cut)


def without_ranges(*cuts: int) -> deque[Act]:
    """Return what a server does that has no ranges: the first two streams are looked at only."""
    streams = [partial(whole_file, cut=cut) for cut in cuts]
    return deque([whole_file, whole_file, *streams, *[whole_file] * 50])


def test_a_file_is_brought_in_parts_that_are_of_one_version(server: Loopback, here: Here) -> None:
    assert here.fetch(archive_at(server, size=SIZE))
    assert here.file.read_bytes() == THREE_PARTS
    assert here.hidden() == []
    assert len(asked(server)) == 3
    assert {seen.headers.get("if-match") for seen in server.seen[1:]} == {ETAG}


@pytest.mark.parametrize("connections", [1, 2, 3, 8])
def test_a_limit_is_shared_by_all_connections_that_have_something_to_do(
    server: Loopback, here: Here, monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    flying, most = dict[Ticket, int](), 0
    submit = Transfer.submit

    def watched(self: Transfer, request: Request, **how: Any) -> Ticket:
        nonlocal most
        ticket = submit(self, request, **how)
        flying[ticket] = request.rate
        # The newest may be done by now, where the server is fast.
        under_way = [each for each in flying if each is ticket or not each.is_done]
        most = max(most, sum(flying[each] for each in under_way))
        return ticket

    monkeypatch.setattr(Transfer, "submit", watched)
    here.connections, here.rate = connections, 8 << 20
    here.fetch(archive_at(server))
    parts = list(flying.values())[1:]
    assert parts[0] == here.rate // min(connections, 3)
    assert 0 < most <= here.rate


def test_what_was_fetched_is_not_fetched_again(server: Loopback, here: Here) -> None:
    here.fetch(archive_at(server))
    server.forget()
    assert not here.fetch(archive_at(server))
    assert server.seen == []


@pytest.mark.parametrize("seed", range(4))
def test_after_a_cut_only_what_is_missing_is_fetched(
    server: Loopback, here: Here, seed: int
) -> None:
    cut(here, server, random.Random(seed).randrange(1, SIZE))
    (have,) = [storage.stat(here.partial())]
    assert have is not None
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == THREE_PARTS
    assert here.hidden() == []
    fetched = set[int]()  # each byte once: a busy machine has a request sent again
    for bounds in asked(server):
        start, last = bounds.removeprefix("bytes=").split("-")
        fetched.update(range(int(start), int(last) + 1))
    kept = int(here.said[0].split("with ")[1].split(" of")[0].replace(",", ""))
    assert len(fetched) == SIZE - kept


def test_after_a_cut_index_and_hashes_are_those_of_a_file_on_the_disk(
    server: Loopback, here: Here, tmp_path: Path
) -> None:
    cut(here, server)
    here.fetch(archive_at(server), tmp_path / "out")
    there = Here(tmp_path / "there")
    there.raw.mkdir()
    there.file.write_bytes(THREE_PARTS)
    there.fetch(archive_at(server), tmp_path / "other")
    for place in (paths.archive_index, paths.member_hashes):
        contents = [place(tmp_path / out, NAME).read_bytes() for out in ("out", "other")]
        assert contents[0] == contents[1]
    for raw, out in ((here, "out"), (there, "other")):
        info = storage.stat(raw.file)
        assert info is not None
        mark = paths.archive_mark(tmp_path / out, NAME, info.look)
        assert manifest.read_complete(mark, tmp_path / out, ArchiveMark) is not None


def test_a_part_that_the_disk_has_lost_is_fetched_again(server: Loopback, here: Here) -> None:
    here.connections = 1
    cut(here, server, 2 * PART + 1)
    with here.partial().open("r+b") as file:
        file.seek(1000)
        file.write(bytes(5000))
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == THREE_PARTS
    assert f"bytes=0-{PART - 1}" in asked(server)
    assert f"bytes={PART}-{2 * PART - 1}" not in asked(server)
    assert "not as they were written" in here.text


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_without_a_sidecar_a_download_is_begun_anew(
    server: Loopback, here: Here, content: bytes | None
) -> None:
    cut(here, server)
    (sidecar,) = here.raw.glob(".*.parts")
    sidecar.unlink() if content is None else sidecar.write_bytes(content)
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == THREE_PARTS
    assert "begun anew" in here.text
    assert len(asked(server)) == 3


@pytest.mark.parametrize("etag", ['"v2"', ETAG])
def test_a_file_that_changed_at_the_server_is_begun_anew(
    server: Loopback, here: Here, etag: str
) -> None:
    cut(here, server)
    server.content, server.etag = a_tar(2 * PART + 7, seed=1), etag  # also of the same ETag
    if etag == ETAG:
        server.content = server.content.ljust(SIZE + 1, b"\0")
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == server.content
    assert "begun anew" in here.text


@pytest.mark.parametrize("etag", ['"v2"', ETAG, ""])
def test_a_file_that_changes_while_it_is_fetched_is_never_mixed(
    server: Loopback, here: Here, etag: str
) -> None:
    other = a_tar(2 * PART + 10_000, seed=2)
    here.connections = 1

    def change(done: int) -> None:
        if done >= PART:
            server.content, server.etag = other, etag

    here.watch = change
    archive = archive_at(server, other)
    if etag == ETAG:  # nobody can notice but by the MD5
        with pytest.raises(ArchiveRefused, match="another file"):
            here.fetch(archive)
        assert not here.file.exists()
        return
    here.fetch(archive)
    assert here.file.read_bytes() == other


def test_bytes_that_are_sent_again_are_counted_once(server: Loopback, here: Here) -> None:
    """A server without versions has a range sent again from its first byte."""
    server.etag, here.connections = "", 1
    counts = list[int]()
    here.watch = counts.append
    server.script.extend([serve, *[cut_after(PART - 1)] * 2])
    assert here.fetch(archive_at(server))
    assert max(counts) == SIZE
    assert len(server.seen) == 1 + 3 + 2


def test_a_part_that_has_arrived_holds_no_memory(server: Loopback, here: Here) -> None:
    """Its buffer is given back at once, and not when the collector of cycles comes by."""
    server.content = a_tar(12 * PART)
    here.connections, most = 2, 0

    def count(_done: int) -> None:
        nonlocal most
        alive = sum(isinstance(each, PartArrival) for each in gc.get_objects())
        most = max(most, alive)

    here.watch = count
    gc.collect()
    gc.disable()
    try:
        assert here.fetch(archive_at(server))
    finally:
        gc.enable()
    assert most <= here.connections + 1  # and one that a loop still has a name for


class TestWithoutRanges:
    def test_one_stream_is_said_at_once(self, server: Loopback, here: Here) -> None:
        server.script = without_ranges()
        assert here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS
        assert "sends whole files only" in here.said[0]

    def test_a_cut_begins_it_again(self, server: Loopback, here: Here) -> None:
        server.script = without_ranges(PART, 5)
        assert here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS
        assert "begun again" in here.text

    def test_nothing_is_kept_of_it(self, server: Loopback, here: Here) -> None:
        server.script = without_ranges()
        here.cut_at = PART
        with pytest.raises(Cut):
            here.fetch(archive_at(server))
        assert here.hidden() == []

    @pytest.mark.parametrize("seed", range(3))
    def test_twenty_cuts_at_random_places_are_survived(
        self, server: Loopback, here: Here, seed: int
    ) -> None:
        chance = random.Random(seed)
        server.script = without_ranges(*[chance.randrange(PART, SIZE) for _ in range(20)])
        assert here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS
        assert len(server.seen) == 2 + 20 + 1

    @pytest.mark.parametrize("etag", [ETAG, ""])
    @pytest.mark.parametrize(("cut", "tries"), [(PART, 31), (PART - 1, 3), (0, 3)])
    def test_it_is_not_begun_for_ever(
        self, server: Loopback, here: Here, cut: int, tries: int, etag: str
    ) -> None:
        server.etag = etag
        server.script = without_ranges(*[cut] * 60)
        with pytest.raises(RemoteUnavailable, match=f"{min(tries, 30)} times in a row"):
            here.fetch(archive_at(server))
        assert here.hidden() == []
        assert len(server.seen) == 2 + tries

    def test_a_try_that_brings_something_new_is_progress(
        self, server: Loopback, here: Here
    ) -> None:
        cuts = [0, PART, 0, PART, 0, 2 * PART, 0]
        server.script = without_ranges(*cuts)
        assert here.fetch(archive_at(server))
        assert here.file.read_bytes() == THREE_PARTS


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([answer(200, {"Content-Type": "text/html"}, LOGIN)], "--header @FILE"),
        ([answer(302, {"Location": "/login"}), answer(200, {}, LOGIN)] * 2, "--header @FILE"),
        ([answer(401)], "--header @FILE"),
        ([answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")], "AccessDenied"),
        ([answer(404)], "no such file"),
        ([answer(200, {}, b"")] * 2, "without a byte"),
        ([answer(416, {"Content-Range": "bytes */0"})], "without a byte"),
        ([answer(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")], "compressed"),
        ([answer(200, {}, b"<?xml version='1.0'?><Error/>" + b" " * 999)] * 2, "XML"),
    ],
)
def test_what_is_no_archive_is_refused_with_what_to_do_and_not_asked_for_again(
    server: Loopback, here: Here, script: list[Act], said: str
) -> None:
    server.script.extend(script)
    with pytest.raises((ArchiveRefused, InputRefused, ObjectRefused)) as caught:
        here.fetch(archive_at(server, size=SIZE))
    assert caught.value.exit_status == 3
    assert said in str(caught.value)
    assert caught.value.remedy or said == "no such file"
    assert len(server.seen) == len(script)
    assert not here.raw.exists() or here.hidden() == []


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (LOGIN[:60], NAME, "--header @FILE"),
        (LOGIN, NAME, "--header @FILE"),
        (b"", NAME, "without a byte"),
        (b"<Error><Code>AccessDenied</Code></Error>", NAME, "AccessDenied"),
        (THREE_PARTS, "x.tar.gz", "decompressed the archive on the way"),
    ],
    ids=["a short page", "a page", "no byte", "an error", "an unpacked tar"],
)
def test_a_server_with_ranges_that_keeps_another_thing_there_is_not_asked_again(
    server: Loopback, here: Here, content: bytes, name: str, said: str
) -> None:
    archive = archive_at(server, name=name, size=SIZE + 1)
    server.content = content
    with pytest.raises(ArchiveRefused, match=said) as caught:
        here.fetch(archive)
    assert caught.value.exit_status == 3
    assert len(server.seen) == 1
    assert here.hidden() == []


def test_a_packed_archive_that_was_unpacked_on_the_way_is_refused(
    server: Loopback, here: Here
) -> None:
    with pytest.raises(ArchiveRefused, match="decompressed the archive on the way"):
        here.fetch(archive_at(server, name="x.tar.gz"))


def test_a_file_of_another_size_is_refused_before_it_is_fetched(
    server: Loopback, here: Here
) -> None:
    with pytest.raises(ArchiveRefused, match="another size"):
        here.fetch(archive_at(server, size=SIZE + 1))
    assert asked(server) == []


def test_room_is_looked_for_first(
    server: Loopback, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.http.fetch.file.free_bytes", lambda _: SIZE - 1)
    with pytest.raises(NoSpace, match=f"{SIZE:,}"):
        here.fetch(archive_at(server))
    assert asked(server) == []


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize(
    ("fault", "error"),
    [(OSError(errno.ENOSPC, "No space left on device"), NoSpace), (ValueError(), ValueError)],
    ids=["no space", "a defect"],
)
def test_a_full_disk_keeps_what_has_arrived(
    server: Loopback,
    here: Here,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
    fault: Exception,
    error: type[Exception],
) -> None:
    write, room = os.pwrite, [PART]

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        room[0] -= len(data)
        if room[0] < 0:
            raise fault
        return write(fd, data, offset)

    here.connections = connections
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr("pipeline.storage.http.fetch.arrival.GATHERED", 20_000)
        with pytest.raises(error):
            here.fetch(archive_at(server))
    assert "are kept" in here.text
    assert not [each for each in threading.enumerate() if each.name == "follow a download"]
    server.forget()
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == THREE_PARTS
    assert "going on with" in here.text


def test_what_could_not_be_written_down_is_not_said_to_be_kept(
    server: Loopback, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Partial.save

    def full(partial: Partial, state: Sidecar, *, durable: bool = False) -> None:
        if state.pieces:
            raise NoSpace("no space left to write")
        save(partial, state, durable=durable)

    here.cut_at = PART
    with monkeypatch.context() as patch:
        patch.setattr(Partial, "save", full)
        with pytest.raises(NoSpace):
            here.fetch(archive_at(server))
    assert "are kept" not in here.text
    assert here.hidden() == []
    here.cut_at = None
    here.fetch(archive_at(server))
    assert here.file.read_bytes() == THREE_PARTS


def test_an_archive_without_an_address_is_said_with_where_to_get_it(here: Here) -> None:
    archive = Archive("train", NAME, "ask the lab", "0" * 32, None)
    with pytest.raises(ArchiveMissing, match="ask the lab") as caught:
        here.fetch(archive)
    assert "--mirror" in str(caught.value)
    assert not here.raw.exists()
