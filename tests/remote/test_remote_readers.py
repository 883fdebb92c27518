"""Readers of remote objects on a real nginx, behind a proxy that spoils its answers."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from faultproxy import EXPIRED, SLOW_DOWN, FaultProxy, Rule, rule
from nginx import Nginx

from pipeline.errors import ObjectChanged, ObjectMissing, ObjectRefused
from pipeline.storage import RangeReader, SourceReader
from pipeline.storage.http.objects import WebObjects
from pipeline.storage.http.ranges import RemoteReader
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.sequential import SequentialReader, open_object
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

pytest_plugins = ("webservers",)

SIZE = 8_000_000
AHEAD = 64
FAULTS = [
    rule("cut", after=20_000, every=5, match="GET", skip=0),
    rule("answer", status=503, body=SLOW_DOWN, every=7, match="GET", skip=1),
    rule("answer", status=429, headers={"Retry-After": "0"}, every=11, match="GET", skip=2),
    rule("answer", status=500, every=13, match="GET", skip=3),
    rule("reset", every=17, match="GET", skip=4),
    rule("elsewhere", by=1, every=19, match="GET", skip=5),
    rule("length", by=-1, every=23, match="GET", skip=6),
]
"""None of them lasts."""


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    # Faults fall on any request, so by chance on one that is being tried again for the same one.
    with Transfer(8, patience=Patience(few=9, first=0.01)) as transfer:
        yield transfer


def address(url: str) -> Remote:
    return Remote("http", url.partition("://")[2], "plain")


def places(order: str) -> list[tuple[int, int]]:
    """Return ranges as of images: some KB, with small gaps, in the order of names or by chance."""
    chance = random.Random(3)
    found, offset = [], 512
    while offset < SIZE - 100_000:
        length = chance.randrange(1, 90_000)
        found.append((offset, length))
        offset += length + 512
    return found if order == "name" else chance.sample(found, len(found))


def read(reader: SourceReader | RemoteReader, ranges: list[tuple[int, int]]) -> str:
    """Return a hash of ranges that are announced as the images of a shard are."""
    digest = hashlib.sha256()
    for each in ranges[:AHEAD]:
        reader.will_need("object", *each)
    for place, each in enumerate(ranges):
        if place + AHEAD < len(ranges):
            reader.will_need("object", *ranges[place + AHEAD])
        digest.update(reader.read("object", *each))
    return digest.hexdigest()


@pytest.mark.parametrize("order", ["name", "hash"])
@pytest.mark.parametrize("faults", [[], FAULTS], ids=["well", "with faults"])
def test_the_same_bytes_come_as_from_a_local_file(
    transfer: Transfer, web_proxy: FaultProxy, served: Path, order: str, faults: list[Rule]
) -> None:
    web_proxy.follow(*faults)
    ranges = places(order)
    root = address(web_proxy.url)
    with (
        SourceReader(served) as local,
        RemoteReader(root, WebObjects(root, transfer), transfer) as remote,
    ):
        assert read(remote, ranges) == read(local, ranges)
    if not faults:  # one HEAD; neighbours of up to 1 MiB come by one request
        requests = len(web_proxy.passed())
        assert requests <= (10 if order == "name" else 1 + len(ranges))
    else:
        assert len({str(each.fault) for each in web_proxy.passed()}) > (3 if order == "name" else 6)


def test_an_object_is_read_whole_in_order_while_the_server_is_restarted(
    tmp_path: Path, transfer: Transfer
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    content = os.urandom(SIZE)
    (files / "object").write_bytes(content)
    got = bytearray()
    with Nginx(tmp_path / "nginx", files) as server:
        root = address(server.url)
        found = WebObjects(root, transfer).find("object")
        assert found is not None
        with SequentialReader(root / "object", found, transfer, part=1_000_000) as reader:
            while view := reader.read(len(got), 100_000):
                got += view
                if len(got) == 3_000_000:
                    server.stop()
                    server.start()
        with pytest.raises(ObjectMissing, match="nothing"):
            open_object(root / "nothing", WebObjects(root, transfer), transfer)
    assert got == content


def test_an_object_that_is_replaced_while_it_is_read_is_noticed(
    tmp_path: Path, transfer: Transfer
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "object").write_bytes(os.urandom(SIZE))
    with Nginx(tmp_path / "nginx", files) as server:
        root = address(server.url)
        with RemoteReader(root, WebObjects(root, transfer), transfer) as reader:
            reader.will_need("object", 0, 10)
            reader.read("object", 0, 10)
            (files / "new").write_bytes(os.urandom(SIZE))
            os.utime(files / "new", ns=(0, 10**18))
            (files / "new").replace(files / "object")
            with pytest.raises(ObjectChanged):
                reader.read("object", 1_000_000, 10)


def test_a_bit_that_was_flipped_on_the_way_is_read_again_past_caches(
    transfer: Transfer, web_proxy: FaultProxy, served: Path
) -> None:
    web_proxy.follow(rule("flip", after=5, match="GET", times=1))
    root = address(web_proxy.url)
    with (
        RangeReader(served / "object") as local,
        RemoteReader(root, WebObjects(root, transfer), transfer) as reader,
    ):
        right = bytes(local.read(1000, 100))
        assert reader.read("object", 1000, 100) != right
        reader.not_cached("object", 1000, 100)
        assert reader.read("object", 1000, 100) == right


def test_expired_credentials_end_a_run_where_nothing_can_renew_them(
    transfer: Transfer, web_proxy: FaultProxy
) -> None:
    web_proxy.follow(rule("answer", status=403, body=EXPIRED, match="GET", skip=3))
    root = address(web_proxy.url)
    with (
        RemoteReader(root, WebObjects(root, transfer), transfer) as reader,
        pytest.raises(ObjectRefused, match="expired"),
    ):
        read(reader, places("hash"))
