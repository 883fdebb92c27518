"""Reading RecordIO shards back, and the finding of damage."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from recordioshards import MAGIC, RECORDS, framed, part, refuses, write

from pipeline.errors import OutputDamaged
from pipeline.formats.recordio import framing
from pipeline.formats.recordio.header import parse_header
from pipeline.formats.recordio.shard import (
    read_records,
)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index and its list."""
    write(tmp_path, RECORDS)
    return tmp_path / "a.rec"


class TestReader:
    def test_an_empty_file_has_no_records(self, tmp_path: Path) -> None:
        assert not refuses(tmp_path / "a.rec", b"")

    def test_reads_records_larger_than_its_buffer(self, tmp_path: Path) -> None:
        payloads = [bytes([at]) * 700_001 for at in range(5)]
        payloads += [bytes(3 << 20) + MAGIC + bytes(3 << 20), b"last"]
        (tmp_path / "a.rec").write_bytes(b"".join(map(framed, payloads)))
        assert [bytes(at.data) for at in read_records(tmp_path / "a.rec")] == payloads

    def test_finds_every_cut_but_one_between_records(self, shard: Path) -> None:
        whole = shard.read_bytes()
        ends = {0} | {at.offset + at.length for at in read_records(shard)}
        found = {size for size in range(len(whole) + 1) if not refuses(shard, whole[:size])}
        assert found == ends

    def test_finds_a_change_of_every_byte_that_is_no_data(self, tmp_path: Path) -> None:
        contents = [
            part(0, b"123"),
            part(1, b"1234"),
            part(2, b""),
            part(3, b"12345"),
            part(0, b""),
        ]
        whole = b"".join(contents)
        assert not refuses(tmp_path / "a.rec", whole)
        data = {at for at, byte in enumerate(whole) if byte in b"12345"}
        missed = []
        for place in set(range(len(whole))) - data:
            for bit in range(8):
                damaged = bytearray(whole)
                damaged[place] ^= 1 << bit
                if not refuses(tmp_path / "a.rec", damaged):
                    missed.append((whole[place], damaged[place]))
        # Whether the zeros after 12345 are padding or data only a manifest knows.
        assert missed == [(5, 7)]

    @pytest.mark.parametrize(
        ("parts", "place", "expected"),
        [
            ([(2, b"")], "record 1, byte 4", "flag 0 or 1"),
            ([(3, b"")], "record 1, byte 4", "flag 0 or 1"),
            ([(4, b"")], "record 1, byte 4", "flag 0 or 1"),
            ([(0, b""), (7, b"")], "record 2, byte 12", "flag 0 or 1"),
            ([(1, b""), (0, b"")], "record 1, byte 12", "flag 2 or 3"),
            ([(1, b""), (1, b"")], "record 1, byte 12", "flag 2 or 3"),
            ([(1, b""), (2, b""), (0, b"")], "record 1, byte 20", "flag 2 or 3"),
            ([(1, b""), (3, b""), (3, b"")], "record 2, byte 20", "flag 0 or 1"),
            ([(1, b"123"), (3, b"")], "record 1, byte 4", "a multiple of 4"),
            ([(1, b""), (2, b"12345"), (3, b"")], "record 1, byte 12", "a multiple of 4"),
            ([(1, b"1234")], "record 1, byte 12", "8 bytes"),
            ([(0, b""), (1, b""), (2, b"")], "record 2, byte 24", "8 bytes"),
            ([(0, b"1234" + MAGIC + b"1")], "record 1, byte 12", "another flag than 0"),
            ([(1, b""), (3, MAGIC)], "record 1, byte 16", "another flag than 3"),
        ],
    )
    def test_finds_parts_that_do_not_make_a_record(
        self, tmp_path: Path, parts: list[tuple[int, bytes]], place: str, expected: str
    ) -> None:
        path = tmp_path / "a.rec"
        path.write_bytes(b"".join(part(flag, data) for flag, data in parts))
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(path))
        assert (caught.value.file, caught.value.place) == (str(path), place)
        assert expected in str(caught.value.expected)

    def test_finds_another_magic_number(self, tmp_path: Path) -> None:
        (tmp_path / "a.rec").write_bytes(part(0, b"1234") + b"\x0b" + part(0, b"1234")[1:])
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(tmp_path / "a.rec"))
        assert caught.value.place == "record 2, byte 12"
        assert caught.value.expected == "the magic number 0xced7230a"
        assert caught.value.found == "0xced7230b"

    @pytest.mark.parametrize("padding", [b"\1\0\0", b"\0\0\1"])
    def test_finds_padding_of_anything_but_zeros(self, tmp_path: Path, padding: bytes) -> None:
        (tmp_path / "a.rec").write_bytes(part(0, b"12345")[:-3] + padding)
        with pytest.raises(OutputDamaged, match="padding of zeros") as caught:
            list(read_records(tmp_path / "a.rec"))
        assert caught.value.place == "record 1, byte 13"

    @pytest.mark.parametrize("flag", [0, 1])
    def test_never_allocates_what_the_file_cannot_hold(self, tmp_path: Path, flag: int) -> None:
        (tmp_path / "a.rec").write_bytes(part(flag, b"hello", (1 << 29) - 4))
        tracemalloc.start()
        with pytest.raises(OutputDamaged) as caught:
            list(read_records(tmp_path / "a.rec"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert caught.value.place == "record 1, byte 8"
        assert caught.value.found == "8 bytes, then the end"
        assert peak < 1 << 20

    def test_finds_a_record_that_is_too_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert framing.MAX_PAYLOAD == (512 << 20) - 1
        monkeypatch.setattr(framing, "MAX_PAYLOAD", (1 << 20) - 1)  # what is read takes no second
        half = 1 << 19
        with (tmp_path / "a.rec").open("wb") as file:
            file.write(part(1, b"", half))
            file.seek(half, 1)
            file.write(part(3, b"", half - 4))
            file.truncate(2 * half + 12)
        with pytest.raises(OutputDamaged, match="at most 1048575 bytes") as caught:
            list(read_records(tmp_path / "a.rec"))
        assert caught.value.place == f"record 1, byte {half + 12}"

    def test_yields_what_stands_before_the_damage(self, shard: Path) -> None:
        shard.write_bytes(shard.read_bytes()[:-1])
        records = read_records(shard)
        assert [parse_header(next(records).data).id for _ in range(2)] == [7, 2**64 - 1]
        with pytest.raises(OutputDamaged, match="record 3"):
            next(records)

    def test_says_that_a_shard_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(OutputDamaged, match="missing"):
            next(read_records(tmp_path / "none"))
