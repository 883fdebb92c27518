"""Stores that fail, lie, or are not there for a while: what is survived, and what is said."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faultproxy import EXPIRED, SLOW_DOWN, FaultProxy, Rule, rule
from s3bucket import Bucket, fresh_bucket
from s3servers import SERVERS, S3Server, running

from pipeline.errors import CredentialsRefused, RemoteUnavailable, UploadDiffers
from pipeline.storage.location import Remote
from pipeline.storage.s3 import client, listing, retries, upload
from pipeline.storage.s3.listing import ObjectInfo
from pipeline.storage.s3.settings import Settings

pytest_plugins = ["s3stores"]
PAGE = "<html><body>Please log in</body></html>"
ERROR = "<Error><Code>InternalError</Code><Message>later</Message></Error>"
CONTENT = b"content" * 1000
INFO = ObjectInfo(len(CONTENT), hashlib.md5(CONTENT).hexdigest())


@dataclass(frozen=True)
class Spoiled:
    """A bucket that the product reaches by a proxy, and boto3 alone without it."""

    bucket: Bucket
    proxy: FaultProxy

    @property
    def client(self) -> client.Client:
        return client.connect(Settings(endpoint=self.proxy.url))

    @property
    def place(self) -> Remote:
        return self.bucket.folder / "object"

    def put(self, *rules: Rule) -> ObjectInfo:
        self.proxy.follow(*rules)
        return upload.put_bytes(self.client, self.place, CONTENT)

    def put_in_parts(self, folder: Path, *rules: Rule) -> ObjectInfo:
        self.proxy.follow(*rules)
        (folder / "object").write_bytes(CONTENT)
        return upload.put_file(self.client, self.place, folder / "object")


@pytest.fixture(scope="session")
def s3_proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def spoiled(
    bucket: Bucket, s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Spoiled]:
    """A bucket behind the proxy; waits are short, and files of a kilobyte are sent in parts."""
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(upload, "ONE_PUT", 1000)
    s3_proxy.follow()
    yield Spoiled(bucket, s3_proxy)
    s3_proxy.follow()


@pytest.mark.parametrize(
    "fault",
    [
        rule("answer", "^PUT", status=503, body=SLOW_DOWN, times=3),
        rule("answer", "^PUT", status=429, headers={"Retry-After": "0"}, times=3),
        rule("answer", "^PUT", status=500, times=3),
        rule("reset", "^PUT", times=3),
        rule("lose", "^PUT", times=3),
        rule("answer", "^PUT", status=400, body=EXPIRED, times=1),
    ],
    ids=lambda fault: f"{fault['fault']}-{fault.get('status', '')}",
)
def test_what_passes_is_survived(spoiled: Spoiled, fault: dict[str, Any]) -> None:
    assert spoiled.put(fault) == INFO
    assert spoiled.bucket.content("object") == CONTENT
    assert len(spoiled.proxy.passed("PUT")) == fault["times"] + 1
    assert len(spoiled.proxy.passed()) == fault["times"] + 1  # and nothing else was asked


def test_a_server_says_how_long_to_wait(spoiled: Spoiled) -> None:
    begun = time.monotonic()
    fault = rule("answer", "^PUT", status=503, headers={"Retry-After": "1"}, times=1)
    assert spoiled.put(fault) == INFO
    assert time.monotonic() - begun >= 1


def test_what_does_not_pass_is_given_up_and_nothing_is_there(spoiled: Spoiled) -> None:
    with pytest.raises(RemoteUnavailable, match="SlowDown"):
        spoiled.put(rule("answer", "^PUT", status=503, body=SLOW_DOWN))
    assert len(spoiled.proxy.passed("PUT")) == retries.TRIES
    assert len(spoiled.proxy.passed()) == retries.TRIES + 1  # is it there for all that?
    assert spoiled.bucket.names() == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(403, "<Error><Code>AccessDenied</Code></Error>", "grant s3:PutObject"), (400, "", "refuses")],
)
def test_a_refusal_is_not_tried_again(spoiled: Spoiled, status: int, body: str, error: str) -> None:
    with pytest.raises(Exception, match=error):
        spoiled.put(rule("answer", "^PUT", status=status, body=body))
    assert len(spoiled.proxy.passed()) == 1


def test_keys_that_stay_expired_are_said(spoiled: Spoiled) -> None:
    with pytest.raises(CredentialsRefused, match="have expired"):
        spoiled.put(rule("answer", "^PUT", status=403, body=EXPIRED))
    assert len(spoiled.proxy.passed()) == 2


@pytest.mark.parametrize("body", ["", PAGE])
def test_a_proxy_that_answers_for_the_store_is_not_believed(spoiled: Spoiled, body: str) -> None:
    assert spoiled.put(rule("answer", "^PUT", status=200, body=body, times=1)) == INFO
    assert spoiled.bucket.content("object") == CONTENT


@pytest.mark.parametrize("body", ["", PAGE])
def test_a_proxy_that_always_answers_for_the_store_is_an_error(spoiled: Spoiled, body: str) -> None:
    with pytest.raises(UploadDiffers, match="no object"):
        spoiled.put(rule("answer", "^PUT", status=200, body=body))
    assert spoiled.bucket.names() == []


def test_an_older_object_of_the_same_size_is_not_taken_for_the_new_one(spoiled: Spoiled) -> None:
    spoiled.bucket.put("object", content=b"C" + CONTENT[1:])
    with pytest.raises(UploadDiffers):
        spoiled.put(rule("answer", "^PUT", status=200))


def test_an_etag_that_is_no_md5_is_found_out_by_reading_back_once(spoiled: Spoiled) -> None:
    etag = {"ETag": '"0123456789abcdef0123456789abcdef"'}
    lies = [rule("headers", "^(PUT|HEAD)", headers=etag)]
    assert spoiled.put(*lies).size == len(CONTENT)
    assert [each.request.split()[0] for each in spoiled.proxy.passed()] == ["PUT", "HEAD", "GET"]
    assert spoiled.put(*lies).size == len(CONTENT)
    assert [each.request.split()[0] for each in spoiled.proxy.passed()] == ["PUT", "HEAD"]


def test_an_etag_of_other_bytes_is_an_error(spoiled: Spoiled) -> None:
    """The store has altered what it was sent, and says so by its ETag."""
    etag = {"ETag": '"0123456789abcdef0123456789abcdef"'}
    with pytest.raises(UploadDiffers, match="0123456789abcdef"):
        spoiled.put(rule("headers", "^(PUT|HEAD)", headers=etag), rule("flip", "^GET"))


@pytest.mark.parametrize(
    "encryption",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
    ids=["kms", "customer"],
)
def test_a_store_that_encrypts_confirms_by_size_and_its_own_etag(
    spoiled: Spoiled, encryption: dict[str, str]
) -> None:
    etag = {"ETag": '"0123456789abcdef0123456789abcdef"', **encryption}
    info = spoiled.put(rule("headers", "^(PUT|HEAD)", headers=etag))
    assert info == ObjectInfo(len(CONTENT), "0123456789abcdef0123456789abcdef")
    assert [each.request.split()[0] for each in spoiled.proxy.passed()] == ["PUT", "HEAD"]


def test_a_page_in_the_place_of_a_listing_is_no_empty_listing(spoiled: Spoiled) -> None:
    spoiled.bucket.put("object", content=CONTENT)
    listed = listing.Listing({"object": INFO})
    spoiled.proxy.follow(rule("answer", "list-type", status=200, body=PAGE, times=2))
    assert listing.read_folder(spoiled.client, spoiled.bucket.folder) == listed
    spoiled.proxy.follow(rule("cut", "list-type", after=300, times=2))
    assert listing.read_folder(spoiled.client, spoiled.bucket.folder) == listed
    spoiled.proxy.follow(rule("answer", "list-type", status=200, body=PAGE))
    with pytest.raises(RemoteUnavailable, match="502 to ListObjectsV2"):
        listing.read_folder(spoiled.client, spoiled.bucket.folder)


def test_a_page_in_the_place_of_an_object_is_no_object(spoiled: Spoiled) -> None:
    spoiled.proxy.follow(rule("answer", "^HEAD", status=200, body=PAGE))
    with pytest.raises(RemoteUnavailable, match="something answers that is not the store"):
        listing.stat(spoiled.client, spoiled.place)


@pytest.mark.parametrize(
    "fault",
    [
        rule("answer", r"^POST.*uploads", status=503, body=SLOW_DOWN, times=2),
        rule("answer", r"partNumber", status=503, body=SLOW_DOWN, times=2),
        rule("answer", r"partNumber", status=400, body=EXPIRED, times=1),
        rule("reset", r"partNumber", times=2),
        rule("headers", r"partNumber", headers={"ETag": None}, times=1),
        rule("answer", r"^POST.*uploadId", status=200, body=ERROR, times=2),
        rule("lose", r"^POST.*uploadId", times=1),
        rule("lose", r"partNumber", times=1),
    ],
    ids=lambda fault: f"{fault['fault']}-{fault['match'][-8:]}",
)
def test_parts_survive_what_passes(spoiled: Spoiled, tmp_path: Path, fault: dict[str, Any]) -> None:
    info = spoiled.put_in_parts(tmp_path, fault)
    assert spoiled.bucket.content("object") == CONTENT
    assert info == listing.stat(spoiled.client, spoiled.place)
    assert spoiled.bucket.unfinished() == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (rule("answer", r"partNumber", status=503, body=SLOW_DOWN), RemoteUnavailable),
        (rule("answer", r"partNumber", status=200, body=PAGE), UploadDiffers),
        (rule("answer", r"^POST.*uploadId", status=200, body=ERROR), RemoteUnavailable),
        (rule("answer", r"^POST.*uploadId", status=200, body=PAGE), UploadDiffers),
        (rule("answer", r"^POST.*uploadId", status=200, body=""), UploadDiffers),
    ],
    ids=["part-503", "part-page", "complete-error", "complete-page", "complete-empty"],
)
def test_parts_that_fail_for_good_leave_nothing(
    spoiled: Spoiled, tmp_path: Path, fault: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        spoiled.put_in_parts(tmp_path, fault)
    assert spoiled.bucket.names() == []
    assert spoiled.bucket.unfinished() == []


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_server_that_is_killed_and_started_again_is_waited_for(
    name: str, aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running(name, tmp_path) as server:
        bucket = fresh_bucket(server)
        assert upload.put_bytes(bucket.client, bucket.folder / "before", CONTENT) == INFO
        server.kill()
        starting = threading.Timer(1, server.start)
        starting.start()
        try:
            assert upload.put_bytes(bucket.client, bucket.folder / "after", CONTENT) == INFO
        finally:
            starting.join()
        assert [bucket.content(each) for each in ("before", "after")] == [CONTENT, CONTENT]


def test_a_store_that_is_not_there_is_said_soon(
    aws: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)
    nobody = client.connect(Settings(endpoint="http://127.0.0.1:9"))
    with pytest.raises(RemoteUnavailable, match="--s3-endpoint"):
        listing.read_folder(nobody, Remote("s3", "bucket", "raw"))
