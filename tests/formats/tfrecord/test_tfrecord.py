"""TFRecord shards: their bytes, their index, and the finding of damage."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord, Placement
from pipeline.formats.tfrecord.shard import (
    TFRecordWriter,
    frame_header,
    index_lines,
    masked_crc32c,
    read_records,
)
from pipeline.storage import StagedFile

HELLO = bytes.fromhex("0500000000000000eab2043e68656c6c6fbb1f1c19")
RECORDS = [
    ImageRecord("a/a_1.JPEG", "a_1.JPEG", 0, "a", "first", (), 4, 3, b"\xff\xd8 one \xff\xd9"),
    ImageRecord("b/b_2.JPEG", "b_2.JPEG", 1, "b", "", ((0.0, 0.25, 0.5, 1.0),), 1, 1, b""),
    ImageRecord("c/ü.JPEG", "ü.JPEG", -1, "", "zürich", (), 9, 9, memoryview(bytes(range(256)))),
]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index."""
    write(tmp_path, RECORDS)
    return tmp_path / "shard"


def write(folder: Path, records: list[ImageRecord]) -> tuple[TFRecordWriter, list[Placement]]:
    with StagedFile(folder / "shard") as shard, StagedFile(folder / "index") as index:
        writer = TFRecordWriter(shard, index, label_offset=1)
        placements = [writer.write(record) for record in records]
        writer.finish()
        storage.publish(shard, index)
    return writer, placements


def contents(path: Path) -> Iterator[bytes]:
    return (bytes(record.data) for record in read_records(path))


class TestFraming:
    def test_hello_is_framed_as_tensorflow_does(self) -> None:
        assert frame_header(5) + b"hello" + HELLO[-4:] == HELLO
        assert struct.pack("<I", masked_crc32c(b"hello")) == HELLO[-4:]

    def test_the_checksum_is_castagnoli(self) -> None:
        # The check value of CRC-32C: 0xe3069283 for "123456789"; masked by hand.
        rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
        assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) % 2**32

    @given(data=st.binary(max_size=64), cut=st.integers(0, 64))
    def test_the_checksum_runs_on_over_buffers(self, data: bytes, cut: int) -> None:
        assert masked_crc32c(data[:cut], memoryview(data)[cut:]) == masked_crc32c(data)

    def test_the_checksum_of_nothing_is_the_mask_alone(self) -> None:
        assert crc32c.crc32c(b"") == 0
        assert masked_crc32c() == masked_crc32c(b"") == 0xA282EAD8


