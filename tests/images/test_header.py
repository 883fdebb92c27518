from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import RawSet

from pipeline.errors import BadImage
from pipeline.images.header import ImageHeader, kind_of_data, read_header

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"
SOS = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def segment(code: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def frame(width: int = 64, height: int = 48, components: int = 3, code: int = 0xC0) -> bytes:
    parts = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    return segment(code, struct.pack(">BHHB", 8, height, width, components) + parts)


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def png(
    width: int = 64, height: int = 48, bits: int = 8, colour: int = 2, tail: str = "000000"
) -> bytes:
    ihdr = b"IHDR" + struct.pack(">IIBB", width, height, bits, colour) + bytes.fromhex(tail)
    length = struct.pack(">I", len(ihdr) - 4)
    return b"\x89PNG\r\n\x1a\n" + length + ihdr + struct.pack(">I", zlib.crc32(ihdr))


def refusal(data: bytes) -> BadImage:
    with pytest.raises(BadImage) as caught:
        read_header(data)
    return caught.value


def real_images(raw: Path) -> list[tuple[str, bytes]]:
    found = []
    with tarfile.open(raw / "ILSVRC2012_img_train.tar") as outer:
        for member in outer:
            stream = outer.extractfile(member)
            assert stream is not None
            with tarfile.open(fileobj=stream) as inner:
                for image in inner:
                    content = inner.extractfile(image)
                    assert content is not None
                    found.append((image.name, content.read()))
    return found


@pytest.mark.parametrize("code", sorted(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}))
def test_every_kind_of_frame_gives_the_size(code: int) -> None:
    data = SOI + JFIF + frame(500, 375, code=code) + SOS
    assert read_header(data) == ImageHeader("JPEG", 500, 375, "RGB")


@pytest.mark.parametrize("code", [0xC4, 0xC8, 0xCC])
def test_segments_numbered_among_the_frames_are_not_taken_for_one(code: int) -> None:
    data = SOI + segment(code, frame(1, 2)[4:]) + frame(500, 375) + SOS
    assert read_header(data) == ImageHeader("JPEG", 500, 375, "RGB")


def test_one_component_is_gray() -> None:
    assert read_header(SOI + JFIF + frame(components=1)).mode == "L"


FOUR_COMPONENTS = {
    "no marker": (frame(components=4) + SOS, "CMYK"),
    "transform 0": (adobe(0) + frame(components=4) + SOS, "CMYK"),
    "transform 2": (adobe(2) + frame(components=4) + SOS, "YCCK"),
    "marker after the frame": (frame(components=4) + adobe(2) + SOS, "YCCK"),
    "another APP14": (
        segment(0xEE, b"Other" + bytes(6) + b"\x02") + frame(components=4) + SOS,
        "CMYK",
    ),
    "marker too short": (segment(0xEE, b"Adobe\x02") + frame(components=4) + SOS, "CMYK"),
    "second marker whole": (
        segment(0xEE, b"Adobe\x02") + adobe(2) + frame(components=4) + SOS,
        "YCCK",
    ),
    "three components": (adobe(2) + frame(components=3), "RGB"),
}


@pytest.mark.parametrize(("segments", "mode"), FOUR_COMPONENTS.values(), ids=list(FOUR_COMPONENTS))
def test_adobes_marker_tells_ycck_from_cmyk(segments: bytes, mode: str) -> None:
    assert read_header(SOI + JFIF + segments).mode == mode


BEFORE_THE_FRAME = {
    "nothing": b"",
    "fill bytes": b"\xff\xff\xff",
    "standalone markers": b"\xff\x01\xff\xd0\xff\xd7",
    "junk": b"junk",
    "stuffed zeros": b"\x00\xff\x00\xff\x00",
    "a comment": segment(0xFE, b"a comment"),
    "thumbnails": segment(0xE1, b"Exif\0\0" + SOI + frame(160, 120) + SOS + EOI) * 2,
    "192 KiB of colour profile": segment(0xE2, bytes(65533)) * 3,
    "an empty segment": segment(0xE5, b""),
}


