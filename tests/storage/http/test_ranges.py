"""Ranges of remote objects, by the methods of the reader of local files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from loopback import ETAG, Handler, Loopback, answer, serve

from pipeline.errors import NoRanges, ObjectChanged, ObjectMissing, ObjectRefused
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.announced import LARGEST
from pipeline.storage.http.objects import Access, RemoteObject, WebObjects
from pipeline.storage.http.ranges import RemoteReader
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

CONTENT = random.Random(8).randbytes(3_000_000)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with Transfer(patience=Patience(first=0.0, few=2)) as transfer:
        yield transfer


def root(server: Loopback) -> Remote:
    return Remote("http", f"127.0.0.1:{server.port}", "raw")


@pytest.fixture
def reader(server: Loopback, transfer: Transfer) -> Iterator[RemoteReader]:
    objects = WebObjects(root(server), transfer)
    with RemoteReader(root(server), objects, transfer) as reader:
        yield reader


def ranges(server: Loopback) -> list[str]:
    return [seen.range for seen in server.seen if seen.method == "GET"]


def test_a_source_is_looked_at_once(server: Loopback, reader: RemoteReader) -> None:
    assert reader.look("big.tar") == reader.now("big.tar") == FileInfo(len(CONTENT), ETAG)
    assert str(reader.path("big.tar")) == f"http://127.0.0.1:{server.port}/raw/big.tar"
    assert [(seen.method, seen.path) for seen in server.seen] == [("HEAD", "/raw/big.tar")]


def test_announced_neighbours_come_by_few_requests(server: Loopback, reader: RemoteReader) -> None:
    places = [(offset, 90_000) for offset in range(0, 2_900_000, 100_000)]
    for offset, length in places[:16]:
        reader.will_need("a", offset, length)
    for number, (offset, length) in enumerate(places):
        if number + 16 < len(places):
            reader.will_need("a", *places[number + 16])
        assert reader.read("a", offset, length) == CONTENT[offset : offset + length]
    assert len(ranges(server)) == 3
    assert {seen.headers.get("if-match") for seen in server.seen[1:]} == {ETAG}


def test_ranges_far_from_each_other_come_one_by_one(server: Loopback, reader: RemoteReader) -> None:
    places = [(2_000_000, 10), (5, 20), (1_000_000, 30)]
    for offset, length in places:
        reader.will_need("a", offset, length)
    for offset, length in places:
        assert reader.read("a", offset, length) == CONTENT[offset : offset + length]
    assert sorted(ranges(server)) == [
        "bytes=1000000-1000029",
        "bytes=2000000-2000009",
        "bytes=5-24",
    ]


def test_what_was_announced_and_passed_over_is_given_up(
    server: Loopback, transfer: Transfer, reader: RemoteReader
) -> None:
    reader.will_need("a", 0, 10)
    reader.will_need("a", 2_000_000, 10)
    assert reader.read("a", 2_000_000, 10) == CONTENT[2_000_000:2_000_010]
    assert reader.read("a", 0, 10) == CONTENT[:10]
    assert reader.read("a", 7, 5) == CONTENT[7:12]  # never announced


def test_a_range_that_is_announced_twice_is_sent_once(
    server: Loopback, reader: RemoteReader
) -> None:
    for _ in range(2):
        reader.will_need("a", 0, 10)
    assert [bytes(reader.read("a", 0, 10)) for _ in range(2)] == [CONTENT[:10]] * 2
    assert len(ranges(server)) == 1


def test_memory_is_bounded_and_a_larger_range_comes_alone(
    server: Loopback, transfer: Transfer
) -> None:
    objects = WebObjects(root(server), transfer)
    with RemoteReader(root(server), objects, transfer, most_bytes=2 * LARGEST) as reader:
        places = [(0, LARGEST), (LARGEST, LARGEST), (0, 2_500_000), (5, 5)]
        for offset, length in places:
            reader.will_need("a", offset, length)
        while transfer.under_way:
            transfer.step()
        assert len(ranges(server)) == 2
        for offset, length in places:
            assert reader.read("a", offset, length) == CONTENT[offset : offset + length]
        assert len(ranges(server)) == 4


def test_at_the_end_of_an_object_there_is_less(reader: RemoteReader) -> None:
    size = len(CONTENT)
    reader.will_need("a", size - 5, 100)
    assert reader.read("a", size - 5, 100) == CONTENT[-5:]
    assert not reader.read("a", size, 10)
    data, now = reader.read_whole("a", size)
    assert (bytes(data), now) == (CONTENT, size)


def test_a_replaced_object_is_noticed_at_each_range(server: Loopback, reader: RemoteReader) -> None:
    assert reader.read("a", 0, 10) == CONTENT[:10]
    reader.will_need("a", 1_000_000, 10)
    reader.will_need("a", 0, 10)
    reader.read("a", 1_000_000, 10)
    server.etag = '"v2"'
    with pytest.raises(ObjectChanged, match=str(reader.path("a"))):
        reader.read("a", 500_000, 10)
    assert reader.now("a").stamp == '"v2"'
    server.content, server.etag = b"other", '"v3"'
    data, now = reader.read_whole("a", len(CONTENT))
    assert (bytes(data), now) == (b"", 5)


def test_a_source_that_is_not_there(server: Loopback, reader: RemoteReader) -> None:
    server.script.append(answer(404))
    assert reader.look("gone") is None
    reader.will_need("gone", 0, 10)
    with pytest.raises(ObjectMissing, match="gone"):
        reader.read("gone", 0, 10)


def test_a_range_that_is_not_trusted_is_sent_again(server: Loopback, reader: RemoteReader) -> None:
    for _ in range(2):
        reader.will_need("a", 0, 10)
        assert reader.read("a", 0, 10) == CONTENT[:10]
        reader.not_cached("a", 0, 10)
    assert reader.read("a", 0, 10) == CONTENT[:10]
    controls = [seen.headers.get("cache-control") for seen in server.seen[1:]]
    assert controls == [None, None, "no-cache"]


def test_a_server_without_ranges_is_said_before_anything_is_read(
    server: Loopback, reader: RemoteReader
) -> None:
    server.script.append(answer(200, {"Accept-Ranges": "none"}, CONTENT))
    with pytest.raises(NoRanges, match="shardmill fetch"):
        reader.look("a")
    assert len(server.seen) == 1


@pytest.mark.parametrize("refusal", [answer(405), answer(403), answer(200, {}, CONTENT)])
def test_where_head_says_too_little_the_first_byte_is_asked_for(
    server: Loopback, reader: RemoteReader, refusal: object
) -> None:
    server.script.append(refusal)  # type: ignore[arg-type]
    assert reader.look("a") == FileInfo(len(CONTENT), ETAG)
    assert ranges(server) == ["bytes=0-0"]
    server.script.extend([answer(405), answer(200, {}, CONTENT)])
    with pytest.raises(NoRanges):
        reader.look("b")
    server.content = b""
    server.script.append(answer(405))
    assert reader.look("c") == FileInfo(0, ETAG)
    server.script.extend([answer(403), answer(403)])
    with pytest.raises(ObjectRefused):
        reader.look("d")


def test_a_signed_address_is_renewed_for_all_that_were_refused(
    server: Loopback, transfer: Transfer
) -> None:
    signed: list[str] = []

    class Signed(WebObjects):
        def find(self, source: str, **_: bool) -> RemoteObject | None:
            return RemoteObject(source, f"{server.url}?0", len(CONTENT), ETAG)

        def renew(self, _source: str, stale: RemoteObject, /) -> RemoteObject:
            signed.append(stale.url)
            return replace(stale, url=f"{server.url}?{len(signed)}")

    def expired(handler: Handler) -> None:
        if handler.path.endswith("?0"):
            handler.send(403, {}, b"")
        else:
            serve(handler)

    server.script.extend([expired] * 9)
    with RemoteReader(root(server), Signed(root(server), transfer), transfer) as reader:
        for offset in (2_000_000, 0, 1_000_000):
            reader.will_need("a", offset, 10)
        assert reader.read("a", 2_000_000, 10) == CONTENT[2_000_000:2_000_010]
        assert reader.read("a", 0, 10) == CONTENT[:10]
    assert signed == [f"{server.url}?0"]


def test_a_redirect_is_followed_once_and_headers_stay_behind(
    server: Loopback, transfer: Transfer
) -> None:
    access = Access((("Authorization", "hunter2"),))
    with (
        Loopback(CONTENT) as other,
        RemoteReader(root(server), WebObjects(root(server), transfer, access), transfer) as reader,
    ):
        server.script.append(answer(302, {"Location": other.url}))
        for _ in range(3):
            assert reader.read("a", 5, 10) == CONTENT[5:15]
        assert [seen.method for seen in server.seen] == ["HEAD"]
        other.script.append(answer(403))  # what it led to has expired: asked at the first again
        assert reader.read("a", 5, 10) == CONTENT[5:15]
        assert server.seen[-1].headers["authorization"] == "hunter2"
    assert not [seen for seen in other.seen if "authorization" in seen.headers]
