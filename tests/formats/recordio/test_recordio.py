"""RecordIO shards: their bytes, and what cannot be written."""

from __future__ import annotations

import itertools
import mmap
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recordioshards import (
    FIRST,
    JPEG,
    MAGIC,
    PAYLOADS,
    RECORDS,
    cut_word_by_word,
    framed,
    payload,
    write,
)
from support import RawSet

from pipeline import storage
from pipeline.errors import BadAnnotation, BadImage, InputRefused
from pipeline.formats.record import Placement
from pipeline.formats.recordio.header import LabelForm, encode_header, parse_header
from pipeline.formats.recordio.shard import (
    IndexedRecord,
    RecordIOWriter,
    frame,
    read_records,
)
from pipeline.manifest import hash_file
from pipeline.storage import StagedFile


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