class TestWriter:
    def test_writes_the_framed_examples_end_to_end(self, shard: Path) -> None:
        expected = b""
        for record in RECORDS:
            data = encode_head(record, 1) + bytes(record.encoded)
            expected += frame_header(len(data)) + data
            expected += struct.pack("<I", masked_crc32c(data))
        assert shard.read_bytes() == expected

    def test_tells_where_each_record_stands(self, tmp_path: Path) -> None:
        _, placements = write(tmp_path, RECORDS)
        found = [(record.offset, record.length) for record in read_records(tmp_path / "shard")]
        assert [(place.offset, place.length) for place in placements] == found
        assert placements[0].offset == 0
        assert sum(place.length for place in placements) == (tmp_path / "shard").stat().st_size

    def test_writes_the_index_line_by_line(self, tmp_path: Path) -> None:
        _, placements = write(tmp_path, RECORDS)
        content = (tmp_path / "index").read_bytes()
        assert content == index_lines(placements) == index_lines(read_records(tmp_path / "shard"))
        assert content.startswith(b"0 %d\n%d " % (placements[0].length, placements[1].offset))

    def test_publishes_nothing(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = TFRecordWriter(shard, index, label_offset=1)
            writer.write(RECORDS[0])
            writer.finish()
            assert storage.stat(tmp_path / "shard") is None
            assert storage.stat(tmp_path / "index") is None

    def test_a_reused_image_buffer_may_change_after_each_record(self, tmp_path: Path) -> None:
        buffer = bytearray(b"first")
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = TFRecordWriter(shard, index, label_offset=1)
            writer.write(replace(RECORDS[0], encoded=memoryview(buffer)))
            buffer[:] = b"other"
            writer.write(replace(RECORDS[0], encoded=memoryview(buffer)))
            writer.finish()
            storage.publish(shard, index)
        images = [bytes(parse_example(data).encoded) for data in contents(tmp_path / "shard")]
        assert images == [b"first", b"other"]

    def test_a_shard_of_no_records_is_two_empty_files(self, tmp_path: Path) -> None:
        write(tmp_path, [])
        assert (tmp_path / "shard").read_bytes() == (tmp_path / "index").read_bytes() == b""
        assert list(read_records(tmp_path / "shard")) == []


def test_index_lines_are_offset_and_size_with_the_framing() -> None:
    assert index_lines([Placement(0, 21), Placement(21, 116)]) == b"0 21\n21 116\n"


class TestReader:
    def test_reads_hello(self, tmp_path: Path) -> None:
        (tmp_path / "two").write_bytes(HELLO + HELLO)
        first, second = (
            (record.offset, record.length, bytes(record.data))
            for record in read_records(tmp_path / "two")
        )
        assert first == (0, 21, b"hello")
        assert second == (21, 21, b"hello")

    def test_reads_records_of_no_bytes(self, tmp_path: Path) -> None:
        empty = frame_header(0) + struct.pack("<I", masked_crc32c())
        (tmp_path / "empty").write_bytes(empty + empty)
        assert list(contents(tmp_path / "empty")) == [b"", b""]

    def test_reads_a_record_larger_than_its_buffer(self, tmp_path: Path) -> None:
        large = bytes(3 << 20)
        content = frame_header(len(large)) + large + struct.pack("<I", masked_crc32c(large))
        (tmp_path / "large").write_bytes(content + HELLO)
        assert list(contents(tmp_path / "large")) == [large, b"hello"]

    def test_finds_a_change_of_any_byte(self, shard: Path, tmp_path: Path) -> None:
        whole = shard.read_bytes()
        missed = []
        for place in framing(shard) | set(range(0, len(whole), 7)):
            for bits in (1 << place % 8, 0xFF):
                damaged = bytearray(whole)
                damaged[place] ^= bits
                (tmp_path / "damaged").write_bytes(damaged)
                if not refuses(tmp_path / "damaged"):
                    missed.append((place, bits))
        assert missed == []

    def test_finds_any_cut_but_one_between_records(self, shard: Path, tmp_path: Path) -> None:
        whole = shard.read_bytes()
        ends = {0} | {record.offset + record.length for record in read_records(shard)}
        missed = set()
        for size in framing(shard) | ends | set(range(0, len(whole), 7)):
            (tmp_path / "cut").write_bytes(whole[:size])
            if not refuses(tmp_path / "cut"):
                missed.add(size)
        assert missed == ends

    def test_yields_what_stands_before_the_damage(self, shard: Path) -> None:
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-1])
        records = read_records(shard)
        assert [parse_example(next(records).data).filename for _ in RECORDS[:-1]] == [
            record.filename for record in RECORDS[:-1]
        ]
        with pytest.raises(OutputDamaged, match="record 3"):
            next(records)

    def test_names_file_record_offset_and_both_checksums(self, tmp_path: Path) -> None:
        path = tmp_path / "train-00000-of-00001"
        path.write_bytes(HELLO + HELLO.replace(b"hello", b"jello"))
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(path))
        damage = caught.value
        assert damage.file == str(path)
        assert damage.place == "record 2, byte 33"
        assert damage.expected == (
            f"masked CRC-32C {masked_crc32c(b'jello'):#010x}, computed of 5 bytes of data"
        )
        assert damage.found == "0x191c1fbb"

    def test_names_the_length_when_that_is_what_is_wrong(self, tmp_path: Path) -> None:
        (tmp_path / "shard").write_bytes(b"\x07" + HELLO[1:])
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(tmp_path / "shard"))
        assert caught.value.place == "record 1, byte 8"
        assert "the length (7)" in str(caught.value.expected)

    def test_never_allocates_what_the_file_cannot_hold(self, tmp_path: Path) -> None:
        (tmp_path / "shard").write_bytes(frame_header((1 << 64) - 1) + b"hello")
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(tmp_path / "shard"))
        assert caught.value.place == "record 1, byte 12"
        assert caught.value.found == "5 bytes, then the end"

    def test_says_that_a_shard_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(OutputDamaged, match="missing"):
            next(read_records(tmp_path / "none"))


def framing(shard: Path) -> set[int]:
    """Return the places of bytes that are no data: of lengths and of checksums."""
    found = set[int]()
    for record in read_records(shard):
        start, end = record.offset, record.offset + record.length
        found |= {*range(start, start + 12), *range(end - 4, end)}
    return found


def refuses(path: Path) -> bool:
    try:
        list(read_records(path))
    except OutputDamaged:
        return True
    return False
