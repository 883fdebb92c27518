"""RecordIO shards for tests, and framing that shares no code with the program."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.record import Placement
from pipeline.formats.recordio.header import LabelForm, encode_header
from pipeline.formats.recordio.shard import (
    IndexedRecord,
    IndexedShard,
    RecordIOWriter,
    frame,
    join,
    read_records,
)
from pipeline.storage import Buffer, StagedFile

MAGIC = b"\x0a\x23\xd7\xce"
JPEG = b"\xff\xd8\xff one \xff\xd9"
FIRST = IndexedRecord(7, (464.0,), JPEG, "n04/a.JPEG")
RECORDS = [
    FIRST,
    IndexedRecord(2**64 - 1, (1.0, 0.1), memoryview(JPEG + MAGIC + MAGIC + b"two"), "ü b.JPEG"),
    IndexedRecord(0, np.array([3, 0.5, 1e-7], np.float32), b"x", "/c"),
]
PIECES = st.sampled_from([MAGIC, MAGIC[:2], MAGIC[2:], MAGIC[1:], b"\0", b"1234", b"123", b""])
PAYLOADS = st.one_of(
    st.lists(PIECES, max_size=12).map(b"".join), st.binary(max_size=20), st.just(MAGIC * 5)
)


def write(
    folder: Path,
    records: list[IndexedRecord],
    name: str = "a",
    form: LabelForm = LabelForm.PYTHON,
) -> tuple[RecordIOWriter, list[Placement]]:
    with (
        StagedFile(folder / f"{name}.rec") as shard,
        StagedFile(folder / f"{name}.idx") as index,
        StagedFile(folder / f"{name}.lst") as listing,
    ):
        writer = RecordIOWriter(shard, index, listing, form=form)
        placements = [writer.write(record) for record in records]
        writer.finish()
        storage.publish(shard, index, listing)
    return writer, placements


def joined(folder: Path, parts: list[IndexedShard], name: str = "joined") -> RecordIOWriter:
    with (
        StagedFile(folder / f"{name}.rec") as shard,
        StagedFile(folder / f"{name}.idx") as index,
        StagedFile(folder / f"{name}.lst") as listing,
    ):
        writer = RecordIOWriter(shard, index, listing)
        join(parts, writer)
        storage.publish(shard, index, listing)
    return writer


def shard_named(folder: Path, name: str) -> IndexedShard:
    return IndexedShard(*(folder / f"{name}.{suffix}" for suffix in ("rec", "idx", "lst")))


def payload(record: IndexedRecord) -> bytes:
    return encode_header(record) + bytes(record.encoded)


def framed(*buffers: Buffer) -> bytes:
    return b"".join(frame(bytes(buffers[0]), *buffers[1:]))


def cut_word_by_word(data: bytes) -> bytes:
    """Frame a payload as the format is told: cut at each magic number among its whole words."""
    parts, begin = [], 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            parts.append(data[begin:at])
            begin = at + 4
    parts.append(data[begin:])
    last = len(parts) - 1
    content = b""
    for number, part in enumerate(parts):
        flag = 0 if last == 0 else 1 if number == 0 else 3 if number == last else 2
        content += MAGIC + struct.pack("<I", flag << 29 | len(part)) + part
    return content + bytes(-len(content) % 4)


def part(flag: int, data: bytes, length: int | None = None) -> bytes:
    word = flag << 29 | (len(data) if length is None else length)
    return MAGIC + struct.pack("<I", word) + data + bytes(-len(data) % 4)


def refuses(path: Path, content: bytes | bytearray) -> bool:
    path.write_bytes(content)
    try:
        list(read_records(path))
    except OutputDamaged:
        return True
    return False
