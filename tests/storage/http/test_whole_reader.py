"""Images that are objects of their own: each is read by one request, and looked at by none."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from loopback import ETAG, Loopback, answer, cut_after

from pipeline.errors import ObjectChanged, ObjectMissing, ObjectRefused
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.objects import WebObjects
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.http.whole import WholeReader
from pipeline.storage.location import Remote

CONTENT = random.Random(9).randbytes(50_000)
SIZE = len(CONTENT)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with Transfer(patience=Patience(first=0.0, few=2)) as transfer:
        yield transfer


@pytest.fixture
def reader(server: Loopback, transfer: Transfer) -> Iterator[WholeReader]:
    root = Remote("http", f"127.0.0.1:{server.port}", "root")
    with WholeReader(root, WebObjects(root, transfer), transfer) as reader:
        yield reader


def asked(server: Loopback) -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in server.seen]


def test_each_is_asked_for_once_and_its_answer_says_what_it_is(
    server: Loopback, reader: WholeReader
) -> None:
    names = [f"cats/{number}.jpg" for number in range(5)]
    for name in names:
        reader.will_need(name, 0, SIZE)
    for name in names:
        assert reader.stamp(name) == FileInfo(SIZE, ETAG).number
        data, size = reader.read_whole(name, SIZE)
        assert (bytes(data), size) == (CONTENT, SIZE)
    assert sorted(asked(server)) == [("GET", f"/root/{name}") for name in names]
    assert not any(seen.range for seen in server.seen)


def test_one_that_is_named_twice_is_read_twice(server: Loopback, reader: WholeReader) -> None:
    for _ in range(2):
        reader.will_need("a", 0, SIZE)
    for _ in range(2):
        reader.stamp("a")
        assert reader.read_whole("a", SIZE)[0] == CONTENT
    assert len(server.seen) == 2


def test_one_that_was_not_announced_is_read_before_the_others(
    server: Loopback, reader: WholeReader
) -> None:
    reader.will_need("a", 0, SIZE)
    assert reader.read("b", 10, 5) == CONTENT[10:15]
    assert reader.read_whole("a", SIZE)[0] == CONTENT
    assert sorted(asked(server)) == [("GET", "/root/a"), ("GET", "/root/b")]


def test_those_that_are_passed_over_are_given_up(server: Loopback, reader: WholeReader) -> None:
    for name in "abc":
        reader.will_need(name, 0, SIZE)
    assert reader.read_whole("c", SIZE)[0] == CONTENT
    assert reader.read_whole("a", SIZE)[0] == CONTENT


def test_memory_is_bounded(server: Loopback, transfer: Transfer) -> None:
    root = Remote("http", f"127.0.0.1:{server.port}", "root")
    with WholeReader(root, WebObjects(root, transfer), transfer, most_bytes=2 * SIZE) as reader:
        for name in "abcd":
            reader.will_need(name, 0, SIZE)
        while transfer.under_way:
            transfer.step()
        assert len(server.seen) == 2
        for name in "abcd":
            assert reader.read_whole(name, SIZE)[0] == CONTENT
        assert len(server.seen) == 4


def test_one_that_is_cut_is_gone_on_with_if_it_is_the_same(
    server: Loopback, reader: WholeReader
) -> None:
    server.script.append(cut_after(20_000))
    assert reader.read_whole("a", SIZE)[0] == CONTENT
    first, second = server.seen
    assert (first.range, second.range) == ("", "bytes=20000-")
    assert second.headers["if-match"] == ETAG


def test_one_that_is_replaced_while_it_is_read_is_never_a_mixture(
    server: Loopback, reader: WholeReader
) -> None:
    def cut_and_replace(handler: object) -> None:
        cut_after(20_000)(handler)  # type: ignore[arg-type]
        server.content, server.etag = CONTENT[::-1], '"v2"'

    server.script.append(cut_and_replace)
    with pytest.raises(ObjectChanged, match="root/a"):
        reader.read_whole("a", SIZE)
    assert reader.read_whole("a", SIZE)[0] == CONTENT[::-1]


def test_one_of_another_length_is_not_read(server: Loopback, reader: WholeReader) -> None:
    reader.will_need("a", 0, SIZE - 1)
    assert reader.stamp("a") == FileInfo(SIZE, ETAG).number
    data, now = reader.read_whole("a", SIZE - 1)
    assert (bytes(data), now) == (b"", SIZE)


def test_one_that_is_gone_is_said(server: Loopback, reader: WholeReader) -> None:
    server.script.extend([answer(404)] * 2)
    reader.will_need("a", 0, SIZE)
    with pytest.raises(ObjectMissing, match="root/a"):
        reader.stamp("a")
    assert reader.look("b") is None


def test_one_that_is_not_trusted_comes_past_all_caches(
    server: Loopback, reader: WholeReader
) -> None:
    reader.will_need("a", 0, SIZE)
    reader.stamp("a")
    reader.not_cached("a", 0, SIZE)
    assert reader.read_whole("a", SIZE)[0] == CONTENT
    assert [seen.headers.get("cache-control") for seen in server.seen] == [None, "no-cache"]


def test_a_name_with_dots_and_slashes_means_what_it_means_in_a_folder(
    server: Loopback, reader: WholeReader
) -> None:
    assert reader.read_whole("./cats//1.jpg", SIZE)[0] == CONTENT
    assert asked(server) == [("GET", "/root/cats/1.jpg")]


def test_a_web_page_in_its_place_is_no_image(server: Loopback, reader: WholeReader) -> None:
    server.script.append(answer(200, {"Content-Type": "text/html"}, b"<html>log in</html>"))
    with pytest.raises(ObjectRefused, match="a web page"):
        reader.read_whole("a", SIZE)
