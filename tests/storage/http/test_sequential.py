"""A remote object read front to back."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from loopback import ETAG, Loopback, cut_after

from pipeline.errors import ObjectChanged
from pipeline.storage.http.objects import RemoteObject
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.sequential import BUFFERS, SequentialReader
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

CONTENT = random.Random(9).randbytes(1_000_003)
PART = 100_000


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


@pytest.fixture
def reader(server: Loopback) -> Iterator[SequentialReader]:
    remote = RemoteObject("", server.url, len(CONTENT), ETAG)
    with (
        Transfer(patience=Patience(first=0.0)) as transfer,
        SequentialReader(Remote("http", "h", "k"), remote, transfer, part=PART) as reader,
    ):
        yield reader


@pytest.mark.parametrize("step", [7_001, 50_000, 123_456, 2_000_000])
def test_all_bytes_come_in_order_and_each_once(
    server: Loopback, reader: SequentialReader, step: int
) -> None:
    server.script.append(cut_after(70_000))
    content = bytearray()
    while view := reader.read(len(content), step):
        content += view
    assert content == CONTENT
    assert len(server.seen) == 11 + 1  # one was cut and continued


def test_no_more_parts_are_asked_for_than_there_are_buffers(
    server: Loopback, reader: SequentialReader
) -> None:
    reader.read(0, 10)
    reader.read(PART - 10, 10)
    while reader._transfer.under_way:
        reader._transfer.step()
    assert len(server.seen) == BUFFERS


def test_what_is_read_in_another_order_comes_alone(
    server: Loopback, reader: SequentialReader
) -> None:
    assert reader.read(900_000, 10) == CONTENT[900_000:900_010]
    assert reader.read(5, 250_000) == CONTENT[5:250_005]
    assert [seen.range for seen in server.seen] == ["bytes=900000-900009", "bytes=5-250004"]
    assert reader.read(0, 10) == CONTENT[:10]
    assert reader.read(10, 10) == CONTENT[10:20]  # and from here on in order
    assert reader.read(5, 10) == CONTENT[5:15]  # which is there already
    while reader._transfer.under_way:
        reader._transfer.step()
    assert len(server.seen) == 3 + BUFFERS


def test_a_replaced_object_is_noticed(server: Loopback, reader: SequentialReader) -> None:
    reader.read(0, 10)
    server.etag = '"v2"'
    with pytest.raises(ObjectChanged):
        reader.read(0, len(CONTENT))
