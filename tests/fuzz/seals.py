"""Checksums set right after a change, so that a parser reads on into what was changed."""

from __future__ import annotations

import gzip
import json
import struct
import zlib

from pipeline import manifest
from pipeline.formats.tfrecord.shard import frame_header, masked_crc32c

BLOCK = 512
PNG_SIGNATURE_BYTES = 8
MAT_HEADER_BYTES = 128
_COMPRESSED = 15  # miCOMPRESSED of MATLAB 5


def headers(data: bytes) -> list[int]:
    """Return the offsets of blocks that look like tar headers."""
    return [at for at in range(0, len(data) - BLOCK + 1, BLOCK) if data[at + 257 :][:5] == b"ustar"]


def tar(data: bytes) -> bytes:
    """Set the checksum of every tar header."""
    sealed = bytearray(data)
    for at in headers(data):
        sealed[at + 148 : at + 156] = b" " * 8
        sealed[at + 148 : at + 156] = b"%06o\0 " % sum(sealed[at : at + BLOCK])
    return bytes(sealed)


def tar_gz(data: bytes) -> bytes:
    """Set the checksum of every tar header and pack the tar."""
    return gzip.compress(tar(data), compresslevel=1, mtime=0)


def png(data: bytes) -> bytes:
    """Set the CRC of every chunk of a PNG."""
    sealed = bytearray(data)
    at = PNG_SIGNATURE_BYTES
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", sealed, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(sealed)


def tfrecord(data: bytes) -> bytes:
    """Set the masked CRC-32C of every length, and of the data where the file holds all of it."""
    sealed = bytearray(data)
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        sealed[at : at + 12] = frame_header(length)
        end = at + 12 + length
        if end + 4 > len(data):
            break
        struct.pack_into("<I", sealed, end, masked_crc32c(data[at + 12 : end]))
        at = end + 4
    return bytes(sealed)


def manifest_hash(data: bytes) -> bytes:
    """Give a manifest the hash of its changed content, if it still is a JSON object."""
    try:
        document = json.loads(data)
        return manifest.serialise(document) if isinstance(document, dict) else data
    except (ValueError, RecursionError):
        return data


def mat(data: bytes) -> bytes:
    """Compress the elements of a MATLAB 5 file, each by itself; a cut one as it is."""
    sealed = data[:MAT_HEADER_BYTES]
    at = MAT_HEADER_BYTES
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        packed = zlib.compress(data[at : at + 8 + length], 1)
        sealed += struct.pack("<II", _COMPRESSED, len(packed)) + packed
        at += 8 + length
    return sealed


def nothing(data: bytes) -> bytes:
    """Return the data as they are: nothing is sealed in this form."""
    return data
