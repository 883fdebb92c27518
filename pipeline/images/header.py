"""What the first bytes of an image say: format, size, colour mode.

Only bytes are believed, never a file's name. The JPEG walk follows ITU-T T.81 annex B and is as
forgiving as libjpeg's: fill bytes, and junk between two segments, are passed over. The PNG header
is the IHDR chunk of ISO/IEC 15948.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from pipeline.errors import BadImage
from pipeline.images.segments import Segments, head_segments
from pipeline.storage import Buffer

_JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PREFIX, _LENGTH_BYTES = 0xFF, 2
_SOI, _EOI, _SOS, _APP14 = 0xD8, 0xD9, 0xDA, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # less DHT, JPG and DAC
_FRAME_OR_SCAN = _FRAMES | {_SOS}
_ADOBE_OR_SCAN = frozenset({_APP14, _SOS})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM, RST0 to RST7
_NO_LENGTH = _STANDALONE | {0x00, _SOI, _EOI, _PREFIX}

_NEXT_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_SEGMENT = struct.Struct(">BBH")  # 0xFF, code, length with its own two bytes
_FRAME = struct.Struct(">HBHHB")  # length, bits per sample, height, width, components
_FRAME_BYTES = 8
_COMPONENT_BYTES = 3
_GRAY, _YCBCR, _FOUR_INKS = 1, 3, 4
_ADOBE = struct.Struct(">5s6xB")  # the name, version and flags, colour transform
_ADOBE_YCCK = 2

_IHDR = struct.Struct(">I4sIIBBBBBI")
_IHDR_BYTES = 13
_PNG_MAX_SIZE = (1 << 31) - 1
_PNG_MODES = {  # (colour type, bits per sample) -> mode
    **{(0, bits): "L" for bits in (1, 2, 4, 8)},
    (0, 16): "I;16",
    (2, 8): "RGB",
    (2, 16): "RGB;16",
    **{(3, bits): "P" for bits in (1, 2, 4, 8)},
    (4, 8): "LA",
    (4, 16): "LA;16",
    (6, 8): "RGBA",
    (6, 16): "RGBA;16",
}

_OTHER_FORMATS = (
    (re.compile(rb"\Z"), "empty"),
    (re.compile(rb"\0+\Z"), "zero bytes"),
    (re.compile(rb"GIF8"), "GIF image"),
    (re.compile(rb"BM"), "BMP image"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF image"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP image"),
    (re.compile(rb"....ftyp", re.DOTALL), "HEIC, AVIF or MP4 file"),
    (re.compile(rb"\0\0\0\x0cjP  "), "JPEG 2000 image"),
    (re.compile(rb"\x1f\x8b"), "gzip data"),
    (re.compile(rb"BZh"), "bzip2 data"),
    (re.compile(rb"\xfd7zXZ\0"), "xz data"),
    (re.compile(rb"PK\x03\x04"), "ZIP archive"),
    (re.compile(rb"%PDF"), "PDF document"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype )?html", re.IGNORECASE), "HTML page"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<[?!a-z]", re.IGNORECASE), "XML or HTML text"),
)
LOOK_AT = 256
"""How many first bytes of a file tell what it is."""
JPEG, PNG = "JPEG", "PNG"
"""What `kind_of_data` calls the images that may be stored as they are."""
_FIRST_BYTES = 8
_REMEDY = "get an intact copy of the file, or leave the image out with --on-bad-image skip"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format, size and colour mode of an image.

    Attributes:
        format: ``JPEG`` or ``PNG``.
        width: pixels, at least 1.
        height: pixels, at least 1.
        mode: for a JPEG ``L`` (one component), ``RGB`` (three: YCbCr or RGB), ``CMYK`` or
            ``YCCK`` (four). For a PNG ``L`` (gray of 1 to 8 bits), ``LA``, ``RGB``, ``RGBA``,
            ``P`` (palette); with 16 bits a sample ``I;16`` (gray), ``LA;16``, ``RGB;16``,
            ``RGBA;16``.
    """

    format: str
    width: int
    height: int
    mode: str


def kind_of_data(start: Buffer) -> str:
    """Return what data are that begin so: `JPEG`, `PNG`, or in words, such as ``GIF image``.

    Args:
        start: the first `LOOK_AT` bytes, or all of a shorter file.
    """
    if start[:3] == _JPEG_SIGNATURE:
        return JPEG
    if start[:8] == _PNG_SIGNATURE:
        return PNG
    head = bytes(start[:LOOK_AT])
    return next((name for opening, name in _OTHER_FORMATS if opening.match(head)), "other data")


def read_header(data: Buffer, segments: Segments | None = None) -> ImageHeader:
    """Read the header of a whole image that is in memory; nothing is copied or decoded.

    Args:
        data: the file's bytes; a memoryview must be contiguous, of format ``B``.
        segments: of a JPEG, if they are known: what `head_segments` returned.

    Raises:
        BadImage: it is neither JPEG nor PNG, or its header is damaged or cut off.
    """
    if data[:3] == _JPEG_SIGNATURE:
        return _read_jpeg(data, head_segments(data) if segments is None else segments)
    if data[:8] == _PNG_SIGNATURE:
        return _read_png(data)
    raise _bad(
        "not an image in a known format",
        0,
        expected="a JPEG (ff d8 ff) or a PNG (89 50 4e 47)",
        found=_describe(bytes(data[:LOOK_AT])),
    )


