"""Judges the answer of a server against what was asked for. Nothing here touches the network.

Servers and what stands before them answer in more ways than the standard knows: some send the
whole file where a range was asked for, some a range with status 200, some another range, some a
compressed body. No byte is taken before the headers say that it is the one that was asked for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final

OK: Final = 200
PARTIAL: Final = 206
NOT_MODIFIED: Final = 304
UNSATISFIABLE: Final = 416

_RANGE: Final = re.compile(
    r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE
)
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)
_HEAD: Final = re.compile(r"^HTTP/(?:[\d.]{1,4} {1,4}(\d{3})\b)?.*", re.ASCII | re.MULTILINE)
_HEADER: Final = re.compile(r"^([^:\n]+):(.*)", re.MULTILINE)
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_HASHES: Final = "x-goog-hash"
_TOLD_MD5: Final = re.compile(r"\bmd5=([A-Za-z0-9+/]{22}==)")
_ETAG_MD5: Final = re.compile(r'"([0-9a-fA-F]{32})"')
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY_CODES: Final = frozenset({"SlowDown", "Throttling", "RequestTimeout", "ServiceUnavailable"})
_EXPIRED_CODES: Final = frozenset({"ExpiredToken", "RequestExpired", "TokenRefreshRequired"})
_NOT_ENCODED: Final = frozenset({"", "identity", "aws-chunked"})  # some stores keep the last one
_SERVER_ERRORS: Final = 5  # hundred
_LASTING: Final = frozenset({501, 505})  # what a server of this kind never does


class Outcome(Enum):
    """What an answer is, in view of what was asked for."""

    RIGHT = "what was asked for"
    SAME = "the file that is there already"
    MOVED = "a redirect to another address"
    NO_RANGES = "the whole file, where a part of it was asked for"
    ELSEWHERE = "another part of the file than was asked for"
    OTHER_SIZE = "a file of another size"
    CHANGED = "another file than before"
    COMPRESSED = "a compressed body, though none was asked for"
    SHORT = "fewer bytes than it announced"
    TOO_LONG = "more bytes than it announced"
    PAGE = "a web page"
    UNSATISFIABLE = "no such range in the file"
    UNAUTHORIZED = "a name and a password are asked for"
    FORBIDDEN = "access is forbidden"
    EXPIRED = "the credentials have expired"
    MISSING = "there is no such file"
    BUSY = "the server asks for fewer requests"
    FAILED = "the server failed"
    UNEXPECTED = "an answer of another kind"
    BROKEN = "the connection was broken"


_OTHERS: Final = frozenset({Outcome.NO_RANGES, Outcome.OTHER_SIZE, Outcome.CHANGED})


@dataclass(frozen=True)
class Answer:
    """Status and headers of one answer.

    Attributes:
        status: of HTTP; 0: there was no answer.
        headers: name in lower case -> value; of repeated ones the last, but all of Google's hashes.
        code: the code of an error of S3, such as ``SlowDown``; empty: it has none.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    code: str = ""

    @property
    def strong_etag(self) -> str:
        """The ETag with its quotes, if it is one that stands for the bytes; else empty."""
        etag = self.headers.get("etag", "")
        return etag if is_etag(etag) else ""

    @property
    def validator(self) -> str:
        """What tells whether the object has changed: strong ETag, else a date, else empty."""
        return self.strong_etag or self.headers.get("last-modified", "")

    @property
    def md5(self) -> str:
        """The MD5 of the whole object that the server tells, in hex; empty: it tells none."""
        told = _TOLD_MD5.search(self.headers.get(_HASHES, ""))
        if told is not None:
            return base64.b64decode(told[1]).hex()
        etag = _ETAG_MD5.fullmatch(self.strong_etag)
        return etag[1].lower() if etag else ""

    @property
    def length(self) -> int | None:
        """The bytes of the body that are announced; None: it is not said."""
        return _number(self.headers.get("content-length", ""))

    @cached_property
    def content_range(self) -> tuple[int, int, int | None] | None:
        """Offset, length and the size of the whole object, where the answer is a range."""
        match = _RANGE.fullmatch(self.headers.get("content-range", "").strip())
        if match is None or match[1] is None:
            return None
        first, last = int(match[1]), int(match[2])
        return first, last - first + 1, _number(match[3])

    @property
    def total(self) -> int | None:
        """The size of the whole object, if a range or its refusal says so."""
        match = _RANGE.fullmatch(self.headers.get("content-range", "").strip())
        return _number(match[3]) if match else None

    def __str__(self) -> str:
        return f"HTTP {self.status}" + (f" {self.code}" if self.code else "")


@dataclass(frozen=True)
class Wanted:
    """What the next answer must be.

    Attributes:
        offset: first byte that is wanted.
        length: how many bytes; None: all from there on.
        size: of the whole object; None: not known.
        validator: a strong ETag, a date, or empty: not known.
        head: whether there is no body.
        unless: the ETag that it need not be sent of; empty: it is sent.
    """

    offset: int = 0
    length: int | None = None
    size: int | None = None
    validator: str = ""
    head: bool = False
    unless: str = ""

    @property
    def is_range(self) -> bool:
        """Whether a part of the object is asked for."""
        return self.offset > 0 or self.length is not None

    @property
    def conditions(self) -> list[str]:
        """The headers that ask for this range of this very object, uncompressed."""
        lines = ["Accept-Encoding: identity"]
        if self.is_range and not self.head:
            last = "" if self.length is None else str(self.offset + self.length - 1)
            lines.append(f"Range: bytes={self.offset}-{last}")
        if self.validator:
            condition = "If-Match" if is_etag(self.validator) else "If-Unmodified-Since"
            lines.append(f"{condition}: {self.validator}")
        if self.unless:
            lines.append(f"If-None-Match: {self.unless}")
        return lines


