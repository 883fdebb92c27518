"""What belongs to a RecordIO shard, index and list, and the joining of shards."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordioshards import FIRST, JPEG, MAGIC, RECORDS, joined, shard_named, write

from pipeline import storage
from pipeline.errors import BadAnnotation, InputRefused, OutputDamaged, UsageError
from pipeline.formats.recordio.shard import (
    IndexedRecord,
    IndexedShard,
    RecordIOWriter,
    index_lines,
    join,
    list_line,
    read_index,
)
from pipeline.names import has_control
from pipeline.sources.imagelist import lst
from pipeline.storage import StagedFile


class TestIndexAndList:
    def test_an_index_has_ids_and_offsets(self, tmp_path: Path) -> None:
        _, placements = write(tmp_path, RECORDS)
        ids, offsets = read_index(tmp_path / "a.idx")
        assert ids.tolist() == [record.id for record in RECORDS]
        assert offsets.tolist() == [place.offset for place in placements]
        assert index_lines(ids, offsets) == (tmp_path / "a.idx").read_bytes()

    @pytest.mark.parametrize(
        ("label", "text"),
        [
            (464, "464.000000"),
            (0.1, "0.1"),
            (-0.0, "-0.000000"),
            (1e-7, "1e-07"),
            (1 / 3, "0.33333334"),
        ],
    )
    def test_a_label_has_the_digits_it_needs(self, label: float, text: str) -> None:
        line = list_line(replace(FIRST, labels=(label,)))
        assert line.decode() == f"7\t{text}\tn04/a.JPEG\n"

    @given(
        labels=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1),
        key=st.integers(0, 2**64 - 1),
        path=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
            lambda text: text == text.strip() and not has_control(text)
        ),
    )
    def test_a_list_is_read_again(self, labels: list[float], key: int, path: str) -> None:
        with TemporaryDirectory() as folder:
            name = Path(folder) / "a.lst"
            name.write_bytes(list_line(IndexedRecord(key, labels, b"x", path)))
            (row,) = itertools.chain.from_iterable(table.to_pylist() for table in lst.read(name))
        assert (row["id"], row["labels"], row["path"]) == (key, labels, path)

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"", 1),
            (b"7\t4\n", 1),
            (b"7\t0\n8\t0\n", 2),
            (b"7\t0\n8\t40\n9\t36\n", 3),
            (b"7\t0\n8\t40", 2),
            (b"7 0\n", 1),
            (b"-7\t0\n", 1),
            (b"07\t0\n", 1),
            (b"7\t00\n", 1),
            (b"7\t0\r\n", 1),
            (b"\n", 1),
            (b"18446744073709551616\t0\n", 1),
        ],
    )
    def test_an_index_that_is_never_written_is_refused(
        self, tmp_path: Path, content: bytes, line: int
    ) -> None:
        (tmp_path / "a.idx").write_bytes(content)
        with pytest.raises(OutputDamaged) as caught:
            read_index(tmp_path / "a.idx")
        assert caught.value.file == str(tmp_path / "a.idx")
        assert caught.value.place == f"line {line}"

    def test_an_index_that_is_longer_than_any_is_not_read(self, tmp_path: Path) -> None:
        with (tmp_path / "a.idx").open("wb") as file:
            file.truncate(1 << 40)  # it takes no room on the disk
        with pytest.raises(OutputDamaged, match="more bytes than this program writes"):
            read_index(tmp_path / "a.idx")

    def test_says_that_an_index_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(OutputDamaged, match="missing"):
            read_index(tmp_path / "none")


class TestJoin:
    def records(self) -> list[IndexedRecord]:
        return [
            replace(FIRST, id=at, labels=(at,) * (1 + at % 3), encoded=MAGIC * at + JPEG)
            for at in range(9)
        ]

    def parts(self, folder: Path) -> list[IndexedShard]:
        records = self.records()
        for number in range(3):
            write(folder, records[3 * number : 3 * number + 3], str(number))
        return [shard_named(folder, str(number)) for number in range(3)]

    def test_gives_what_one_writer_gives(self, tmp_path: Path) -> None:
        write(tmp_path, self.records(), "one")
        other = joined(tmp_path, self.parts(tmp_path))
        assert other.records == 9
        for suffix in ("rec", "idx", "lst"):
            assert (tmp_path / f"joined.{suffix}").read_bytes() == (
                tmp_path / f"one.{suffix}"
            ).read_bytes()

    def test_copies_a_shard_larger_than_its_buffer(self, tmp_path: Path) -> None:
        large = [replace(FIRST, id=at, encoded=bytes([at]) * 700_001) for at in range(9)]
        write(tmp_path, [*large, replace(FIRST, id=9, encoded=bytes(3 << 20))], "0")
        joined(tmp_path, [shard_named(tmp_path, "0")])
        assert (tmp_path / "joined.rec").read_bytes() == (tmp_path / "0.rec").read_bytes()

    def test_refuses_an_id_that_two_parts_have(self, tmp_path: Path) -> None:
        part = self.parts(tmp_path)[0]
        with pytest.raises(BadAnnotation, match="records 1 and 4"):
            joined(tmp_path, [part, part])

    def test_refuses_no_part(self, tmp_path: Path) -> None:
        with pytest.raises(InputRefused, match="may not be empty"):
            joined(tmp_path, [])

    @pytest.mark.parametrize(
        "change",
        [
            lambda offsets: offsets[:-1],
            lambda offsets: [*offsets, offsets[-1] + 4],
            lambda offsets: [*offsets[:-1], offsets[-1] + 4],
            lambda offsets: [offsets[0], *offsets[2:]],
        ],
        ids=["the last is missing", "one too many", "moved", "one is missing"],
    )
    def test_refuses_an_index_of_other_records(
        self, tmp_path: Path, change: Callable[[list[int]], list[int]]
    ) -> None:
        part = self.parts(tmp_path)[0]
        offsets = change(read_index(part.index)[1].tolist())
        storage.on_this_machine(part.index).write_bytes(index_lines(range(len(offsets)), offsets))
        with (
            StagedFile(tmp_path / "rec") as shard,
            StagedFile(tmp_path / "idx") as index,
            pytest.raises(OutputDamaged, match="of other records") as caught,
        ):
            join([part], RecordIOWriter(shard, index))
        assert caught.value.file == str(part.index)

    def test_refuses_a_damaged_shard(self, tmp_path: Path) -> None:
        part = self.parts(tmp_path)[0]
        shard = storage.on_this_machine(part.shard)
        shard.write_bytes(shard.read_bytes()[:-1])
        with pytest.raises(OutputDamaged, match="record 3"):
            joined(tmp_path, [part])

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            (lambda content: content.replace(b"1\t1", b"2\t1"), 2),
            (lambda content: content.replace(b"\n", b"", 1), 2),
            (lambda content: content[:-1], 3),
            (lambda content: content + b"3\t0\ta\n", 4),
            (lambda content: content[: content.index(b"2\t2")], 2),
            (lambda content: content[:0], 1),
        ],
        ids=["another id", "two in one", "cut", "one too many", "one missing", "all missing"],
    )
    def test_refuses_a_list_of_other_images(
        self, tmp_path: Path, change: Callable[[bytes], bytes], line: int
    ) -> None:
        part = self.parts(tmp_path)[0]
        listing = tmp_path / "0.lst"
        listing.write_bytes(change(listing.read_bytes()))
        with pytest.raises(OutputDamaged) as caught:
            joined(tmp_path, [part])
        assert (caught.value.file, caught.value.place) == (str(listing), f"line {line}")

    def test_refuses_a_shard_without_a_list_where_one_is_asked_for(self, tmp_path: Path) -> None:
        part = self.parts(tmp_path)[0]
        with pytest.raises(UsageError, match="image list"):
            joined(tmp_path, [replace(part, listing=None)])
        with StagedFile(tmp_path / "rec") as shard, StagedFile(tmp_path / "idx") as index:
            writer = RecordIOWriter(shard, index)
            join([replace(part, listing=None)], writer)
            assert writer.records == 3
