"""The server that tests of Open Images ask."""

import hashlib
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from pathlib import Path

import openimagesbucket as server
import pytest
from openimagesbucket import Bucket

IMAGE = bytes(range(256)) * 4
PATH = "train/0123456789abcdef.jpg"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    for name, content in ((f"bucket/{PATH}", IMAGE), ("raw/a.csv", b"ImageID\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    with Bucket(tmp_path / "bucket", tmp_path / "raw") as serving:
        yield serving


def ask(
    bucket: Bucket, path: str = PATH, headers: Mapping[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(bucket.url.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", f"/{path}", headers=dict(headers or {}))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@pytest.mark.parametrize("path", [PATH, f"{server.NAME}/{PATH}"])
def test_an_image_has_the_etag_of_a_store(bucket: Bucket, path: str) -> None:
    response, body = ask(bucket, path)
    assert (response.status, body, response.getheader("ETag")) == (200, IMAGE, etag(IMAGE))
    assert bucket.sent() == {path: len(IMAGE)}
    assert ask(bucket, path, {"If-None-Match": etag(IMAGE)})[0].status == 304
    assert ask(bucket, path, {"If-Match": '"x"'})[0].status == 412
    assert bucket.sent() == {path: len(IMAGE)}


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=10-19", 206, IMAGE[10:20]),
        ("bytes=1000-", 206, IMAGE[1000:]),
        ("bytes=-8", 206, IMAGE[-8:]),
        ("bytes=1024-", 416, b""),
    ],
)
def test_ranges_are_served(bucket: Bucket, wanted: str, status: int, body: bytes) -> None:
    response, got = ask(bucket, headers={"Range": wanted})
    assert (response.status, got) == (status, body)
    assert ask(bucket, headers={"Range": wanted, "If-Range": '"x"'})[0].status == 200


def test_a_published_file_has_the_hash_of_googles_storage(bucket: Bucket) -> None:
    response, body = ask(bucket, "files/a.csv")
    assert body == b"ImageID\n"
    assert response.getheader("x-goog-hash") == "md5=qvuwOpc+LTQ2j/pnDlMrAA=="
    assert ask(bucket, "files/b.csv")[0].status == 404


def test_rules_hold_for_some_of_the_requests_that_they_are_for(bucket: Bucket) -> None:
    bucket.rule("train/", server.answer(503), times=2, every=2, skip=1)
    assert [ask(bucket)[0].status for _ in range(7)] == [200, 503, 200, 503, 200, 200, 200]
    assert [seen.status for seen in bucket.requests("train/")].count(503) == 2
    bucket.forget()
    assert bucket.requests() == []


def test_an_answer_can_be_cut_or_be_none_at_all(bucket: Bucket) -> None:
    bucket.rule(PATH, server.cut_after(100), times=1)
    with pytest.raises(IncompleteRead) as caught:
        ask(bucket)
    assert caught.value.partial == IMAGE[:100]
    bucket.rule(PATH, server.hang_up, times=1)
    with pytest.raises(RemoteDisconnected):
        ask(bucket)
    bucket.rule(PATH, server.page, times=1)
    assert ask(bucket)[1] == server.PAGE
    assert ask(bucket)[1] == IMAGE


def test_objects_of_a_test_stand_before_those_of_the_folder(bucket: Bucket) -> None:
    bucket.objects |= {PATH: None, "test/1.jpg": b"1"}
    assert [ask(bucket, path)[0].status for path in (PATH, "test/1.jpg")] == [404, 200]
