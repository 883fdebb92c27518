"""What a file says of its image without being decoded: all of its header, and whether it ends."""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.errors import BadImage
from pipeline.images.header import ImageHeader, read_header
from pipeline.images.orientation import read_orientation
from pipeline.images.peculiarity import READ, peculiarity
from pipeline.images.scancount import MAX_SCANNED_PIXELS, MAX_SCANS
from pipeline.images.segments import EOI, SOS, Segments, head_segments, jpeg_scans, png_chunks
from pipeline.storage import Buffer

_JPEG: Final = b"\xff"  # its first byte
_APP2: Final = 0xE2
_CRC_BYTES: Final = 4
_SEVERAL: Final = b"MPF\0"  # CIPA DC-007: more images follow in the file
_REMEDY: Final = (
    "convert it by the program that wrote it, or leave the image out with --on-bad-image skip"
)


class Inspection(NamedTuple):
    """What a JPEG or PNG says of itself; a tuple, because one is made of every image.

    Attributes:
        header: format, size, mode.
        orientation: that of EXIF, 1 to 8.
        peculiarity: of a JPEG, see `peculiarity`; else nothing.
        segments: of a JPEG, up to its first scan; else none.
    """

    header: ImageHeader
    orientation: int
    peculiarity: str
    segments: Segments

    @property
    def decodable(self) -> bool:
        """Whether its process is one that decoders know."""
        return self.peculiarity in READ

    @property
    def notes(self) -> tuple[str, ...]:
        """What is peculiar, as notes."""
        return (self.peculiarity,) if self.peculiarity else ()

    def check_decodable(self) -> None:
        """Refuse a JPEG that no decoder reads.

        Raises:
            BadImage: it is `peculiarity` that keeps them from it.
        """
        if not self.decodable:
            raise BadImage(
                "a JPEG that no common decoder reads",
                expected="8 bits a sample; a baseline, extended or progressive process; its tables"
                f" and a scan; at most 65,500 pixels on a side; at most {MAX_SCANS} scans, and"
                f" {MAX_SCANNED_PIXELS:,} pixels in all of them",
                found=self.peculiarity,
                remedy=_REMEDY,
            )


def inspect(data: Buffer) -> Inspection:
    """Inspect a JPEG or PNG.

    Raises:
        BadImage: it is neither, or its header is damaged or cut off.
    """
    if data[:1] != _JPEG:
        header = read_header(data)
        return Inspection(header, read_orientation(data, header.format), "", [])
    segments = head_segments(data)
    header = read_header(data, segments)
    orientation = read_orientation(data, header.format, segments)
    return Inspection(header, orientation, peculiarity(data, segments), segments)


def is_cut_short(data: Buffer, of: Inspection) -> bool:
    """Whether a file ends before its image does.

    A JPEG whose last two bytes are its end marker is not looked through, unless it says that it
    holds more images, to one of which they may belong.
    """
    if of.header.format == "PNG":
        ends = (chunk.end for chunk in png_chunks(data) if chunk.name == b"IEND")
        return next(ends, len(data)) + _CRC_BYTES > len(data)
    if data[-2:] == EOI and not _holds_more(data, of.segments):
        return False
    code, at = of.segments[-1]
    return code != SOS or not jpeg_scans(data, at).whole


def _holds_more(data: Buffer, segments: Segments) -> bool:
    for code, at in segments:  # noqa: SIM110 - a generator takes three times as long
        if code == _APP2 and data[at + 4 : at + 8] == _SEVERAL:
            return True
    return False
