"""GIFs, TIFFs and PNMs that hold far too much beside their pixels are refused before a decoder."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import PillowEngine
from pipeline.images.foreignbounds import (
    MAX_COMMENT_BYTES,
    MAX_COMMENTS,
    check_foreign,
)
from pipeline.images.spec import EncodeSpec

_SPEC = EncodeSpec(quality=90, transcode=True)
_HEADER_BYTES = 8
_BYTE, _LONG = 1, 4


def _saved(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, form)
    return stream.getvalue()


def _gif(*comments: bytes) -> bytes:
    """Return a GIF with comments before its image, each in blocks of 255 bytes."""
    plain = _saved("GIF")
    at = 13 + (3 << (plain[10] & 7) + 1)
    blocks = []
    for comment in comments:
        cut = [comment[start : start + 255] for start in range(0, len(comment), 255)]
        blocks.append(b"\x21\xfe" + b"".join(bytes([len(each)]) + each for each in cut) + b"\0")
    return plain[:at] + b"".join(blocks) + plain[at:]


_FLOOD = b"\x21\xfe\x01a\0" * (MAX_COMMENTS + 1)


def _behind(*parts: bytes) -> bytes:
    """Return a GIF with more behind its only image."""
    return b"".join([_saved("GIF").removesuffix(b";"), *parts, b";"])


def _before(*parts: bytes) -> bytes:
    """Return a GIF with more before its image."""
    plain = _gif(b"here")
    at = plain.index(b"\x21\xfe\x04here\0")
    return b"".join([plain[:at], *parts, plain[at:]])


def _tiff(order: str, entries: list[tuple[int, int, int, int]], *, big: bool, size: int) -> bytes:
    """Return a TIFF of entries (tag, type, values, value or offset), as many bytes long as told."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(f"{order}HHHQQ", 43, 8, 0, 16, len(entries))
        body = b"".join(struct.pack(f"{order}HHQQ", *entry) for entry in entries)
    else:
        head = mark + struct.pack(f"{order}HIH", 42, 8, len(entries))
        body = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return (head + body).ljust(size, b"\0")


@pytest.mark.parametrize(
    ("data", "form", "found"),
    [
        (_gif(b"a" * (MAX_COMMENT_BYTES + 1)), "GIF", "bytes of comments"),
        (_gif(*[b"a"] * (MAX_COMMENTS + 1)), "GIF", "1,000 comments"),
        (_behind(_FLOOD), "GIF", "comments"),
        (_behind(b"\x21\xfe", b"\x01a" * MAX_COMMENT_BYTES, b"\0"), "GIF", "bytes of comments"),
        # Behind an empty block Pillow reads on, through one of 44 bytes that is no image.
        (_before(b"\x21\x01\0", b",".ljust(45), b"\0", _FLOOD), "GIF", "comments"),
        (
            _before(b"\x21\xff\x0bNETSCAPE2.0\0", b";".ljust(60), b"\0", _FLOOD),
            "GIF",
            "comments",
        ),
        (b"P3\n2 1\n255\n" + b"#a\n" * (MAX_COMMENTS + 1) + b"1 2 3 4 5 6\n", "PNM", "comments"),
    ],
    ids=[
        "a long comment of a GIF",
        "comments of a GIF",
        "comments behind the image of a GIF",
        "a long comment behind the image of a GIF",
        "comments behind what seems to be the image of a GIF",
        "comments behind what seems to be the end of a GIF",
        "comments of a PNM",
    ],
)
def test_a_flood_of_comments_is_refused(data: bytes, form: str, found: str) -> None:
    with pytest.raises(BadImage, match="far too much beside its pixels") as caught:
        PillowEngine().process(data, _SPEC)
    assert found in (caught.value.expected or "")
    with pytest.raises(BadImage):
        check_foreign(memoryview(data), form)


@pytest.mark.parametrize(
    "data",
    [
        _gif(b"a" * 1000, b"", b"b"),
        _behind(b"\x21\xfe\x01a\0", b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"),
        b"P3\n2 1\n255\n" + b"#a\n" * 100 + b"1 2 3 4 5 6\n",
        *(_saved(form) for form in ("GIF", "PPM", "TIFF", "BMP")),
    ],
)
def test_usual_images_are_taken(data: bytes) -> None:
    assert PillowEngine().process(data, _SPEC).height in {1, 8}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_whose_values_share_their_bytes_is_refused(order: str, *, big: bool) -> None:
    shared = [(tag, _BYTE, 1 << 20, 1 << 16) for tag in range(1000, 1003)]
    data = _tiff(order, shared, big=big, size=(2 << 20) + (1 << 16))
    with pytest.raises(BadImage, match="far too much") as caught:
        check_foreign(data, "TIFF")
    assert caught.value.found == f"{3 << 20:,}"
    check_foreign(_tiff(order, shared[:2], big=big, size=2 << 20), "TIFF")


def test_a_tile_of_a_tiff_has_no_more_pixels_than_an_image_may_have() -> None:
    tiles = [(322, _LONG, 1, 1 << 15), (323, _LONG, 1, 1 << 14)]
    with pytest.raises(BadImage, match="image too large"):
        check_foreign(_tiff("<", tiles, big=False, size=400), "TIFF")
    check_foreign(_tiff("<", tiles, big=False, size=400), "TIFF", 1 << 29)


@pytest.mark.parametrize("end", range(0, 30, 3))
def test_one_that_is_cut_off_is_left_to_its_decoder(end: int) -> None:
    for form in ("GIF", "TIFF"):
        check_foreign(_saved(form)[:end], form)
