"""What ends an ArrayRecord file: where each record's chunk begins, and where that is said.

The footer is a chunk of records: first, what there is in all; then for each chunk of records a
message of three numbers. Behind it the last block of the file, 64 KiB, begins with a chunk of three
equal messages, the postscript: where the footer begins, and a magic number. Chunks of padding fill
the blocks.

Source: google/array_record, cpp/layout.proto and cpp/array_record_writer.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.formats.arrayrecord import chunks
from pipeline.formats.examples.wire import encode_varint

_MAGIC: Final = 0x71930E704FDAE05E
_COPIES: Final = 3
_VERSION: Final = 1
_FIRST, _SECOND, _THIRD = b"\x08", b"\x10", b"\x18"  # tags of fields that are numbers
_MESSAGE, _TEXT = b"\x0a", b"\x22"  # tags of fields 1 and 4 that have a length


def entry(offset: int, size: int) -> bytes:
    """Return what the footer says of a chunk of one record.

    Args:
        offset: where the chunk begins.
        size: bytes of the record.
    """
    return _FIRST + encode_varint(offset) + _SECOND + encode_varint(size) + _THIRD + b"\x01"


def footer_offset(postscript: chunks.Chunk) -> int:
    """Return where the footer begins.

    Raises:
        ValueError: it is no postscript.
    """
    said = [bytes(each) for each in chunks.records(postscript)]
    offset, _ = chunks.read_varint(memoryview(said[0]), 1) if said else (0, 0)
    expected = _FIRST + encode_varint(offset) + _SECOND + encode_varint(_MAGIC)
    if said != [expected] * _COPIES:
        raise ValueError("no postscript of an ArrayRecord file")
    return offset


def check_footer(footer: chunks.Chunk, entries: Sequence[bytes]) -> None:
    """Check that a footer says of the file what is in it.

    Args:
        footer: the chunk.
        entries: what it is to say of each record, see `entry`.

    Raises:
        ValueError: it says something else.
    """
    first, *said = map(bytes, chunks.records(footer))
    count = encode_varint(len(entries))
    about = _FIRST + encode_varint(_VERSION) + _SECOND + count + _THIRD + count + _TEXT
    size, at = chunks.read_varint(memoryview(first), 1)
    if first[:1] != _MESSAGE or at + size != len(first) or not first.startswith(about, at):
        raise ValueError(f"a footer of other than {len(entries)} records")
    for number, (found, expected) in enumerate(zip(said, entries, strict=True), start=1):
        if found != expected:
            raise ValueError(f"a footer that has record {number} elsewhere")
