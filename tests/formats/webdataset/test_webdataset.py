"""WebDataset shards: their bytes, their index, and the finding of damage."""

from __future__ import annotations

import itertools
import json
import math
import mmap
import tarfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import RawSet

from pipeline import storage
from pipeline.errors import BadImage, OutputDamaged
from pipeline.formats.record import ImageRecord, Placement
from pipeline.formats.webdataset.index import (
    index_content,
    index_line,
    is_shortened,
    sample_key,
    sample_name,
)
from pipeline.formats.webdataset.shard import Sample, WebDatasetWriter, read_samples
from pipeline.formats.webdataset.ustar import member_header
from pipeline.manifest import hash_file
from pipeline.storage import StagedFile

JPEG, PNG = b"\xff\xd8\xff one \xff\xd9", b"\x89PNG\r\n\x1a\n two"
BOX = (0.0, 0.25, 0.5, 1.0)
FIRST = ImageRecord("a/a_1.JPEG", "a_1.JPEG", 0, "a", "first", (), 4, 3, JPEG)
RECORDS = [
    FIRST,
    ImageRecord("b/b_2.JPEG", "b_2.JPEG", 11, "b", "", (BOX,), 1, 1, PNG + bytes(496)),
    ImageRecord("c/ü.JPEG", "ü.JPEG", -1, "", "zürich", (BOX, BOX), 9, 9, memoryview(JPEG * 60)),
]
END = bytes(1024)
# What does not fit a header's name: parted at a slash, or put into a pax header.
LONG = "d" * 60 + "/" + "e" * 90 + ".JPEG"
LONGER = "f" * 200 + ".JPEG"


