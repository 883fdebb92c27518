"""WebDataset shards: their bytes and their index."""

from __future__ import annotations

import math
import mmap
import tarfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from webdatasetshards import (
    END,
    FIRST,
    JPEG,
    LONG,
    LONGER,
    RECORDS,
    expected_members,
    field,
    members,
    write,
)

from pipeline import storage
from pipeline.errors import BadImage
from pipeline.formats.webdataset.index import (
    sample_name,
)
from pipeline.formats.webdataset.shard import WebDatasetWriter, read_samples
from pipeline.formats.webdataset.ustar import member_header
from pipeline.manifest import hash_file
from pipeline.storage import StagedFile


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index."""
    write(tmp_path, RECORDS)
    return tmp_path / "shard"


class TestHeader:
    def test_is_a_ustar_block_without_owner_and_time(self) -> None:
        header = member_header("a/b.jpg", 0o1234)
        assert header == (
            field(b"a/b.jpg", 100)
            + b"0000444\x000000000\x000000000\x0000000001234\x0000000000000\x00"
            + b"007106\0 0"
            + bytes(100)
            + b"ustar\x0000"
            + bytes(32 + 32 + 8 + 8 + 155 + 12)
        )

    @given(
        stem=st.text(st.sampled_from("ab/%_"), max_size=400).map("x".__add__),
        extension=st.sampled_from(["jpg", "cls", "json"]),
        size=st.integers(0, (1 << 33) - 1),
    )
    @example(stem="a" * 95, extension="json", size=0)
    @example(stem="a" * 96, extension="jpg", size=1)
    @example(stem="a" * 155 + "/" + "b" * 95, extension="jpg", size=1)
    @example(stem="a" * 156 + "/" + "b" * 95, extension="jpg", size=1)
    @example(stem="a" * 155 + "/" + "b" * 96, extension="jpg", size=1)
    def test_is_read_by_tarfile(self, stem: str, extension: str, size: int) -> None:
        name = f"{stem}.{extension}"
        header = member_header(name, size)
        assert (len(header) > 512) == (len(stem) > 95 and not can_be_parted(stem))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "tar"
            path.write_bytes(header)
            with tarfile.open(path, "r:") as tar:
                member = tar.next()
        assert member is not None
        assert (member.name, member.size, member.mode) == (name, size, 0o444)
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert (member.mtime, member.isreg(), member.offset_data) == (0, True, len(header))

    @pytest.mark.parametrize("length", [*range(101, 120), *range(980, 1000), 9984, 9985, 9986])
    def test_a_pax_record_counts_its_own_length(self, length: int) -> None:
        name = b"%b.jpg" % (b"n" * (length - 4))
        header = member_header(name.decode(), 5)
        size = int(header[124:135], 8)
        assert header[512 : 512 + size] == b"%d path=%b\n" % (size, name)
        assert header[-512:].startswith(b"n" * 95 + b".jpg\x000000444\0")

    @pytest.mark.parametrize("stem", ["a" * 90 + "/" + "b" * 4, "a/" + "b" * 94, "a" * 99])
    def test_the_members_of_a_sample_are_cut_alike(self, stem: str) -> None:
        fields = {
            member_header(f"{stem}.{extension}", 5)[-512:][:100].partition(b".")[0]
            for extension in ("jpg", "cls", "json")
        }
        assert len(fields) == 1


def can_be_parted(stem: str) -> bool:
    return any(
        at <= 155 and len(stem) - at - 1 <= 95 for at, letter in enumerate(stem) if letter == "/"
    )


class TestWriter:
    def test_the_bytes_of_a_shard_do_not_change(self, tmp_path: Path) -> None:
        label, facts = (
            b"0",
            b'{"wnid":"a","words":"first","width":4,"height":3,"boxes":[],"filename":"a_1.JPEG"}',
        )
        write(tmp_path, [FIRST])
        assert (tmp_path / "shard").read_bytes() == b"".join(
            (
                *(member_header("a/a_1.jpg", len(JPEG)), field(JPEG, 512)),
                *(member_header("a/a_1.cls", 1), field(label, 512)),
                *(member_header("a/a_1.json", len(facts)), field(facts, 512)),
                END,
            )
        )

    def test_the_digests_of_a_shard_and_its_index_do_not_change(self, tmp_path: Path) -> None:
        odd = [replace(FIRST, key=key) for key in (LONG, LONGER)]
        write(tmp_path, RECORDS + odd)
        assert hash_file(tmp_path / "shard") == "2deedece7ad1c4c42efe495f3d2ade9d"
        assert hash_file(tmp_path / "index") == "73f2d7454d949b884847dd1ff1b8992b"

    def test_tarfile_reads_three_members_of_each_image_in_order(self, shard: Path) -> None:
        expected: dict[str, bytes] = {}
        for record, extension in zip(RECORDS, ("jpg", "png", "jpg"), strict=True):
            expected |= expected_members(record, extension)
        found = members(shard)
        assert found == expected
        assert list(found) == list(expected)

    def test_labels_begin_at_the_offset_and_the_suffix_is_left_out(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = WebDatasetWriter(shard, index, label_offset=1, suffix=".jpg")
            writer.write(replace(FIRST, key="cat/1.jpg", class_index=7))
            writer.write(replace(FIRST, key="cat/2.jpg", class_index=-1))
            writer.finish()
            storage.publish(shard, index)
        found = members(tmp_path / "shard")
        assert (found["cat/1.cls"], found["cat/2.cls"]) == (b"8", b"-1")

    def test_tells_where_each_sample_stands(self, tmp_path: Path) -> None:
        _, placements = write(tmp_path, RECORDS)
        found = [(sample.offset, sample.length) for sample in read_samples(tmp_path / "shard")]
        assert [(place.offset, place.length) for place in placements] == found
        total = sum(place.length for place in placements) + len(END)
        assert (tmp_path / "shard").stat().st_size == total

    def test_the_index_says_where_the_data_are(self, tmp_path: Path) -> None:
        write(tmp_path, [*RECORDS, replace(FIRST, key=LONG), replace(FIRST, key=LONGER)])
        content = (tmp_path / "shard").read_bytes()
        first, *lines = (tmp_path / "index").read_text().splitlines()
        assert first == "v1.2 5"
        found = {}
        for line in lines:
            fields = line.split(" ")
            assert fields[0::4] in (["jpg", "cls", "json"], ["png", "cls", "json"])
            for at, size, name in zip(fields[1::4], fields[2::4], fields[3::4], strict=True):
                found[name] = content[int(at) : int(at) + int(size)]
        assert found == members(tmp_path / "shard")

    def test_names_that_no_file_system_takes_are_unpacked(self, tmp_path: Path) -> None:
        keys = [f"{folder}/{'猫' * 80}{n}.JPEG" for n in range(2) for folder in ("c", "狗" * 85)]
        write(tmp_path, [replace(FIRST, key=key) for key in keys])
        with tarfile.open(tmp_path / "shard", "r:") as tar:
            tar.extractall(tmp_path / "out", filter="data")
        found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert len(found) == 3 * len(keys)
        assert len({path.with_suffix("") for path in found}) == len(keys)
        assert [sample.name for sample in read_samples(tmp_path / "shard")] == [
            sample_name(key) for key in keys
        ]

    def test_publishes_nothing(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = WebDatasetWriter(shard, index)
            writer.write(FIRST)
            writer.finish()
            assert storage.stat(tmp_path / "shard") is None
            assert storage.stat(tmp_path / "index") is None

    def test_a_reused_image_buffer_may_change_after_each_sample(self, tmp_path: Path) -> None:
        buffer = bytearray(JPEG)
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = WebDatasetWriter(shard, index)
            writer.write(replace(FIRST, encoded=memoryview(buffer)))
            buffer[4:7] = b"two"
            writer.write(replace(FIRST, key="b.JPEG", encoded=memoryview(buffer)))
            writer.finish()
            storage.publish(shard, index)
        found = members(tmp_path / "shard")
        assert (found["a/a_1.jpg"], found["b.jpg"]) == (JPEG, JPEG.replace(b"one", b"two"))

    @pytest.mark.parametrize("image", [b"", b"\xff\xd8", b"GIF89a", b"\x89PNG\r\n\x1a"])
    def test_refuses_what_is_no_image(self, tmp_path: Path, image: bytes) -> None:
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            writer = WebDatasetWriter(shard, index)
            with pytest.raises(BadImage) as caught:
                writer.write(replace(FIRST, encoded=image))
            assert shard.size == 0
        assert caught.value.file == FIRST.key
        assert str(caught.value.found).startswith(f"{len(image)} bytes")

    def test_refuses_an_image_whose_size_no_header_holds(self, tmp_path: Path) -> None:
        size = 1 << 33
        with (tmp_path / "sparse").open("w+b") as file:
            file.write(JPEG)
            file.truncate(size)
            image = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            with pytest.raises(BadImage, match="at most 8589934591 bytes"):
                WebDatasetWriter(shard, index).write(replace(FIRST, encoded=image))
            assert shard.size == 0

    def test_refuses_a_box_that_json_cannot_hold(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / "shard") as shard, StagedFile(tmp_path / "index") as index:
            with pytest.raises(ValueError, match="JSON"):
                WebDatasetWriter(shard, index).write(replace(FIRST, boxes=((0, 0, math.nan, 1),)))
            assert shard.size == 0

    def test_a_shard_of_no_samples_is_an_empty_archive(self, tmp_path: Path) -> None:
        write(tmp_path, [])
        assert (tmp_path / "shard").read_bytes() == END
        assert (tmp_path / "index").read_bytes() == b"v1.2 0\n"
        assert members(tmp_path / "shard") == {}
        assert list(read_samples(tmp_path / "shard")) == []
