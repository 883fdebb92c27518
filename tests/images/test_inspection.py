"""What is seen of a JPEG without decoding it, held against what Pillow's libjpeg makes of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest
from drawn_images import KINDS, drawn, saved
from PIL import Image, JpegImagePlugin

from pipeline.errors import BadImage
from pipeline.images.engine import engine
from pipeline.images.inspection import inspect, is_cut_short
from pipeline.images.spec import EncodeSpec
from pipeline.sample.shapes import Encoding

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
DHT, DQT, SOF0, SOF2 = 0xC4, 0xDB, 0xC0, 0xC2
IMAGE = Image.new("RGB", (40, 24), (90, 140, 40))
PLAIN = saved(IMAGE, "JPEG")
PROGRESSIVE = saved(IMAGE, "JPEG", progressive=True)


def segment(code: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def without(data: bytes, code: int, keep: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Leave out the segments of a code before the first scan, but those to keep."""
    parts, at = [data[:2]], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] != code or keep(data[at + 4 : end]):
            parts.append(data[at:end])
        at = end
    return b"".join([*parts, data[at:]])


def merged(data: bytes, code: int) -> bytes:
    """Lay all segments of a code into one, before the first scan."""
    contents, at = [], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == code:
            contents.append(data[at + 4 : end])
        at = end
    return SOI + segment(code, b"".join(contents)) + without(data, code)[2:]


def with_frame(data: bytes, code: int, *, bits: int = 8, width: int | None = None) -> bytes:
    at = next(
        data.index(bytes([0xFF, each])) for each in (SOF0, SOF2) if bytes([0xFF, each]) in data
    )
    size = data[at + 7 : at + 9] if width is None else struct.pack(">H", width)
    head = bytes([0xFF, code]) + data[at + 2 : at + 4] + bytes([bits])
    return data[:at] + head + data[at + 5 : at + 7] + size + data[at + 9 :]


def decodes(data: bytes) -> bool:
    try:
        JpegImagePlugin.JpegImageFile(io.BytesIO(data)).load()
    except (OSError, SyntaxError):
        return False
    return True


UNREAD = {
    "12-bit": with_frame(PLAIN, 0xC1, bits=12),
    "16-bit": with_frame(PLAIN, SOF0, bits=16),
    "lossless": with_frame(PLAIN, 0xC3),
    "lossless of 12 bits": with_frame(PLAIN, 0xC3, bits=12),
    "lossless, arithmetic": with_frame(PLAIN, 0xCB),
    "hierarchical": with_frame(PLAIN, 0xC5),
    "hierarchical, announced": SOI + segment(0xDE, b"\0") + PLAIN[2:],
    "reserved-marker": SOI + segment(0xF0, b"\0") + PLAIN[2:],
    "side-over-65500": with_frame(PLAIN, SOF0, width=65_501),
    "no-quantisation-table": without(PLAIN, DQT),
    "no-quantisation-table of chroma": without(PLAIN, DQT, lambda each: each[0] == 0),
    "no-huffman-table": without(PROGRESSIVE, DHT),
    "no-scan": PLAIN[: PLAIN.index(b"\xff\xda")] + EOI,
    "no-scan, but its first byte": PLAIN[: PLAIN.index(b"\xff\xda") + 5],
}
READ = {
    "plain": (PLAIN, ""),
    "progressive": (PROGRESSIVE, ""),
    "extended": (with_frame(PLAIN, 0xC1), ""),
    "as wide as can be": (with_frame(PLAIN, SOF0, width=65_500), ""),
    "tables in one segment": (merged(merged(PLAIN, DHT), DQT), ""),
    "without Huffman tables": (without(PLAIN, DHT), "standard-huffman-tables"),
    "without those of chroma": (
        without(PLAIN, DHT, lambda each: each[0] & 0xF == 0),
        "standard-huffman-tables",
    ),
    "arithmetic": (with_frame(PLAIN, 0xC9), "arithmetic-coded"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_peculiar_about_usual_images(kind: Encoding) -> None:
    seen = inspect(memoryview(drawn(kind).encoded))
    assert (seen.peculiarity, seen.decodable, seen.notes) == ("", True, ())


@pytest.mark.parametrize(("name", "data"), UNREAD.items(), ids=list(UNREAD))
def test_a_jpeg_that_no_decoder_reads_is_known_by_its_header(name: str, data: bytes) -> None:
    seen = inspect(data)
    assert seen.peculiarity == name.partition(",")[0].partition(" of ")[0]
    assert not seen.decodable
    assert not decodes(data)
    with pytest.raises(BadImage, match="no common decoder reads") as caught:
        engine("pillow").process(data, EncodeSpec())
    assert caught.value.found == seen.peculiarity


@pytest.mark.parametrize(("data", "what"), READ.values(), ids=list(READ))
def test_one_that_decoders_read_is_not_refused(data: bytes, what: str) -> None:
    seen = inspect(data)
    assert (seen.peculiarity, seen.decodable) == (what, True)


def test_a_progressive_image_needs_only_what_its_first_scan_needs() -> None:
    first = without(PROGRESSIVE, DHT, lambda each: each[0] < 0x10)
    assert inspect(first).peculiarity == ""


WHOLE = {
    "end": b"",
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
    "video": b"\0\0\0\x18ftypmp42" + bytes(range(250)) * 400,
    "another image": PLAIN,
}


@pytest.mark.parametrize("more", WHOLE.values(), ids=list(WHOLE))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_what_follows_the_end_does_not_make_an_image_cut_short(form: str, more: bytes) -> None:
    data = saved(IMAGE, form) + more
    assert not is_cut_short(data, inspect(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("lost", [1, 2, 13, 60])
def test_a_file_without_its_end_is_cut_short(form: str, lost: int) -> None:
    data = saved(IMAGE, form)[:-lost]
    assert is_cut_short(data, inspect(data))


def test_the_end_of_another_image_in_the_file_is_not_the_first_one_s_own() -> None:
    several = SOI + segment(0xE2, b"MPF\0II*\0") + PLAIN[2:]
    cut = several[:-4] + PLAIN
    assert cut.endswith(EOI)
    assert is_cut_short(cut, inspect(cut))
    assert not is_cut_short(several + PLAIN, inspect(several + PLAIN))


def test_the_end_of_a_thumbnail_is_not_the_image_s_own() -> None:
    thumbnail = segment(0xE1, b"Exif\0\0" + PLAIN)
    cut = SOI + thumbnail + PLAIN[2:-4]
    assert is_cut_short(cut, inspect(cut))