@pytest.mark.parametrize("between", BEFORE_THE_FRAME.values(), ids=list(BEFORE_THE_FRAME))
def test_what_stands_before_the_frame_is_passed_over(between: bytes) -> None:
    data = SOI + JFIF + between + frame(500, 375) + SOS
    assert read_header(data) == ImageHeader("JPEG", 500, 375, "RGB")


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(form: type[bytes | bytearray | memoryview]) -> None:
    jpeg = SOI + b"\xff\xe0\x00\x04abjunk" + frame() + SOS
    assert read_header(form(jpeg)) == ImageHeader("JPEG", 64, 48, "RGB")
    assert read_header(form(png())) == ImageHeader("PNG", 64, 48, "RGB")


DAMAGED_JPEGS = {
    "scan first": (SOI + JFIF + SOS, "without a frame header", 20),
    "end first": (SOI + JFIF + EOI + frame(), "without a frame header", 20),
    "second start": (SOI + JFIF + SOI + JFIF + frame(), "without a frame header", 20),
    "length of 1": (SOI + JFIF + b"\xff\xe1\x00\x01" + frame(), "segment of a wrong length", 22),
    "2 components": (SOI + JFIF + frame(components=2), "unknown colour model", 29),
    "0 components": (SOI + JFIF + frame(components=0), "unknown colour model", 29),
    "no width": (SOI + JFIF + frame(width=0), "no size", 25),
    "no height": (SOI + JFIF + frame(height=0), "no size", 25),
    "frame too long": (
        SOI + JFIF + b"\xff\xc0\x00\x12" + frame()[4:],
        "frame header of a wrong length",
        20,
    ),
    "CMYK without a scan": (SOI + JFIF + frame(components=4), "cut off", 42),
    "fill bytes for ever": (SOI + b"\xff" * 100_000, "cut off", 100_002),
    "junk for ever": (SOI + JFIF + bytes(100_000), "cut off", 100_020),
    "restarts for ever": (SOI + b"\xff\xd0" * 100_000, "cut off", 200_002),
}


@pytest.mark.parametrize(("data", "what", "at"), DAMAGED_JPEGS.values(), ids=list(DAMAGED_JPEGS))
def test_a_damaged_jpeg_header_is_refused_with_its_place(data: bytes, what: str, at: int) -> None:
    error = refusal(data)
    assert what in error.what
    assert error.place == f"byte {at}"
    assert error.expected
    assert error.found
    assert error.remedy


WHOLE_HEADERS = {
    "JPEG": SOI + JFIF + adobe(0) + frame(),
    "JPEG with EXIF": SOI + segment(0xE1, bytes(300)) + frame(),
    "PNG": png(),
}


@pytest.mark.parametrize("whole", WHOLE_HEADERS.values(), ids=list(WHOLE_HEADERS))
def test_a_header_cut_off_anywhere_is_refused(whole: bytes) -> None:
    tail = 9 if whole.startswith(SOI) else 0  # the components' own bytes are not looked at
    read_header(whole)
    for end in range(len(whole) - tail):
        assert refusal(whole[:end]).place in {"byte 0", f"byte {end}"}


@pytest.mark.parametrize(
    ("bits", "colour", "mode"),
    [
        *((bits, 0, "L") for bits in (1, 2, 4, 8)),
        (16, 0, "I;16"),
        (8, 2, "RGB"),
        (16, 2, "RGB;16"),
        *((bits, 3, "P") for bits in (1, 2, 4, 8)),
        (8, 4, "LA"),
        (16, 4, "LA;16"),
        (8, 6, "RGBA"),
        (16, 6, "RGBA;16"),
    ],
)
def test_every_kind_of_png_is_known(bits: int, colour: int, mode: str) -> None:
    assert read_header(png(70000, 3, bits, colour)) == ImageHeader("PNG", 70000, 3, mode)