def write(folder: Path, records: list[ImageRecord]) -> tuple[WebDatasetWriter, list[Placement]]:
    with StagedFile(folder / "shard") as shard, StagedFile(folder / "index") as index:
        writer = WebDatasetWriter(shard, index)
        placements = [writer.write(record) for record in records]
        writer.finish()
        storage.publish(shard, index)
    return writer, placements


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index."""
    write(tmp_path, RECORDS)
    return tmp_path / "shard"


def members(path: Path) -> dict[str, bytes]:
    """Name -> data of each member, by tarfile."""
    found = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            assert member.name not in found
            found[member.name] = content.read()
    return found


def expected_members(record: ImageRecord, extension: str) -> dict[str, bytes]:
    name = sample_name(record.key)
    facts = {
        "wnid": record.class_id,
        "words": record.class_text,
        "width": record.width,
        "height": record.height,
        "boxes": [list(box) for box in record.boxes],
        "filename": record.filename,
    }
    return {
        f"{name}.{extension}": bytes(record.encoded),
        f"{name}.cls": str(record.class_index).encode(),
        f"{name}.json": json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode(),
    }


def record_of(sample: Sample) -> ImageRecord:
    """Build the record again that a sample was written from."""
    content = sample.content
    return ImageRecord(
        key=sample_key(sample.name),
        filename=content.filename,
        class_index=content.label,
        class_id=content.class_id,
        class_text=content.class_text,
        boxes=content.boxes,
        width=content.width,
        height=content.height,
        encoded=bytes(content.encoded),
    )


def field(text: bytes, size: int) -> bytes:
    return text.ljust(size, b"\0")


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


class TestReader:
    def test_reads_what_was_written(self, shard: Path) -> None:
        found = [record_of(sample) for sample in read_samples(shard)]
        assert found == [replace(record, encoded=bytes(record.encoded)) for record in RECORDS]

    def test_its_members_give_the_index_again(self, shard: Path) -> None:
        lines = [index_line(sample.members) for sample in read_samples(shard)]
        assert index_content(lines) == (shard.parent / "index").read_bytes()

    @given(
        keys=st.lists(
            st.one_of(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
                st.text(st.sampled_from("ab./_ é"), max_size=250),
                st.integers(80, 110).map("n".__mul__),
            ).filter(lambda key: not is_shortened(sample_name(key))),
            unique=True,
            max_size=4,
        ),
        text=st.text(st.characters(exclude_categories=["Cs"])),
        boxes=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4)),
        image=st.binary(max_size=1100),
    )
    @example(keys=[LONG, LONGER], text="\0\n", boxes=[(5e-324, -0.0, 0.1, 1e300)], image=b"")
    def test_reads_records_of_all_kinds(
        self,
        keys: list[str],
        text: str,
        boxes: list[tuple[float, float, float, float]],
        image: bytes,
    ) -> None:
        records = [
            ImageRecord(key, text, at, text, text, tuple(boxes), 1 + at, 2, JPEG + image)
            for at, key in enumerate(keys)
        ]
        with TemporaryDirectory() as folder:
            write(Path(folder), records)
            path = Path(folder) / "shard"
            assert [record_of(sample) for sample in read_samples(path)] == records
            expected: dict[str, bytes] = {}
            for record in records:
                expected |= expected_members(record, "jpg")
            assert members(path) == expected

    def test_reads_the_images_of_the_sample(self, raw_set: RawSet, tmp_path: Path) -> None:
        images = validation_images(raw_set)
        records = [
            replace(FIRST, key=name, filename=name, encoded=content)
            for name, content in images.items()
        ]
        write(tmp_path, records)
        assert [record_of(sample) for sample in read_samples(tmp_path / "shard")] == records

    def test_finds_a_change_of_any_byte_that_is_not_a_value(self, tmp_path: Path) -> None:
        write(tmp_path, [RECORDS[1], replace(FIRST, key=LONGER)])
        whole = (tmp_path / "shard").read_bytes()
        values = {
            at
            for sample in read_samples(tmp_path / "shard")
            for member in sample.members
            for at in range(member.offset, member.offset + member.size)
        }
        # Of fields and blocks that are filled with one byte both ends, and some places between.
        inside = {
            at
            for at in range(1, len(whole) - 1)
            if whole[at - 1] == whole[at] == whole[at + 1] and at % 512 not in (0, 511)
        }
        alike = inside - set(range(0, len(whole), 61))
        missed = []
        for place in set(range(len(whole))) - values - alike:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            if not refuses(tmp_path / "damaged", damaged):
                missed.append(place)
        assert missed == []

    def test_finds_a_cut_of_any_block(self, shard: Path, tmp_path: Path) -> None:
        whole = shard.read_bytes()
        at_blocks = {at + more for at in range(0, len(whole), 512) for more in (-1, 0, 1)}
        sizes = (at_blocks | set(range(0, len(whole), 61))) & set(range(len(whole)))
        missed = [size for size in sizes if not refuses(tmp_path / "cut", whole[:size])]
        assert missed == []

    def test_finds_what_follows_the_end(self, shard: Path, tmp_path: Path) -> None:
        whole = shard.read_bytes()
        assert not refuses(tmp_path / "same", whole)
        assert refuses(tmp_path / "padded", whole + bytes(512))
        assert refuses(tmp_path / "appended", whole + whole)

    def test_finds_each_member_that_is_missing_or_stands_elsewhere(self, tmp_path: Path) -> None:
        write(tmp_path, RECORDS[:2])
        whole = (tmp_path / "shard").read_bytes()
        ends = [0] + [
            member.end for sample in read_samples(tmp_path / "shard") for member in sample.members
        ]
        parts = [whole[at:end] for at, end in itertools.pairwise(ends)]
        assert not refuses(tmp_path / "other", b"".join([*parts, END]))
        for at in range(len(parts)):
            without = [*parts[:at], *parts[at + 1 :]]
            assert refuses(tmp_path / "other", b"".join([*without, END]))
            assert refuses(tmp_path / "other", b"".join([*parts[: at + 1], *parts[at:], END]))
        for at in range(len(parts) - 1):
            swapped = [*parts[:at], parts[at + 1], parts[at], *parts[at + 2 :]]
            assert refuses(tmp_path / "other", b"".join([*swapped, END]))

    def test_names_file_member_offset_and_what_it_expected(self, shard: Path) -> None:
        with pytest.raises(OutputDamaged) as caught:
            list(
                read_samples(
                    changed(shard, lambda content: content.replace(b"b_2.cls", b"b_3.cls"))
                )
            )
        damage = caught.value
        assert damage.file == str(shard)
        assert damage.place == "b/b_2.png, byte 4096"
        assert str(damage.expected).startswith("a header of checksum b'00")

    def test_names_the_member_that_should_stand_there(self, shard: Path) -> None:
        header, other = member_header("b/b_2.cls", 2), member_header("b/b_3.cls", 2)
        with pytest.raises(OutputDamaged) as caught:
            list(read_samples(changed(shard, lambda content: content.replace(header, other))))
        assert caught.value.place == "b/b_3.cls, byte 4096"
        assert (caught.value.expected, caught.value.found) == ("b/b_2.cls", "b/b_3.cls")

    def test_names_the_member_whose_content_is_wrong(self, tmp_path: Path) -> None:
        for label, facts, place in ((b"x", FACTS, "a.cls, byte 1536"), (b"0", b"", "a.json")):
            (tmp_path / "shard").write_bytes(sample(label, facts))
            with pytest.raises(OutputDamaged, match=place):
                list(read_samples(tmp_path / "shard"))

    def test_yields_what_stands_before_the_damage(self, shard: Path) -> None:
        samples = read_samples(changed(shard, lambda content: content[:-1500]))
        assert [next(samples).name for _ in RECORDS[:-1]] == ["a/a_1", "b/b_2"]
        with pytest.raises(OutputDamaged, match="then the end"):
            next(samples)

    @pytest.mark.parametrize(
        "value",
        [
            b"{}",
            b"[]",
            b"",
            b"[" * 100_000,
            b"1" * 5000,
            b"\xff",
            b'{"wnid":"a","words":"","width":0,"height":1,"boxes":[],"filename":""}',
            b'{"wnid":"a","words":"","width":true,"height":1,"boxes":[],"filename":""}',
            b'{"wnid":1,"words":"","width":1,"height":1,"boxes":[],"filename":""}',
            b'{"words":"","wnid":"","width":1,"height":1,"boxes":[],"filename":""}',
            b'{"wnid":"","words":"","width":1,"height":1,"boxes":[[0.0]],"filename":""}',
            b'{"wnid":"","words":"","width":1,"height":1,"boxes":[1.0],"filename":""}',
            b'{"wnid":"","words":"","width":1,"height":1,"boxes":[[NaN,0.0,0.0,0.0]],"filename":""}',
        ],
        ids=repr,
    )
    def test_refuses_facts_that_are_never_written(self, tmp_path: Path, value: bytes) -> None:
        assert refuses(tmp_path / "shard", sample(b"0", value))

    @pytest.mark.parametrize("value", [b"", b"-2", b"01", b"+1", b"1 ", b"1\n", b"9" * 20])
    def test_refuses_a_label_that_is_never_written(self, tmp_path: Path, value: bytes) -> None:
        assert refuses(tmp_path / "shard", sample(value, FACTS))

    @pytest.mark.parametrize("name", ["a b", "a.b", "ü", "", "a\0b"])
    def test_refuses_a_name_that_is_never_written(self, tmp_path: Path, name: str) -> None:
        assert refuses(tmp_path / "shard", sample(b"0", FACTS, name))

    @pytest.mark.parametrize("digits", [b"-0000000001", b"+0000000001", b"          1", b"8" * 11])
    def test_refuses_a_size_that_is_never_written(self, tmp_path: Path, digits: bytes) -> None:
        assert refuses(tmp_path / "shard", with_size(sample(b"0", FACTS), digits))

    @pytest.mark.parametrize("name", ["a", "a" * 300], ids=["data", "pax header"])
    def test_never_allocates_what_the_file_cannot_hold(self, tmp_path: Path, name: str) -> None:
        content = with_size(member_header(f"{name}.jpg", 512), b"77777777000")
        (tmp_path / "shard").write_bytes(content + b"hello")
        tracemalloc.start()
        with pytest.raises(OutputDamaged) as caught:
            list(read_samples(tmp_path / "shard"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert str(caught.value.found).endswith("then the end")
        assert peak < 1 << 20

    def test_says_that_a_shard_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(OutputDamaged, match="missing"):
            next(read_samples(tmp_path / "none"))


FACTS = b'{"wnid":"","words":"","width":1,"height":1,"boxes":[[0.0,0.0,1.0,1.0]],"filename":""}'


def sample(label: bytes, facts: bytes, name: str = "a") -> bytes:
    """Return a whole shard of one sample, put together from what its members should hold."""
    content = b""
    for extension, data in (("jpg", JPEG), ("cls", label), ("json", facts)):
        content += member_header(f"{name}.{extension}", len(data))
        content += data + bytes(-len(data) % 512)
    return content + END


def with_size(content: bytes, digits: bytes) -> bytes:
    """Return an archive with another size in its first header, and the checksum that fits."""
    total = int(content[148:154], 8) + sum(digits) - sum(content[124:135])
    checked = content[:124] + digits + content[135:148] + b"%06o" % total
    return checked + content[154:]


def test_a_shard_put_together_by_hand_is_read(tmp_path: Path) -> None:
    assert not refuses(tmp_path / "shard", sample(b"0", FACTS))


def validation_images(raw_set: RawSet) -> dict[str, bytes]:
    """Name -> bytes of the validation images, by tarfile."""
    return members(raw_set.raw / "ILSVRC2012_img_val.tar")


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    return path


def refuses(path: Path, content: bytes | bytearray) -> bool:
    path.write_bytes(content)
    try:
        list(read_samples(path))
    except OutputDamaged:
        return True
    return False
