from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.orientation import read_orientation, tiff_orientation, with_orientation

ORIENTATIONS = range(1, 9)


def blank(form: str, **options: object) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (20, 12), (90, 140, 40)).save(output, form, **options)
    return output.getvalue()


def tiff(order: str, *entries: tuple[int, int, int, int]) -> bytes:
    """Exif data of one directory; an entry is tag, type, count and a 16-bit value."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    parts = b"".join(struct.pack(f"{order}HHIHH", *entry, 0) for entry in entries)
    return head + struct.pack(f"{order}IH", 8, len(entries)) + parts + bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_what_pillow_writes_is_read(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    data = blank(form, exif=exif.tobytes())
    assert read_orientation(data, form) == orientation
    assert read_orientation(memoryview(data), form) == orientation


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_what_is_written_pillow_reads(form: str, orientation: int) -> None:
    data = with_orientation(blank(form), form, orientation)
    assert read_orientation(data, form) == orientation
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.getexif() == {0x0112: orientation}


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    entries = ((0x010F, 3, 1, 5), (0x0112, 3, 1, 6), (0x0128, 3, 1, 2))
    assert tiff_orientation(tiff(order, *entries)) == 6


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"EXIF" + tiff("<", (0x0112, 3, 1, 6))[4:],
        tiff("<", (0x0112, 3, 1, 6))[:16],
        tiff("<", (0x0112, 3, 1, 0)),
        tiff("<", (0x0112, 3, 1, 9)),
        tiff("<", (0x0112, 5, 1, 6)),
        tiff("<", (0x0112, 3, 3, 6)),
        tiff("<", (0x0112, 4, 2, 6)),
        tiff("<", (0x010F, 3, 1, 6)),
        b"II*\0" + struct.pack("<I", 0xFFFFFFFF),
        b"MM\0*" + struct.pack(">IH", 8, 0xFFFF),
    ],
)
def test_exif_that_states_no_orientation_means_upright(data: bytes) -> None:
    assert tiff_orientation(data) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["1B", "3H", "4I", "6b", "8h", "9i"])
def test_an_orientation_may_be_an_integer_of_any_type(order: str, kind: str) -> None:
    value = struct.pack(order + kind[1], 6).ljust(4, b"\0")
    entry = struct.pack(f"{order}HHI", 0x0112, int(kind[0]), 1) + value
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, 1)
    assert tiff_orientation(head + entry + bytes(4)) == 6
    # OpenCV reads two bytes, whatever the type is.
    readable = order == "<" or kind in {"3H", "8h"}
    assert tiff_orientation(head + entry + bytes(4), as_opencv=True) == (6 if readable else 1)


def test_an_image_without_exif_is_upright() -> None:
    assert read_orientation(blank("JPEG"), "JPEG") == 1
    assert read_orientation(blank("PNG"), "PNG") == 1


def test_an_app1_segment_of_something_else_is_passed_over() -> None:
    data = blank("JPEG")
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    part = struct.pack(">BBH", 0xFF, 0xE1, len(xmp) + 2) + xmp
    assert read_orientation(data[:2] + part + with_orientation(data, "JPEG", 8)[2:], "JPEG") == 8


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_any_bytes_give_one_of_the_eight(data: bytes, start: bytes) -> None:
    assert tiff_orientation(start + data) in ORIENTATIONS
