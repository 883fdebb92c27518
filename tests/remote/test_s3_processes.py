"""A client of real stores: signed addresses, forks, regions and descriptors."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from faultproxy import FaultProxy, Rule, rule
from s3bucket import Bucket, use_keys
from s3servers import STRANGER

from pipeline.errors import UsageError, WrongRegion
from pipeline.storage.s3 import client, listing, upload
from pipeline.storage.s3.settings import Settings

pytest_plugins = ["s3stores"]
MOVED = "<Error><Code>PermanentRedirect</Code></Error>"
NAMED = "<Error><Code>PermanentRedirect</Code><Region>eu-west-3</Region></Error>"
MALFORMED = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
NAMES = ("plain", "a b+c", "ä€", "100%25", "#?&", "~*()", "'")


def fetched(url: str, **headers: str) -> bytes:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


def sockets() -> list[str]:
    """Return the sockets among the descriptors of this process."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # that of the listing itself
            continue
    return [link for link in links if link.startswith("socket:")]


def in_child(work: Callable[[], bool]) -> bool:
    """Whether a forked process finds something true."""
    child = os.fork()
    if not child:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_signed_address_is_read_by_anybody(bucket: Bucket, name: str) -> None:
    bucket.put(name, content=b"0123456789")
    signed = bucket.client.sign(bucket.folder / name)
    assert fetched(signed.url) == b"0123456789"
    assert fetched(signed.url, Range="bytes=2-4") == b"234"


def test_an_address_signed_by_others_keys_is_refused(
    bucket: Bucket, aws: pytest.MonkeyPatch
) -> None:
    if bucket.server.name == "rclone":
        pytest.skip("rclone has no rights")
    bucket.put("object")
    use_keys(aws, STRANGER)
    client.forget()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetched(bucket.client.sign(bucket.folder / "object").url)


def test_nothing_is_inherited_by_a_process_that_is_forked(bucket: Bucket) -> None:
    bucket.put("object")
    place = bucket.folder / "object"
    before = sockets()

    def works_alone() -> bool:
        own = sockets() == before
        return own and listing.stat(bucket.client, place) is not None

    assert in_child(works_alone)  # before any use here
    for _ in range(3):
        assert listing.stat(bucket.client, place) is not None
        assert len(sockets()) > len(before)  # a connection is kept for the next request
        assert in_child(works_alone)
        assert sockets() == before  # nothing was open when it was forked


def test_processes_that_are_forked_at_once_do_not_disturb_each_other(bucket: Bucket) -> None:
    listing.read_folder(bucket.client, bucket.folder)
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            try:
                for turn in range(10):
                    content = f"{number} {turn}".encode()
                    upload.put_bytes(bucket.client, bucket.folder / f"{number}-{turn}", content)
                os._exit(0)
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    names = [f"{number}-{turn}" for number in range(4) for turn in range(10)]
    assert sorted(listing.read_folder(bucket.client, bucket.folder).objects) == sorted(names)
    assert bucket.content("3-9") == b"3 9"


def test_a_bucket_of_another_region_is_followed_there(bucket: Bucket) -> None:
    """The proxy says what AWS does; the store takes signatures for any region."""
    bucket.put("object", content=b"content")
    place = bucket.folder / "object"
    region = {"x-amz-bucket-region": "eu-west-3"}
    with FaultProxy(bucket.server.endpoint) as proxy:
        proxy.follow(rule("answer", "^HEAD", status=301, headers=region, times=1))
        of = client.connect(Settings(endpoint=proxy.url))
        assert "us-east-1" in of.sign(place).url
        signed = of.sign(place, anew=True)
        assert "eu-west-3" in signed.url
        assert fetched(signed.url) == b"content"
        assert listing.stat(of, place) is not None
        assert len(proxy.passed("HEAD")) == 3  # the first twice, and the last at once
        assert in_child(lambda: "eu-west-3" in of.sign(place).url)


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (rule("answer", status=301, body=MOVED), WrongRegion, "--s3-region REGION"),
        (rule("answer", status=301, body=NAMED), WrongRegion, "--s3-region eu-west-3"),
        (rule("answer", status=400, body=MALFORMED), WrongRegion, "--s3-region eu-west-3"),
        (
            rule("answer", status=301, headers={"Location": "https://other/?secret"}),
            UsageError,
            r"https://other/\?….*--s3-endpoint",
        ),
    ],
    ids=["unnamed", "named", "signature", "https"],
)
@pytest.mark.parametrize("operation", [listing.stat, listing.read_folder])
def test_a_request_that_is_sent_on_without_end_is_said(
    bucket: Bucket, answer: Rule, error: type[Exception], why: str, operation: Any
) -> None:
    with FaultProxy(bucket.server.endpoint) as proxy:
        proxy.follow(answer)
        of = client.connect(Settings(endpoint=proxy.url))
        with pytest.raises(error, match=f"(?s){why}"):
            operation(of, bucket.folder)
        assert len(proxy.passed()) < 10
