from __future__ import annotations

import struct

import pytest
from drawn_images import drawn
from hypothesis import given
from hypothesis import strategies as st

from pipeline.images.inspection import inspect
from pipeline.images.segments import (
    MAX_SEGMENTS,
    SOS,
    Scans,
    head_segments,
    jpeg_scans,
    jpeg_segments,
    png_chunks,
)

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SCAN = b"\xff\xda\x00\x03\x01" + b"\x12\xff\x00\x34"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def segment(code: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + b"\0\0\0\0"


def contents(data: bytes) -> list[tuple[int | bytes, bytes]]:
    walk = png_chunks(data) if data.startswith(SIGNATURE) else jpeg_segments(data)
    return [(part.name, data[part.start : part.end]) for part in walk]


def test_the_segments_of_a_jpeg_go_up_to_its_first_scan() -> None:
    data = SOI + segment(0xE0, b"JFIF") + segment(0xE1, b"") + SCAN + segment(0xC4, b"x") + EOI
    assert contents(data) == [(0xE0, b"JFIF"), (0xE1, b""), (SOS, b"\x01")]


def test_fill_bytes_and_junk_between_segments_are_passed_over() -> None:
    data = SOI + b"\xff\xff" + segment(0xE0, b"one") + b"junk\xff\x00\xff\xd0" + segment(0xE1, b"2")
    assert contents(data) == [(0xE0, b"one"), (0xE1, b"2")]


def test_a_segment_that_is_cut_off_ends_with_the_data() -> None:
    assert contents(SOI + segment(0xE1, b"abcdef")[:-2]) == [(0xE1, b"abcd")]


def test_a_length_of_less_than_itself_ends_the_walk() -> None:
    assert contents(SOI + b"\xff\xe0\x00\x01" + segment(0xE1, b"x")) == []


def test_the_chunks_of_a_png_go_up_to_its_end() -> None:
    data = SIGNATURE + chunk(b"IHDR", b"13 bytes") + chunk(b"IEND", b"") + chunk(b"tEXt", b"x")
    assert contents(data) == [(b"IHDR", b"13 bytes"), (b"IEND", b"")]


@pytest.mark.parametrize(
    ("rest", "end", "whole"),
    [
        (EOI, 0, True),
        (EOI + b"trailing", 0, True),
        (b"", 0, False),
        (b"\xff", 1, False),
        (b"\xff" * 100, 100, False),
        (b"\xff\xff\xff" + EOI, 3, True),
        (b"\xff\xd0\x12\xff\xd7" + EOI, 5, True),
        (b"\xff\x53SEFT" + EOI, 0, False),
        (SOI + SCAN + EOI, 0, False),
    ],
)
def test_a_scan_goes_up_to_a_marker_that_is_none_of_its_own(
    rest: bytes, end: int, whole: bool
) -> None:
    start = SOI + segment(0xE1, b"a thumbnail's " + EOI)
    found = jpeg_scans(memoryview(start + SCAN + rest), len(start))
    assert (found.end, found.whole) == (len(start + SCAN) + end, whole)
    assert found.headers == (len(start),)


def test_scans_and_the_segments_between_them_are_walked_through() -> None:
    between = segment(0xC4, b"holds " + EOI) + segment(0xFE, b"and " + SOI)
    data = SOI + SCAN + between + SCAN + EOI
    assert jpeg_scans(data, 2) == Scans(len(data) - 2, True, (2, 2 + len(SCAN + between)))
    assert not jpeg_scans(data[: 2 + len(SCAN) + 8], 2).whole


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_in_order_and_inside(data: bytes) -> None:
    for walk in (jpeg_segments(SOI + data), png_chunks(SIGNATURE + data)):
        before = 0
        for part in walk:
            assert before < part.start
            assert part.end <= 8 + len(data)
            before = part.start
    fast = head_segments(SOI + data)
    slow = [(part.name, part.start - 4) for part in jpeg_segments(SOI + data)]
    assert fast[: len(slow)] == slow[: len(fast)]


def test_a_jpeg_of_millions_of_segments_is_walked_through_up_to_a_bound() -> None:
    plain = drawn().encoded
    empty = b"\xff\xfe\0\2"
    flood = plain[:2] + empty * (2 * MAX_SEGMENTS) + plain[2:]
    assert len(head_segments(flood)) == MAX_SEGMENTS
    assert inspect(flood).peculiarity == "no-scan"
    assert inspect(plain[:2] + empty * 100 + plain[2:]).decodable
