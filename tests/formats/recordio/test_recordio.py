"""RecordIO shards: their bytes, what belongs to them, joining, and the finding of damage."""

from __future__ import annotations

import itertools
import mmap
import struct
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import RawSet

from pipeline import storage
from pipeline.errors import BadAnnotation, BadImage, InputRefused, OutputDamaged, UsageError
from pipeline.formats.record import Placement
from pipeline.formats.recordio import framing
from pipeline.formats.recordio.header import LabelForm, encode_header, parse_header
from pipeline.formats.recordio.shard import (
    IndexedRecord,
    IndexedShard,
    RecordIOWriter,
    frame,
    index_lines,
    join,
    list_line,
    read_index,
    read_records,
)
from pipeline.manifest import hash_file
from pipeline.names import has_control
from pipeline.sources.imagelist import lst
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


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index and its list."""
    write(tmp_path, RECORDS)
    return tmp_path / "a.rec"


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


class TestFraming:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "0a23d7ce 00000000"),
            (b"12345", "0a23d7ce 05000000 31323334 35000000"),
            (MAGIC, "0a23d7ce 00000020 0a23d7ce 00000060"),
            (MAGIC * 2, "0a23d7ce 00000020 0a23d7ce 00000040 0a23d7ce 00000060"),
            (b"1234" + MAGIC + b"56", "0a23d7ce 04000020 31323334 0a23d7ce 02000060 35360000"),
            (b"1" + MAGIC, "0a23d7ce 05000000 310a23d7 ce000000"),
            (b"1234" + MAGIC[:3], "0a23d7ce 07000000 31323334 0a23d700"),
        ],
        ids=["nothing", "padded", "magic", "twice", "between", "unaligned", "not whole"],
    )
    def test_is_that_of_dmlc(self, data: bytes, expected: str) -> None:
        assert framed(data).hex() == expected.replace(" ", "")

    @given(data=PAYLOADS, opening=st.integers(0, 8))
    @example(data=MAGIC * 3 + b"1", opening=1)
    def test_cuts_at_every_magic_number_among_the_words(self, data: bytes, opening: int) -> None:
        assert framed(data[: 4 * opening], data[4 * opening :]) == cut_word_by_word(data)

    def test_does_not_copy_a_payload_that_is_not_cut(self) -> None:
        data = memoryview(b"1" + MAGIC * 9)
        assert frame(b"1234", data)[1] is data

    @given(payloads=st.lists(PAYLOADS, max_size=6))
    def test_is_read_again(self, payloads: list[bytes]) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "a.rec"
            path.write_bytes(b"".join(map(framed, payloads)))
            found = [
                (record.offset, record.length, bytes(record.data)) for record in read_records(path)
            ]
        lengths = [len(cut_word_by_word(data)) for data in payloads]
        offsets = [0, *itertools.accumulate(lengths)]
        assert found == list(zip(offsets, lengths, payloads, strict=False))


class TestWriter:
    def test_the_bytes_of_a_shard_and_its_files_do_not_change(self, tmp_path: Path) -> None:
        write(tmp_path, [replace(FIRST, encoded=b"abcde"), replace(FIRST, id=9, labels=(1, 0.5))])
        assert (tmp_path / "a.rec").read_bytes() == bytes.fromhex(
            "0a23d7ce 1d000000 00000000 0000e843 0700000000000000 0000000000000000"
            "6162636465 000000"
            "0a23d7ce 2a000000 02000000 00000000 0900000000000000 0000000000000000"
            "0000803f 0000003f" + JPEG.hex() + "0000"
        )
        assert (tmp_path / "a.idx").read_bytes() == b"7\t0\n9\t40\n"
        assert (tmp_path / "a.lst").read_bytes() == (
            b"7\t464.000000\tn04/a.JPEG\n9\t1.000000\t0.5\tn04/a.JPEG\n"
        )

    def test_the_digests_do_not_change(self, tmp_path: Path) -> None:
        write(tmp_path, RECORDS)
        assert hash_file(tmp_path / "a.rec") == "2f62d879d9481d9d5397261657c17315"
        assert hash_file(tmp_path / "a.idx") == "6fc35e8fde0808c67e0ad1282ca28bdf"
        assert hash_file(tmp_path / "a.lst") == "77c3b0e38b906a5d342c818934e4dfee"

    @pytest.mark.parametrize("form", LabelForm)
    def test_writes_the_framed_records_end_to_end(self, tmp_path: Path, form: LabelForm) -> None:
        write(tmp_path, RECORDS, form=form)
        expected = b"".join(
            cut_word_by_word(encode_header(record, form) + bytes(record.encoded))
            for record in RECORDS
        )
        assert (tmp_path / "a.rec").read_bytes() == expected

    def test_tells_where_each_record_stands(self, tmp_path: Path) -> None:
        _, placements = write(tmp_path, RECORDS)
        found = [Placement(at.offset, at.length) for at in read_records(tmp_path / "a.rec")]
        assert placements == found
        assert sum(place.length for place in placements) == (tmp_path / "a.rec").stat().st_size

    def test_writes_no_list_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        write(tmp_path, RECORDS)
        with StagedFile(tmp_path / "b.rec") as shard, StagedFile(tmp_path / "b.idx") as index:
            writer = RecordIOWriter(shard, index)
            for record in RECORDS:
                writer.write(record)
            writer.finish()
            storage.publish(shard, index)
        for suffix in ("rec", "idx"):
            assert (tmp_path / f"b.{suffix}").read_bytes() == (
                tmp_path / f"a.{suffix}"
            ).read_bytes()

    def test_publishes_nothing(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / "rec") as shard, StagedFile(tmp_path / "idx") as index:
            writer = RecordIOWriter(shard, index)
            writer.write(FIRST)
            writer.finish()
            assert storage.stat(tmp_path / "rec") is None
            assert storage.stat(tmp_path / "idx") is None

    @pytest.mark.parametrize("image", [b"first", b"1234" + MAGIC])
    def test_a_reused_image_buffer_may_change_after_each_record(
        self, tmp_path: Path, image: bytes
    ) -> None:
        buffer = bytearray(image)
        with StagedFile(tmp_path / "rec") as shard, StagedFile(tmp_path / "idx") as index:
            writer = RecordIOWriter(shard, index)
            writer.write(replace(FIRST, encoded=memoryview(buffer)))
            buffer[:] = bytes(len(buffer))
            writer.write(replace(FIRST, id=8, encoded=memoryview(buffer)))
            writer.finish()
            storage.publish(shard, index)
        found = [bytes(parse_header(at.data).encoded) for at in read_records(tmp_path / "rec")]
        assert found == [image, bytes(len(image))]

    @given(
        labels=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1),
        images=st.lists(PAYLOADS.filter(bool), min_size=1, max_size=4),
    )
    def test_what_it_writes_is_read_again(self, labels: list[float], images: list[bytes]) -> None:
        bad = struct.unpack("<f", MAGIC)[0]
        labels = [0.0 if label == bad else label for label in labels]
        records = [IndexedRecord(at, labels, data, "a") for at, data in enumerate(images)]
        with TemporaryDirectory() as folder:
            write(Path(folder), records)
            found = [
                (parsed.id, list(parsed.labels), bytes(parsed.encoded))
                for at in read_records(Path(folder) / "a.rec")
                for parsed in [parse_header(at.data)]
            ]
        assert found == [(record.id, labels, record.encoded) for record in records]

    @pytest.mark.parametrize("before", range(4))
    def test_an_image_full_of_magic_numbers_is_read_again(
        self, tmp_path: Path, before: int
    ) -> None:
        images = [
            bytes(before) + MAGIC * many + bytes(after)
            for many in range(1, 4)
            for after in range(4)
        ]
        images += [bytes(size) for size in range(1, 21)]
        write(tmp_path, [replace(FIRST, id=at, encoded=x) for at, x in enumerate(images)])
        records = [bytes(at.data) for at in read_records(tmp_path / "a.rec")]
        assert records == [payload(replace(FIRST, id=at, encoded=x)) for at, x in enumerate(images)]

    def test_the_images_of_the_sample_are_read_again(self, raw_set: RawSet, tmp_path: Path) -> None:
        with tarfile.open(raw_set.raw / "ILSVRC2012_img_val.tar", "r:") as tar:
            contents = [(member.name, tar.extractfile(member)) for member in tar]
            records = [
                IndexedRecord(at, (at,), content.read(), name)
                for at, (name, content) in enumerate(contents)
                if content is not None
            ]
        assert len(records) > 20
        write(tmp_path, records)
        assert [bytes(at.data) for at in read_records(tmp_path / "a.rec")] == [
            payload(record) for record in records
        ]


class TestWriterRefuses:
    @pytest.fixture
    def writer(self, tmp_path: Path) -> Iterator[RecordIOWriter]:
        """A writer of a list too."""
        with (
            StagedFile(tmp_path / "rec") as shard,
            StagedFile(tmp_path / "idx") as index,
            StagedFile(tmp_path / "lst") as listing,
        ):
            yield RecordIOWriter(shard, index, listing)

    def test_an_empty_shard(self, writer: RecordIOWriter) -> None:
        with pytest.raises(InputRefused, match="may not be empty"):
            writer.finish()

    def test_an_id_that_two_images_have(self, writer: RecordIOWriter) -> None:
        for key in (5, 3, 9, 3, 5):
            writer.write(replace(FIRST, id=key))
        with pytest.raises(BadAnnotation, match="one id") as caught:
            writer.finish()
        assert (caught.value.place, caught.value.found) == ("records 2 and 4", "3 twice")

    @pytest.mark.parametrize("id_", [0xCED7230A, 0xCED7230A << 32, 0xCED7230A << 32 | 1])
    def test_an_id_that_dali_cannot_read(self, writer: RecordIOWriter, id_: int) -> None:
        with pytest.raises(BadAnnotation, match="DALI cannot read") as caught:
            writer.write(replace(FIRST, id=id_))
        assert (caught.value.file, caught.value.place) == (FIRST.path, f"id {id_}")
        assert writer.records == 0

    def test_ids_that_hold_those_bits_elsewhere_are_written(self, writer: RecordIOWriter) -> None:
        writer.write(replace(FIRST, id=0xCED7230A << 8))
        writer.finish()
        assert writer.records == 1

    @pytest.mark.parametrize("labels", [1, 2])
    def test_a_label_that_dali_cannot_read(self, writer: RecordIOWriter, labels: int) -> None:
        (bad,) = struct.unpack("<f", MAGIC)
        with pytest.raises(BadAnnotation, match="DALI cannot read"):
            writer.write(replace(FIRST, labels=(bad,) * labels))

    def test_an_image_of_no_bytes(self, writer: RecordIOWriter) -> None:
        with pytest.raises(BadImage, match="RecordIO") as caught:
            writer.write(replace(FIRST, encoded=b""))
        assert (caught.value.file, caught.value.found) == (FIRST.path, "0")

    def test_a_payload_that_no_header_holds(self, writer: RecordIOWriter, tmp_path: Path) -> None:
        size = (1 << 29) - 24
        with (tmp_path / "sparse").open("w+b") as file:
            file.truncate(size)
            image = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        with pytest.raises(BadImage, match=f"1 to {size - 1} bytes"):
            writer.write(replace(FIRST, encoded=image))

    @pytest.mark.parametrize(
        "path", ["", " a", "a\t", "a\u3000", "a\nb", "a\tb", "a\x7f", "\udc80"]
    )
    def test_a_path_that_no_list_holds(self, writer: RecordIOWriter, path: str) -> None:
        with pytest.raises(BadAnnotation, match="cannot stand in an image list"):
            writer.write(replace(FIRST, path=path))
        assert writer.records == 0


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
        part.index.write_bytes(index_lines(range(len(offsets)), offsets))
        with (
            StagedFile(tmp_path / "rec") as shard,
            StagedFile(tmp_path / "idx") as index,
            pytest.raises(OutputDamaged, match="of other records") as caught,
        ):
            join([part], RecordIOWriter(shard, index))
        assert caught.value.file == str(part.index)

    def test_refuses_a_damaged_shard(self, tmp_path: Path) -> None:
        part = self.parts(tmp_path)[0]
        part.shard.write_bytes(part.shard.read_bytes()[:-1])
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
