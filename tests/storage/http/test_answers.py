"""What an answer is, in view of what was asked for: decided without a network."""

from __future__ import annotations

import pytest

from pipeline.storage.http.answers import (
    Answer,
    Outcome,
    Wanted,
    announced,
    error_code,
    judge,
    judge_length,
    parse,
)

RANGE = Wanted(offset=100, length=50, size=1000, validator='"a"')
WHOLE = Wanted(size=1000, validator='"a"')
REST = Wanted(offset=100, validator='"a"')


def answered(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()})


def encoded(content_range: str, length: int) -> Answer:
    return answered(
        206,
        content_encoding="gzip",
        content_range=content_range,
        content_length=str(length),
        accept_ranges="bytes",
    )


EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of no byte."""
GOOG_MD5 = b"X-Goog-Hash: md5=1B2M2Y8AsgTpgAmY7PhCfg==\r\n"


@pytest.mark.parametrize(
    ("wanted", "answer", "outcome"),
    [
        (RANGE, answered(206, content_range="bytes 100-149/1000", etag='"a"'), Outcome.RIGHT),
        # rclone's answer to a range.
        (RANGE, answered(200, content_range="bytes 100-149/1000"), Outcome.RIGHT),
        (RANGE, answered(206, content_range="bytes 100-149/*"), Outcome.RIGHT),
        # The beginning of it: the rest is asked for again.
        (RANGE, answered(206, content_range="bytes 100-120/1000"), Outcome.RIGHT),
        (RANGE, answered(206, content_range="bytes 100-149/1000", etag='W/"a"'), Outcome.RIGHT),
        (WHOLE, answered(200, content_length="1000"), Outcome.RIGHT),
        (WHOLE, answered(200), Outcome.RIGHT),
        (Wanted(length=1000, size=1000), answered(200, content_length="1000"), Outcome.RIGHT),
        (REST, answered(206, content_range="bytes 100-999/1000"), Outcome.RIGHT),
        (RANGE, answered(200, content_length="1000"), Outcome.NO_RANGES),
        (RANGE, answered(200), Outcome.NO_RANGES),
        (REST, answered(200, content_length="1000"), Outcome.NO_RANGES),
        (RANGE, answered(206, content_range="bytes 0-49/1000"), Outcome.ELSEWHERE),
        (RANGE, answered(206, content_range="bytes 100-150/1000"), Outcome.ELSEWHERE),
        (RANGE, answered(206, content_range="bytes 149-100/1000"), Outcome.ELSEWHERE),
        (RANGE, answered(206, content_range="lines 100-149/1000"), Outcome.ELSEWHERE),
        (RANGE, answered(206, content_length="50"), Outcome.ELSEWHERE),
        (WHOLE, answered(206, content_range="bytes 5-999/1000"), Outcome.ELSEWHERE),
        (RANGE, answered(206, content_range="bytes 100-149/1001"), Outcome.OTHER_SIZE),
        (RANGE, answered(200, content_length="999"), Outcome.OTHER_SIZE),
        (RANGE, answered(416, content_range="bytes */120"), Outcome.OTHER_SIZE),
        (WHOLE, answered(200, content_length="0"), Outcome.OTHER_SIZE),
        (RANGE, answered(416), Outcome.UNSATISFIABLE),
        (RANGE, answered(206, content_range="bytes 100-149/1000", etag='"b"'), Outcome.CHANGED),
        (RANGE, answered(200, content_length="1000", etag='"b"'), Outcome.CHANGED),
        (RANGE, answered(412), Outcome.CHANGED),
        (
            Wanted(validator="Sat, 28 Nov 2026 21:00:00 GMT"),
            answered(200, last_modified="Sat, 28 Nov 2026 21:00:01 GMT"),
            Outcome.CHANGED,
        ),
        (RANGE, answered(206, content_range="bytes 100-149/1000", etag="a"), Outcome.RIGHT),
        (WHOLE, answered(200, content_encoding="gzip"), Outcome.COMPRESSED),
        (WHOLE, answered(200, content_encoding="gzip", content_length="999"), Outcome.COMPRESSED),
        (Wanted(), answered(200, content_encoding="gzip", content_length="9"), Outcome.COMPRESSED),
        # A file that is stored compressed, and is sent as it is.
        (WHOLE, answered(200, content_encoding="x-gzip", content_length="1000"), Outcome.RIGHT),
        (
            Wanted(),
            answered(200, content_encoding="x-gzip", content_length="9", accept_ranges="bytes"),
            Outcome.RIGHT,
        ),
        (RANGE, encoded("bytes 100-149/1000", 50), Outcome.RIGHT),
        (RANGE, encoded("bytes 100-149/1000", 60), Outcome.COMPRESSED),
        (RANGE, encoded("bytes 100-149/900", 50), Outcome.COMPRESSED),
        (WHOLE, answered(200, content_encoding="aws-chunked"), Outcome.RIGHT),
        (RANGE, answered(200, content_type="text/html; charset=utf-8"), Outcome.PAGE),
        (WHOLE, answered(200, content_length="9", content_type="text/html"), Outcome.PAGE),
        (WHOLE, answered(200, content_length="1000", content_type="text/html"), Outcome.RIGHT),
        (WHOLE, answered(302, location="/there"), Outcome.MOVED),
        (WHOLE, answered(302), Outcome.UNEXPECTED),
        (WHOLE, answered(304), Outcome.UNEXPECTED),
        (WHOLE, answered(401), Outcome.UNAUTHORIZED),
        (WHOLE, answered(403), Outcome.FORBIDDEN),
        (WHOLE, Answer(400, code="ExpiredToken"), Outcome.EXPIRED),
        (WHOLE, answered(404), Outcome.MISSING),
        (WHOLE, answered(410), Outcome.MISSING),
        (WHOLE, answered(429), Outcome.BUSY),
        (WHOLE, Answer(503, code="SlowDown"), Outcome.BUSY),
        (WHOLE, Answer(400, code="RequestTimeout"), Outcome.BUSY),
        (WHOLE, answered(500), Outcome.FAILED),
        (WHOLE, answered(501), Outcome.UNEXPECTED),
        (WHOLE, Answer(), Outcome.BROKEN),
    ],
)
def test_an_answer_is_judged_by_its_headers(
    wanted: Wanted, answer: Answer, outcome: Outcome
) -> None:
    assert judge(wanted, answer) is outcome


@pytest.mark.parametrize(
    ("expected", "received", "outcome"),
    [
        (50, 50, Outcome.RIGHT),
        (50, 49, Outcome.SHORT),
        (50, 51, Outcome.TOO_LONG),
        (None, 7, Outcome.RIGHT),
    ],
)
def test_then_by_the_bytes_that_came(expected: int | None, received: int, outcome: Outcome) -> None:
    assert judge_length(expected, received) is outcome


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        (answered(206, content_range="bytes 100-120/1000", content_length="900"), 21),
        (answered(200, content_length="1000"), 1000),
        (answered(200, content_length="-1"), None),
    ],
)
def test_a_range_says_itself_how_long_it_is(answer: Answer, length: int | None) -> None:
    assert announced(REST, answer) == length


def test_the_last_answer_of_several_counts() -> None:
    lines = [b"HTTP/1.1 100 Continue\r\n", b"Old: 1\r\n", b"\r\n"]
    lines += [b"HTTP/1.1 206 Partial Content\r\n", b'ETag:  "x:y" \r\n', b"nonsense\r\n", b"\r\n"]
    assert parse(lines) == Answer(206, {"etag": '"x:y"'})
    assert parse([]) == Answer()


@pytest.mark.parametrize(
    ("lines", "md5"),
    [
        ([b"x-goog-hash: crc32c=AAAAAA==\r\n", GOOG_MD5], EMPTY),
        ([GOOG_MD5, b"x-goog-hash: crc32c=A==\r\n"], EMPTY),
        ([b"x-goog-hash: crc32c=AA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==\r\n"], EMPTY),
        ([b'ETag: "D41D8CD98F00B204E9800998ECF8427E"\r\n'], EMPTY),
        ([b'ETag: W/"d41d8cd98f00b204e9800998ecf8427e"\r\n'], ""),
        ([b'ETag: "d41d8cd98f00b204e9800998ecf8427e-2"\r\n'], ""),
        ([b"x-goog-hash: md5=short\r\n"], ""),
        ([], ""),
    ],
)
def test_the_md5_that_a_server_tells_is_read(lines: list[bytes], md5: str) -> None:
    assert parse([b"HTTP/1.1 200 OK\r\n", *lines]).md5 == md5


def test_of_an_error_of_s3_nothing_but_its_code_is_kept() -> None:
    body = b"<Error><Code>SlowDown</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
    assert error_code(body) == "SlowDown"
    assert error_code(b"<html><Code>not a code</Code>") == ""


def test_only_a_strong_etag_or_a_date_tells_of_a_change() -> None:
    date = "Sat, 28 Nov 2026 21:00:00 GMT"
    assert answered(200, etag='"a"', last_modified=date).validator == '"a"'
    assert answered(200, etag='W/"a"', last_modified=date).validator == date
    assert answered(200).validator == answered(200, etag="a").validator == ""


def test_a_condition_is_asked_for_with_each_range() -> None:
    assert RANGE.conditions == [
        "Accept-Encoding: identity",
        "Range: bytes=100-149",
        'If-Match: "a"',
    ]
    assert REST.conditions[1] == "Range: bytes=100-"
    assert Wanted(validator="a date").conditions == [
        "Accept-Encoding: identity",
        "If-Unmodified-Since: a date",
    ]