def is_etag(validator: str) -> bool:
    """Whether a validator is an ETag, and no date."""
    return validator.startswith('"')


def parse(lines: Iterable[bytes]) -> Answer:
    """Return the last answer of the header lines that libcurl passed on."""
    text = b"".join(lines).decode("latin-1")
    heads = list(_HEAD.finditer(text))
    status = heads[-1][1] if heads else None
    pairs = _HEADER.findall(text, heads[-1].end()) if heads else ()
    headers = dict[str, str]()
    for name, value in ((each[0].strip().lower(), each[1].strip()) for each in pairs):
        before = f"{headers[name]}," if name == _HASHES and name in headers else ""
        headers[name] = before + value
    return Answer(int(status) if status else 0, headers)


def error_code(body: bytes) -> str:
    """Return the code in the body of an error of S3; the rest of it may hold secrets."""
    match = _CODE.search(body)
    return match[1].decode() if match else ""


def judge(wanted: Wanted, answer: Answer) -> Outcome:
    """Say what an answer is by its status and headers, before any byte of its body is taken."""
    if answer.status not in {OK, PARTIAL}:
        return _of_status(wanted, answer)
    if _is_compressed(wanted, answer):
        return Outcome.COMPRESSED
    outcome = _of_content(wanted, answer)
    is_page = answer.headers.get("content-type", "").lower().startswith("text/html")
    return Outcome.PAGE if is_page and outcome in _OTHERS else outcome


def announced(wanted: Wanted, answer: Answer) -> int | None:
    """Return how many bytes of body a right answer has; None: it does not say."""
    if answer.content_range is not None:
        length = answer.content_range[1]
        return length if wanted.length is None else min(length, wanted.length)
    return answer.length


def judge_length(expected: int | None, received: int) -> Outcome:
    """Say what an answer is by the number of bytes that came; None: nobody knows how many."""
    if expected is None or received == expected:
        return Outcome.RIGHT
    return Outcome.SHORT if received < expected else Outcome.TOO_LONG


def _of_status(wanted: Wanted, answer: Answer) -> Outcome:
    status = answer.status
    if answer.code in _BUSY_CODES:
        return Outcome.BUSY
    if answer.code in _EXPIRED_CODES:
        return Outcome.EXPIRED
    if status in _REDIRECTS and answer.headers.get("location"):
        return Outcome.MOVED
    if status == NOT_MODIFIED and wanted.unless:
        return Outcome.SAME
    if status == UNSATISFIABLE:
        other = wanted.size is not None and answer.total not in {None, wanted.size}
        return Outcome.OTHER_SIZE if other else Outcome.UNSATISFIABLE
    known = {
        0: Outcome.BROKEN,
        401: Outcome.UNAUTHORIZED,
        403: Outcome.FORBIDDEN,
        404: Outcome.MISSING,
        408: Outcome.BUSY,
        410: Outcome.MISSING,
        412: Outcome.CHANGED,
        425: Outcome.BUSY,
        429: Outcome.BUSY,
    }
    failed = status // 100 == _SERVER_ERRORS and status not in _LASTING
    return Outcome.FAILED if failed else known.get(status, Outcome.UNEXPECTED)


def _is_compressed(wanted: Wanted, answer: Answer) -> bool:
    """Whether a body was compressed on the way.

    Many servers call a file that is stored compressed, such as a ``.tar.gz``, encoded, and send it
    as it is. Then all lengths fit, which they do not where the server itself compresses.
    """
    if answer.headers.get("content-encoding", "").strip().lower() in _NOT_ENCODED:
        return False
    sent = answer.content_range
    length, total = (answer.length, answer.length) if sent is None else (sent[1], sent[2])
    is_file = total is not None and (
        answer.headers.get("accept-ranges", "").lower() == "bytes"
        if wanted.size is None
        else total == wanted.size
    )
    return not is_file or length != answer.length


def _of_content(wanted: Wanted, answer: Answer) -> Outcome:
    if _has_changed(wanted, answer):
        return Outcome.CHANGED
    if answer.content_range is not None and not wanted.head:
        return _of_range(wanted, answer.content_range)
    return _of_whole(wanted, answer)


def _of_range(wanted: Wanted, sent: tuple[int, int, int | None]) -> Outcome:
    offset, length, total = sent
    if total is not None and wanted.size not in {None, total}:
        return Outcome.OTHER_SIZE
    too_long = wanted.length is not None and length > wanted.length
    right = offset == wanted.offset and length > 0 and not too_long
    return Outcome.RIGHT if right else Outcome.ELSEWHERE


def _of_whole(wanted: Wanted, answer: Answer) -> Outcome:
    """Judge an answer that does not say that it is a range; it may be one that is all there is."""
    if answer.status == PARTIAL:
        return Outcome.ELSEWHERE
    if answer.length is not None and wanted.size not in {None, answer.length}:
        return Outcome.OTHER_SIZE
    is_all = wanted.offset == 0 and answer.length == wanted.length
    return Outcome.RIGHT if is_all or wanted.head or not wanted.is_range else Outcome.NO_RANGES


def _has_changed(wanted: Wanted, answer: Answer) -> bool:
    """Whether the answer names another validator; a server may forget to look at the condition."""
    if not wanted.validator:
        return False
    if is_etag(wanted.validator):
        etag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        return bool(etag) and etag != wanted.validator.strip('"')
    date = answer.headers.get("last-modified", "")
    return bool(date) and date != wanted.validator


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None
