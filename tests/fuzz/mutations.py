"""Hostile documents as hypothesis strategies: valid ones, changed where it hurts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fields import values
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from targets import Target

_TOKEN = re.compile(rb"\w+|\s+|[^\w\s]")
_NUMBERS = [b"", b"0", b"-1", b"1.5", b"00", b"1e309", b"nan", b"inf", b"18446744073709551616"]
_NUMBERS += [b"9223372036854775807", b"4294967296", b"0x" + b"f" * 4000, b"9" * 5000]
_ODD = [b"\0", b"\\u0000", b"\xff", b"\xed\xa0\x80", "é\u2028".encode(), b"\t", b"\r", b"\n\n"]
_ODD += [b"\xef\xbb\xbf", b"\xff\xfe<\0", "٣".encode(), b" ", b",", b'"', b"'", b"#", b"&x;"]
_NESTED = [b"[" * 3000, b"{" * 3000, b"<a>" * 600, b"(" * 3000, b"a{4294967296}", b"a." * 2000]
_LONG = [b"1" * 30_000 + b"x", b"a." * 20_000, b" " * 30_000, b"<a/>" * 8000, b"(a+)+b"]
_NAMES = [b"../", b"/", b".", b"n01", b"path=", b"size=", b"GNU.sparse.major=1", b"<!DOCTYPE a>"]
_NAMES += [b"..", b"a/../b", b".x.host-1-deadbeef.tmp", b"\x1b[2J", "\x9b2J".encode()]
_NAMES += ["\u202e".encode(), "\u2029".encode(), b"=1+1"]
_WORDS = _NUMBERS + _ODD + _NESTED + _NAMES + _LONG
_MAX_EDITS = 4
_MAX_RUN = 64
_FLOOD = 1 << 15  # bytes

Edit = Callable[[DrawFn, bytes, Target], bytes]


@st.composite
def _hostile(draw: DrawFn, target: Target) -> bytes:
    data = draw(st.sampled_from(target.seeds()))
    for _ in range(draw(st.integers(1, _MAX_EDITS))):
        edit = draw(st.sampled_from(_TEXT_EDITS if target.text else _EDITS))
        data = edit(draw, data, target)
    sealed: bool = draw(st.sampled_from((True, True, True, False)))
    return target.seal(data) if sealed else data


def hostile(target: Target) -> SearchStrategy[bytes]:
    """Return a strategy of documents that were once valid; a few are mere noise."""
    noise: SearchStrategy[bytes] = st.binary(max_size=2 * _MAX_RUN)
    changed: SearchStrategy[bytes] = _hostile(target)
    return st.sampled_from(range(16)).flatmap(lambda dice: changed if dice else noise)


def _flip(draw: DrawFn, data: bytes, _: Target) -> bytes:
    """Change one bit."""
    if not data:
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]


def _truncate(draw: DrawFn, data: bytes, _: Target) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _delete(draw: DrawFn, data: bytes, _: Target) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + data[at + draw(st.integers(1, _MAX_RUN)) :]


def _insert(draw: DrawFn, data: bytes, _: Target) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(min_size=1, max_size=_MAX_RUN)) + data[at:]


def _splice(draw: DrawFn, data: bytes, target: Target) -> bytes:
    """Let a part of another document follow."""
    other = draw(st.sampled_from(target.seeds()))
    at, start = draw(st.integers(0, len(data))), draw(st.integers(0, len(other)))
    return data[:at] + other[start:]


def _repeat(draw: DrawFn, data: bytes, _: Target) -> bytes:
    """Let a part stand there several times."""
    at, size = draw(st.integers(0, len(data))), draw(st.integers(1, len(data) + 1))
    return data[:at] + data[at : at + size] * draw(st.integers(2, 4)) + data[at + size :]


def _flood(draw: DrawFn, data: bytes, _: Target) -> bytes:
    """Let a small part stand there thousands of times: what costs the square of it shows."""
    at, size = draw(st.integers(0, len(data))), draw(st.integers(1, _MAX_RUN))
    part = data[at : at + size]
    return data[:at] + part * (_FLOOD // max(1, len(part))) + data[at + size :]


def _field(draw: DrawFn, data: bytes, target: Target) -> bytes:
    """Set a field of the format to an extreme value."""
    found = list(target.fields(data))
    if not found:
        return _flip(draw, data, target)
    field = draw(st.sampled_from(found))
    value: bytes = draw(st.sampled_from(values(field, len(data))))
    return data[: field.offset] + value + data[field.offset + field.size :]


def _word(draw: DrawFn, data: bytes, target: Target) -> bytes:
    """Put another word in the place of one, or of none."""
    found = list(_TOKEN.finditer(data))
    if not found:
        return _insert(draw, data, target)
    token: Any = draw(st.sampled_from(found))
    start, end = token.span()
    others = st.sampled_from(found).map(lambda other: other[0])
    word: bytes = draw(st.one_of(st.sampled_from(_WORDS), others))
    return data[:start] + word + data[start if draw(st.booleans()) else end :]


def _line(draw: DrawFn, data: bytes, _: Target) -> bytes:
    """Move, double or drop a line."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    taken = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _again in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), taken)
    return b"".join(lines)


_EDITS = [_field, _field, _field, _flip, _truncate, _delete, _insert, _splice, _repeat, _flood]
_TEXT_EDITS = [
    _word,
    _word,
    _word,
    _word,
    _line,
    _flip,
    _truncate,
    _splice,
    _insert,
    _repeat,
    _flood,
]
