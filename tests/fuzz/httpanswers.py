"""The headers of an answer of a web server: nothing is raised, and no wrong range is taken."""

from __future__ import annotations

from pathlib import Path

from pipeline.storage.http.answers import (
    Outcome,
    Wanted,
    announced,
    error_code,
    judge,
    parse,
)
from pipeline.storage.http.retries import Patience, retry_after

_RANGE = Wanted(100, 50, 1000, '"a"')


def answers() -> tuple[bytes, ...]:
    return (
        b'HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nContent-Range: bytes 100-149/1000\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nLast-Modified: today\r\n\r\n",
        b"HTTP/1.1 503 -\r\nRetry-After: Thu, 01 Jan 1970 00:02:00 GMT\r\n\r\n<Code>Busy</Code>",
    )


def try_answer(data: bytes, _: Path) -> None:
    """An answer that is taken for a range is no longer than that."""
    answer = parse(data.splitlines(keepends=True))
    length = announced(_RANGE, answer)
    if judge(_RANGE, answer) is Outcome.RIGHT:
        assert length is not None
        assert 0 < length <= 50
    judge(Wanted(), answer)
    assert error_code(data).isalnum() or not error_code(data)
    asked = retry_after(answer.headers.get("retry-after", ""), 0.0)
    patience = Patience()
    assert 0 < patience.seconds(1, asked, lambda: 0.5) <= patience.longest_asked