def _read_jpeg(data: Buffer, segments: Segments) -> ImageHeader:
    for code, at in segments:  # noqa: B007 - `at` is used behind the loop
        if code in _FRAMES:
            break
    else:
        at = _missing_frame(data)
    try:
        length, _, height, width, components = _FRAME.unpack_from(data, at + 2)
    except struct.error:
        raise _cut_off("JPEG", data, "a frame header of 8 bytes and more") from None
    if length != _FRAME_BYTES + _COMPONENT_BYTES * components:
        raise _bad(
            "JPEG frame header of a wrong length",
            at,
            f"{_FRAME_BYTES + _COMPONENT_BYTES * components} bytes for {components} components",
            f"{length} bytes",
        )
    if not (width and height):
        raise _bad("JPEG of no size", at + 5, "at least 1 x 1 pixels", f"{width} x {height}")
    return ImageHeader("JPEG", width, height, _jpeg_mode(data, components, at))


def _missing_frame(data: Buffer) -> int:
    """Raise what stands where a frame header should be."""
    code, at = _find_segment(data, 2, _FRAME_OR_SCAN)
    if code == _SOS:
        raise _bad("JPEG without a frame header", at, "SOF before SOS", "SOS (ff da)")
    return at


def _jpeg_mode(data: Buffer, components: int, at: int) -> str:
    if components == _YCBCR:
        return "RGB"
    if components == _GRAY:
        return "L"
    if components == _FOUR_INKS:
        return "YCCK" if _adobe_transform(data) == _ADOBE_YCCK else "CMYK"
    raise _bad("JPEG of an unknown colour model", at + 9, "1, 3 or 4 components", str(components))


def _adobe_transform(data: Buffer) -> int | None:
    code, at = _find_segment(data, 2, _ADOBE_OR_SCAN)
    while code == _APP14:
        _, _, length = _SEGMENT.unpack_from(data, at)
        if length >= _LENGTH_BYTES + _ADOBE.size and at + 4 + _ADOBE.size <= len(data):
            name, transform = _ADOBE.unpack_from(data, at + 4)
            if name == b"Adobe":
                return int(transform)
        code, at = _find_segment(data, at + 2 + length, _ADOBE_OR_SCAN)
    return None


def _find_segment(data: Buffer, at: int, wanted: frozenset[int]) -> tuple[int, int]:
    """Return code and offset of the first wanted marker at `at` or after it, segment by segment."""
    read = _SEGMENT.unpack_from
    try:
        while True:
            prefix, code, length = read(data, at)
            if prefix != _PREFIX or code in _NO_LENGTH:
                at = _pass_over(data, at)
            elif code in wanted:
                return code, at
            elif length < _LENGTH_BYTES:
                raise _bad("JPEG segment of a wrong length", at + 2, "2 bytes or more", str(length))
            else:
                at += 2 + length
    except struct.error:
        raise _cut_off("JPEG", data, "a frame header (SOF) and a scan (SOS)") from None


def _pass_over(data: Buffer, at: int) -> int:
    code = data[at + 1] if data[at] == _PREFIX else None
    if code in _STANDALONE:
        return at + 2
    if code in {_SOI, _EOI}:
        raise _bad("JPEG without a frame header", at, "SOF", "SOI" if code == _SOI else "EOI")
    marker = _NEXT_MARKER.search(data, at)
    return marker.start() if marker else len(data)


def _read_png(data: Buffer) -> ImageHeader:
    try:
        fields = _IHDR.unpack_from(data, len(_PNG_SIGNATURE))
    except struct.error:
        raise _cut_off("PNG", data, "an IHDR chunk of 25 bytes") from None
    length, name, width, height, bits, colour, compression, row_filter, interlace, crc = fields
    if (length, name) != (_IHDR_BYTES, b"IHDR"):
        raise _bad("PNG without a header chunk", 8, "IHDR of 13 bytes", f"{name!r} of {length}")
    if zlib.crc32(data[12:29]) != crc:
        raise _bad("PNG header chunk is damaged", 29, f"CRC-32 {crc:08x}", "another content")
    if not (0 < width <= _PNG_MAX_SIZE and 0 < height <= _PNG_MAX_SIZE):
        raise _bad("PNG of an impossible size", 16, "1 to 2^31-1 pixels", f"{width} x {height}")
    mode = _PNG_MODES.get((colour, bits))
    if mode is None or compression or row_filter or interlace > 1:
        raise _bad(
            "PNG of an unknown kind",
            24,
            "a colour type, depth and coding of ISO/IEC 15948",
            bytes(data[24:29]).hex(" "),
        )
    return ImageHeader("PNG", width, height, mode)


def _bad(what: str, at: int, expected: str, found: str) -> BadImage:
    return BadImage(what, place=f"byte {at}", expected=expected, found=found, remedy=_REMEDY)


def _cut_off(kind: str, data: Buffer, expected: str) -> BadImage:
    return _bad(f"{kind} header is cut off", len(data), expected, "the end of the file")


def _describe(start: bytes) -> str:
    for opening, name in _OTHER_FORMATS:
        if opening.match(start):
            return name
    return f"bytes {start[:_FIRST_BYTES].hex(' ')}"
