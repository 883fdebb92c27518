"""Many small objects over one transfer, from a server of this process; no test waits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from loopback import Act, Handler, Loopback, answer, cut_after

from pipeline.storage.http import many
from pipeline.storage.http.many import Many
from pipeline.storage.http.request import Request
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote
from pipeline.storage.received import Asked, Received, Result
from pipeline.storage.s3 import public
from pipeline.storage.s3.settings import Settings

CONTENT = b"x" * 5_000 + b"end"
TRIES = 4


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


def receive(
    server: Loopback, *wanted: str | Asked, in_flight: int = 2, **request: int
) -> list[Received]:
    patience = Patience(TRIES, few=2, first=0.0, longest=0.0, longest_asked=0.0)
    ask = Request(server.url, **request)  # type: ignore[arg-type]
    with (
        Transfer(in_flight, patience=patience, yielding=True) as transfer,
        Many(
            transfer,
            lambda name: replace(ask, name=name),
            None,
            TRIES,
            lambda body: bytes(body).endswith(b"end"),
        ) as receiver,
    ):
        asked = (Asked(each) if isinstance(each, str) else each for each in wanted or ("a",))
        return list(receiver.receive(asked))


def unannounced(handler: Handler, cut: int = 0) -> None:
    """Send the object without saying how long it is."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) - cut])
    handler.close_connection = True


def test_all_come_whatever_becomes_of_one_of_them(server: Loopback) -> None:
    server.script.extend([answer(404), answer(503), cut_after(70), answer(403)])
    received = receive(server, *"abcdef")
    assert sorted(each.asked.name for each in received) == list("abcdef")
    results = sorted(each.result.name for each in received)
    assert results == ["FORBIDDEN", "MISSING", *["WHOLE"] * 4]
    assert len(server.seen) == 8


def test_the_end_of_a_body_of_unknown_length_is_looked_for(server: Loopback) -> None:
    server.script.extend([partial(unannounced, cut=3), unannounced])
    (received,) = receive(server)
    assert (received.result, received.tries, bytes(received.body)) == (Result.WHOLE, 2, CONTENT)
    server.script.extend([partial(unannounced, cut=3)] * TRIES)
    (received,) = receive(server)
    assert (received.result, received.tries, len(received.body)) == (Result.FAILED, TRIES, 0)


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, {"Content-Length": str(1 << 30)}, b"x"),
        answer(200, {"Content-Encoding": "gzip"}),
        answer(400),
        answer(302, {"Location": "ftp://elsewhere"}),
    ],
    ids=["a gigabyte", "compressed", "400", "nowhere"],
)
def test_what_is_not_what_was_asked_for_is_not_asked_for_again(
    server: Loopback, fault: Act
) -> None:
    server.script.append(fault)
    (received,) = receive(server)
    assert (received.result, received.tries) in {(Result.UNUSABLE, 1), (Result.WHOLE, 2)}
    assert len(server.seen) == received.tries


def test_a_server_that_falls_silent_is_asked_again(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "SILENT_SECONDS", 1)

    def fall_silent(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:70])
        handler.wfile.flush()
        handler.rfile.read(1)  # until the other side hangs up
        handler.close_connection = True

    server.script.append(fall_silent)
    (received,) = receive(server)
    assert (received.result, received.tries) == (Result.WHOLE, 2)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "https://b.s3.amazonaws.com/train/a%20b.jpg"),
        (Settings(region="eu-west-1"), "https://b.s3.eu-west-1.amazonaws.com/train/a%20b.jpg"),
        (Settings(addressing="path"), "https://s3.amazonaws.com/b/train/a%20b.jpg"),
        (Settings(endpoint="http://h:9/s3/"), "http://h:9/s3/b/train/a%20b.jpg"),
        (Settings(endpoint="http://h:9", addressing="virtual"), "http://b.h:9/train/a%20b.jpg"),
    ],
)
def test_addresses_in_a_public_bucket(
    settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    request = public.request_for(Remote("s3", "b", ""), settings, "train/a b.jpg")
    assert (request.url, request.shown) == (url, "s3://b/train/a b.jpg")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://other:1")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert public.request_for(Remote("s3", "b", ""), settings, "train/a b.jpg") == request


def test_bytes_that_are_there_already_are_not_sent_again(server: Loopback) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    server.script.extend([answer(304), answer(304), cut_after(700)])
    (same,) = receive(server, Asked("a", md5))
    assert (same.result, same.status, same.tries) == (Result.SAME, 304, 1)
    (unasked,) = receive(server, "a")
    assert unasked.result is Result.UNUSABLE
    (other,) = receive(server, Asked("a", "0" * 32))
    assert (other.result, bytes(other.body)) == (Result.WHOLE, CONTENT)
    conditions = [seen.headers.get("if-none-match") for seen in server.seen]
    assert conditions == [f'"{md5}"', None, f'"{"0" * 32}"', None]
    assert server.seen[-1].range == "bytes=700-"  # what had come is not asked for again
