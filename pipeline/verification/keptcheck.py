"""Reads back the files that sources keep in an output folder: images, and masks."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from pipeline import storage
from pipeline.errors import ShardmillError, Vanished
from pipeline.sources.kept_files import KeptFile, KeptFiles
from pipeline.verification.findings import Finding, Layer, damage, of_error

_OF_CRC: Final = 8  # hex digits of a CRC-32; an MD5 has 32
_REMEDY: Final = (
    "say shardmill verify OUT --remove-damaged, or remove the file, then run the shardmill command"
    " again: it alone is fetched again"
)


@dataclass(frozen=True)
class KeptCheck:
    """What reading some files back has shown.

    Attributes:
        files: how many were read.
        bytes: of them.
        findings: what is wrong.
    """

    files: int
    bytes: int
    findings: tuple[Finding, ...]


def check_kept(files: KeptFiles) -> KeptCheck:
    """Read files back and compare them with what they were when they got there."""
    findings, count, size = list[Finding](), 0, 0
    try:
        for file in files.read():
            findings += _check(file)
            count, size = count + 1, size + file.bytes
    except ShardmillError:  # of the table, which its mark says is damaged
        return KeptCheck(count, size, tuple(findings))
    return KeptCheck(count, size, tuple(findings))


def _check(file: KeptFile) -> Iterator[Finding]:
    expected = f"{file.bytes} bytes"
    try:
        content = storage.read_bytes(file.path)
    except Vanished:
        what = "the file is gone"
        yield damage(Layer.SIZE, file.path, what, None, expected, "no such file", _REMEDY)
        return
    except ShardmillError as error:
        yield of_error(Layer.FILE_HASH, file.path, error)
        return
    if len(content) != file.bytes:
        what, found = "the file has another size", f"{len(content)} bytes"
        yield damage(Layer.SIZE, file.path, what, None, expected, found, _REMEDY)
        return
    is_crc = len(file.digest) == _OF_CRC
    md5 = partial(hashlib.md5, usedforsecurity=False)
    digest = f"{zlib.crc32(content):08x}" if is_crc else md5(content).hexdigest()
    if digest != file.digest:
        name = "CRC-32" if is_crc else "MD5"
        what = f"the file's {name} is wrong"
        yield damage(Layer.FILE_HASH, file.path, what, None, file.digest, digest, _REMEDY)
