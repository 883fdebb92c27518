"""Reading WebDataset shards back, and the finding of damage."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import RawSet
from webdatasetshards import (
    END,
    FACTS,
    FIRST,
    JPEG,
    LONG,
    LONGER,
    RECORDS,
    changed,
    expected_members,
    members,
    record_of,
    refuses,
    sample,
    validation_images,
    with_size,
    write,
)

from pipeline.errors import OutputDamaged
from pipeline.formats.record import ImageRecord
from pipeline.formats.webdataset.index import (
    index_content,
    index_line,
    is_shortened,
    sample_name,
)
from pipeline.formats.webdataset.shard import read_samples
from pipeline.formats.webdataset.ustar import member_header


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of RECORDS, published with its index."""
    write(tmp_path, RECORDS)
    return tmp_path / "shard"


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


def test_a_shard_put_together_by_hand_is_read(tmp_path: Path) -> None:
    assert not refuses(tmp_path / "shard", sample(b"0", FACTS))