DAMAGED_PNGS = {
    "no width": (png(width=0), "impossible size"),
    "height of 2^31": (png(height=1 << 31), "impossible size"),
    "3 bits": (png(bits=3), "unknown kind"),
    "palette of 16 bits": (png(bits=16, colour=3), "unknown kind"),
    "colour type 7": (png(colour=7), "unknown kind"),
    "compression 1": (png(tail="010000"), "unknown kind"),
    "filter 1": (png(tail="000100"), "unknown kind"),
    "interlace 2": (png(tail="000002"), "unknown kind"),
    "a changed byte": (png()[:17] + b"\x01" + png()[18:], "damaged"),
    "another chunk first": (png().replace(b"IHDR", b"IDAT"), "without a header chunk"),
    "14 bytes": (png(tail="00000000"), "without a header chunk"),
}


@pytest.mark.parametrize(("data", "what"), DAMAGED_PNGS.values(), ids=list(DAMAGED_PNGS))
def test_a_damaged_png_header_is_refused(data: bytes, what: str) -> None:
    assert what in refusal(data).what


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty"),
        (bytes(40), "zero bytes"),
        (b"GIF89a\x01\x00", "GIF image"),
        (b"BM\x46\x00", "BMP image"),
        (b"II*\x00\x08\x00", "TIFF image"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "WebP image"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC, AVIF or MP4 file"),
        (b"\n <!DOCTYPE html><title>404</title>", "HTML page"),
        (b"\xef\xbb\xbf<html>", "HTML page"),
        (b"<?xml version='1.0'?><Error/>", "XML or HTML text"),
        (b"\x1f\x8b\x08\x00", "gzip data"),
        (b"PK\x03\x04\x14\x00", "ZIP archive"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "bytes 01 02 03 04 05 06 07 08"),
        (SOI + b"\x00\x10", "bytes ff d8 00 10"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, found: str) -> None:
    error = refusal(data)
    assert error.found == found
    assert error.place == "byte 0"


@given(
    st.sampled_from([SOI + JFIF, SOI + b"\xff", png()[:8], png()[:16], b""]),
    st.lists(
        st.binary(max_size=20)
        | st.sampled_from([frame(), frame(components=4), SOS, adobe(2), SOI, EOI, b"\xff", JFIF])
    ),
)
def test_any_bytes_are_read_or_refused(start: bytes, parts: list[bytes]) -> None:
    data = start + b"".join(parts)
    try:
        header = read_header(memoryview(data))
    except BadImage:
        refused_at = int(str(refusal(data).place).removeprefix("byte "))
        assert 0 <= refused_at <= len(data)
    else:
        assert header.width * header.height > 0


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_what_pillow_writes_is_read(mode: str, progressive: bool) -> None:
    output = io.BytesIO()
    exif = b"Exif\0\0" + bytes(5000)
    Image.new(mode, (123, 77)).save(output, "JPEG", progressive=progressive, exif=exif)
    assert read_header(output.getvalue()) == ImageHeader("JPEG", 123, 77, mode)


def test_real_photographs_are_as_pillow_sees_them(mini: RawSet) -> None:
    expected = json.loads((mini.raw / "EXPECTED.json").read_text())
    images = real_images(mini.raw)
    assert len(images) == expected["train_images"]
    for name, data in images:
        header = read_header(memoryview(data))
        with Image.open(io.BytesIO(data)) as image:
            assert (header.format, header.width, header.height) == (image.format, *image.size)
            assert header.mode == image.mode, name
    cmyk = [name for name, data in images if read_header(data).mode in {"CMYK", "YCCK"}]
    pngs = [name for name, data in images if read_header(data).format == "PNG"]
    assert (cmyk, pngs) == ([expected["cmyk_jpeg"]], [expected["png_named_jpeg"]])


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (SOI + JFIF, "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a", "GIF image"),
        (b"", "empty"),
        (bytes(300), "zero bytes"),
        (b"words", "other data"),
    ],
)
def test_first_bytes_say_what_data_are(start: bytes, kind: str) -> None:
    assert kind_of_data(start) == kind
