"""Objects of real S3 servers, read by signed addresses."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from faultproxy import EXPIRED, SLOW_DOWN, FaultProxy, rule
from s3bucket import Bucket

from pipeline.errors import ObjectChanged, ObjectRefused
from pipeline.storage.http.ranges import RemoteReader
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.sequential import open_object
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.s3 import client
from pipeline.storage.s3.objects import S3Objects

pytest_plugins = ("s3stores",)

CONTENT = random.Random(4).randbytes(3_000_000)


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with Transfer(16, patience=Patience(first=0.01)) as transfer:
        yield transfer


@pytest.fixture
def proxied(bucket: Bucket) -> Iterator[tuple[Bucket, FaultProxy]]:
    """A bucket that is reached through a proxy, with `CONTENT` as ``a b.tar``."""
    bucket.put("a b.tar", content=CONTENT)
    with FaultProxy(bucket.server.endpoint) as proxy:
        settings = replace(bucket.settings, endpoint=proxy.url)
        yield replace(bucket, settings=settings), proxy
        client.forget()


def reader(bucket: Bucket, transfer: Transfer) -> RemoteReader:
    objects = S3Objects(bucket.folder, bucket.settings)
    return RemoteReader(bucket.folder, objects, transfer)


def read(of: RemoteReader) -> None:
    places = [(offset, 30_000) for offset in range(0, 2_900_000, 290_000)]
    for each in places:
        of.will_need("a b.tar", *each)
    for offset, length in places:
        assert of.read("a b.tar", offset, length) == CONTENT[offset : offset + length]


def test_ranges_and_whole_objects(bucket: Bucket, transfer: Transfer) -> None:
    bucket.put("a b.tar", content=CONTENT)
    bucket.put("ünï+&?.jpg", content=b"image")
    bucket.put("empty.jpg", content=b"")
    with reader(bucket, transfer) as remote:
        assert remote.look("nothing") is None
        read(remote)
        whole, size = remote.read_whole("ünï+&?.jpg", 5)
        assert (bytes(whole), size) == (b"image", 5)
        assert remote.read_whole("empty.jpg", 0)[1] == 0
    objects = S3Objects(bucket.folder, bucket.settings)
    with open_object(bucket.folder / "a b.tar", objects, transfer) as sequential:
        got = bytearray()
        while view := sequential.read(len(got), 70_000):
            got += view
    assert got == CONTENT


def test_a_replaced_object_is_noticed_also_where_conditions_are_not_heeded(
    bucket: Bucket, transfer: Transfer
) -> None:
    bucket.put("a b.tar", content=CONTENT)
    with reader(bucket, transfer) as remote:
        remote.read("a b.tar", 0, 10)
        bucket.put("a b.tar", content=CONTENT[::-1])
        with pytest.raises(ObjectChanged):
            remote.read("a b.tar", 1_000_000, 10)
        assert remote.read("a b.tar", 0, 10) == CONTENT[::-1][:10]  # looked at anew


def test_faults_are_survived_and_an_expired_signature_is_renewed(
    proxied: tuple[Bucket, FaultProxy], transfer: Transfer
) -> None:
    bucket, proxy = proxied
    proxy.follow(
        rule("answer", "GET .*bytes=", status=503, body=SLOW_DOWN, every=4),
        rule("cut", "GET .*bytes=", after=10_000, every=3, skip=1),
        rule("answer", "GET .*bytes=", status=403, body=EXPIRED, times=3, skip=2),
    )
    with reader(bucket, transfer) as remote:
        read(remote)
    assert any(each.status == 403 for each in proxy.passed("bytes="))


def test_refused_credentials_end_it_after_one_renewal(
    proxied: tuple[Bucket, FaultProxy], transfer: Transfer
) -> None:
    bucket, proxy = proxied
    proxy.follow(rule("answer", "GET .*bytes=", status=403, body=EXPIRED))
    with reader(bucket, transfer) as remote, pytest.raises(ObjectRefused, match="expired") as given:
        remote.read("a b.tar", 0, 10)
    assert len(proxy.passed("bytes=")) == 2
    assert "Signature" not in str(given.value)
    assert os.environ["AWS_ACCESS_KEY_ID"] not in str(given.value)
