"""The chunks of a PNG that its pixels need, and no others.

What is beside the pixels (profiles, texts, animation) is left behind when an image is encoded
anew; too large or damaged, it would keep a decoder from them all the same. TensorFlow and OpenCV,
whose libpng passes such chunks over, read these images. Source: ISO/IEC 15948 clauses 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final

from pipeline.errors import BadImage
from pipeline.images.segments import Part, png_chunks
from pipeline.storage import Buffer

REMEDY: Final = "get an intact copy of the file, or leave the image out with --on-bad-image skip"

_SIGNATURE_BYTES, _HEAD_BYTES, _CRC_BYTES = 8, 8, 4
_ANCILLARY: Final = 0x20  # the bit of a name's first letter
_TRANSPARENCY, _DATA, _END = b"tRNS", b"IDAT", b"IEND"
_STEP: Final = 1 << 20  # bytes


def pixel_chunks(data: Buffer) -> tuple[Buffer, bool]:
    """Return a PNG without the chunks that its pixels do not need.

    Transparency is needed, unless it is damaged: libpng passes it over then.

    Returns:
        The PNG, `data` itself where nothing is left out; and whether its last chunk (``IEND``),
        or the end of the one before, had to be put there, though no pixel was missing.

    Raises:
        BadImage: a chunk that decoders cannot do without is damaged, or pixels are missing.
    """
    kept: list[Part] = []
    whole = cut = False
    count = 0
    for chunk in png_chunks(data):
        count += 1
        length = int.from_bytes(data[chunk.start - _HEAD_BYTES : chunk.start - 4])
        cut = chunk.end + _CRC_BYTES > len(data) or chunk.end - chunk.start < length
        name = chunk.name
        if not _is_needed(name):
            continue
        if not cut and not _is_intact(data, chunk):
            if name == _TRANSPARENCY:
                continue
            raise _damaged(data, chunk)
        kept.append(chunk)
        whole = name == _END and not cut
    if whole:
        if len(kept) == count:
            return data, False
        return b"".join([data[:_SIGNATURE_BYTES], *(_bytes(data, chunk) for chunk in kept)]), False
    return _ended(data, [chunk for chunk in kept if chunk.name != _END]), True


def _is_needed(name: int | bytes) -> bool:
    return name == _TRANSPARENCY or not (isinstance(name, bytes) and name[0] & _ANCILLARY)


def _is_intact(data: Buffer, chunk: Part) -> bool:
    crc = int.from_bytes(data[chunk.end : chunk.end + _CRC_BYTES])
    return zlib.crc32(data[chunk.start - 4 : chunk.end]) == crc


def _bytes(data: Buffer, chunk: Part) -> Buffer:
    return data[chunk.start - _HEAD_BYTES : chunk.end + _CRC_BYTES]


def _ended(data: Buffer, kept: list[Part]) -> bytes:
    """Return the chunks with an end, if the compressed pixels come to theirs."""
    if not _inflates(data[chunk.start : chunk.end] for chunk in kept if chunk.name == _DATA):
        raise BadImage(
            "PNG cannot be decoded",
            place=f"byte {len(data)}",
            expected="all of its pixels, and the chunk IEND",
            found="the end of the file before the end of the image",
            remedy=REMEDY,
        )
    parts = [(chunk.name, bytes(data[chunk.start : chunk.end])) for chunk in kept]
    return bytes(data[:_SIGNATURE_BYTES]) + b"".join(
        chunk(name, content) for name, content in (*parts, (_END, b"")) if isinstance(name, bytes)
    )


def _inflates(pieces: Iterable[Buffer]) -> bool:
    """Whether pieces are a zlib stream that goes on to its end."""
    stream = zlib.decompressobj()
    try:
        for piece in pieces:
            rest: Buffer = piece
            while rest and not stream.eof:
                stream.decompress(rest, _STEP)
                rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk as it stands in a file: its length, name, content and CRC-32."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _damaged(data: Buffer, chunk: Part) -> BadImage:
    crc = int.from_bytes(data[chunk.end : chunk.end + _CRC_BYTES])
    name = chunk.name.decode("latin-1") if isinstance(chunk.name, bytes) else str(chunk.name)
    return BadImage(
        f"PNG cannot be decoded: its chunk {name} is damaged",
        place=f"byte {chunk.start - _HEAD_BYTES}",
        expected=f"CRC-32 {crc:08x}",
        found=f"{zlib.crc32(data[chunk.start - 4 : chunk.end]):08x}",
        remedy=REMEDY,
    )
