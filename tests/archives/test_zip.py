"""Zip archives: their index by two reads, their members by few, and what is refused."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
from zips import CONTENTS, Held, as_zip64, empty_files, zipped

from pipeline.archives.zip import members_of, read_members, spans
from pipeline.archives.zip_index import INDEX_SCHEMA, read_index
from pipeline.errors import ArchiveRefused

FILE = "train-masks-0.zip"


def unzipped(data: bytes) -> dict[str, bytes]:
    held = Held(data)
    index = read_index(held, len(data), FILE)
    return {each.name: content for each, content in read_members(held, spans(index), FILE)}


@pytest.mark.parametrize(
    "data",
    [
        zipped(),
        zipped(comment=b"of masks, PK\5\6 and more" * 100),
        zipped(comment=b"x" * 65_535),
        zipped(method=zipfile.ZIP_STORED),
        zipped(streamed=True),
    ],
    ids=["deflated", "comment", "long comment", "stored", "streamed"],
)
def test_all_members_are_read(data: bytes) -> None:
    assert unzipped(data) == CONTENTS


def test_an_archive_of_no_member_has_none() -> None:
    assert unzipped(zipped({})) == {}
    assert read_index(Held(zipped({})), len(zipped({})), FILE).schema == INDEX_SCHEMA


def test_numbers_of_zip64_are_read() -> None:
    assert unzipped(as_zip64(zipped())) == CONTENTS


@pytest.mark.parametrize("at", [0, 8, 48, 60])
def test_a_damaged_record_of_zip64_is_refused(at: int) -> None:
    data = as_zip64(zipped())
    record = data.rfind(b"PK\6\6")
    data = data[: record + at] + b"\xfe" * 8 + data[record + at + 8 :]
    if at == 8:
        assert unzipped(data) == CONTENTS  # versions of programs, which say nothing
        return
    with pytest.raises(ArchiveRefused):
        read_index(Held(data), len(data), FILE)


def test_a_member_whose_number_is_nowhere_is_refused() -> None:
    data = as_zip64(zipped()).replace(struct.pack("<HH", 1, 24), struct.pack("<HH", 2, 24))
    with pytest.raises(ArchiveRefused, match="ZIP64 field"):
        read_index(Held(data), len(data), FILE)


def test_more_members_than_65535_are_read() -> None:
    data = empty_files(66_000)
    index = read_index(Held(data), len(data), FILE)
    assert index["name"].to_pylist() == [f"{number:05x}" for number in range(66_000)]


def test_the_index_takes_two_reads_and_no_more() -> None:
    data = zipped({f"{number:060x}": bytes([number % 251]) * 9 for number in range(3000)})
    held = Held(data)
    index = read_index(held, len(data), FILE)
    assert index.num_rows == 3000
    assert len(held.reads) == 2
    assert sum(length for _, length in held.reads) < len(data)
    assert len(read_index_of(zipped())[1].reads) == 1  # of a small one the end is all


def read_index_of(data: bytes) -> tuple[pa.Table, Held]:
    held = Held(data)
    return read_index(held, len(data), FILE), held


def test_only_what_is_wanted_is_read_by_ranges_of_what_lies_close() -> None:
    contents = {f"{number:04d}": number.to_bytes(4) * 500 for number in range(200)}
    data = zipped(contents, method=zipfile.ZIP_STORED)
    held = Held(data)
    index = read_index(held, len(data), FILE)
    held.reads.clear()
    ranges = spans(index.take([0, 3, 5, 100, 150]), gap=4000, most=1 << 20)
    read = {each.name: content for each, content in read_members(held, ranges, FILE)}
    assert read == {name: contents[name] for name in ("0000", "0003", "0005", "0100", "0150")}
    assert [len(each.members) for each in ranges] == [1, 2, 1, 1]
    assert held.reads == [(each.offset, each.length) for each in ranges]
    assert held.announced == held.reads
    assert sum(length for _, length in held.reads) < 25_000


@pytest.mark.parametrize(("gap", "most", "count"), [(0, 1 << 30, 1), (0, 700, 60), (0, 2000, 23)])
def test_a_range_is_no_longer_than_allowed(gap: int, most: int, count: int) -> None:
    ranges = spans(read_index_of(zipped())[0], gap=gap, most=most)
    assert sum(len(each.members) for each in ranges) == len(CONTENTS)
    assert len(ranges) <= count
    assert all(each.length <= most or len(each.members) == 1 for each in ranges)


def test_what_is_damaged_on_its_way_is_read_again() -> None:
    held = Held(zipped())
    index = read_index(held, len(held.data), FILE)
    members = members_of(index)
    held.damaged = {members[7].offset + 70: 1}
    read = {each.name: content for each, content in read_members(held, spans(index), FILE)}
    assert read == CONTENTS
    held.damaged = {members[7].offset + 70: 2}
    with pytest.raises(ArchiveRefused, match="damaged") as caught:
        list(read_members(held, spans(index), FILE))
    assert caught.value.place == members[7].name


def test_a_wrong_crc_is_refused() -> None:
    data = zipped()
    crc = struct.pack("<L", zlib.crc32(b"mask 7 " * 40))
    with pytest.raises(ArchiveRefused, match="damaged") as caught:
        unzipped(data.replace(crc, b"\0\0\0\0"))
    assert "CRC-32 00000000" in str(caught.value)


@pytest.mark.parametrize("cut", [1, 21, 22, 100, 2000, 5000])
def test_a_cut_archive_is_refused(cut: int) -> None:
    data = zipped()[:-cut]
    with pytest.raises(ArchiveRefused, match="does not end with the list of its members"):
        read_index(Held(data), len(data), FILE)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no byte"),
        (b"<!doctype html><title>Log in</title>", "a web page"),
        (b"\x1f\x8b" + bytes(600), "gzip data"),
        (bytes(70_000), "bytes 00 00"),
    ],
    ids=["empty", "page", "gzip", "zeros"],
)
def test_what_is_no_zip_is_refused_by_what_it_is(data: bytes, found: str) -> None:
    with pytest.raises(ArchiveRefused, match="no zip archive") as caught:
        read_index(Held(data), len(data), FILE)
    assert found in str(caught.value.found)


NAME = "0123456789abcdef_m0abc_00000001.png"


@pytest.mark.parametrize(
    "name",
    [
        "../" + NAME[3:],
        "masks/" + NAME[6:],
        "/" + NAME[1:],
        NAME[:-5] + "\\.png",
        NAME[:-5] + "\0.png",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    data = zipped({NAME: b"x"}).replace(NAME.encode(), name.encode())
    with pytest.raises(ArchiveRefused, match="a name that no file may have"):
        read_index(Held(data), len(data), FILE)


@pytest.mark.parametrize(
    ("system", "stored", "name"),
    [
        (3, "V\u00f6gel/1.jpg".encode(), "V\u00f6gel/1.jpg"),  # of macOS
        (0, "V\u00f6gel/1.jpg".encode("cp437"), "V\u00f6gel/1.jpg"),
        (0, b"cat\\1.jpg", "cat/1.jpg"),  # of .NET for Windows
        (3, b"cat\\1.jpg", "cat\\1.jpg"),
        (0, b"cat/a\\1.jpg", "cat/a\\1.jpg"),
    ],
)
def test_names_as_other_systems_write_them(system: int, stored: bytes, name: str) -> None:
    standing = "x" * len(stored)
    data = zipped({standing: b"image"}).replace(standing.encode(), stored)
    data = central(data, 5, bytes([system]))
    held = Held(data)
    index = read_index(held, len(data), FILE, with_folders=True)
    read = read_members(held, spans(index), FILE)
    assert [(each.name, content) for each, content in read] == [(name, b"image")]


@pytest.mark.parametrize("name", [".", ".."])
def test_names_of_folders_are_refused(name: str) -> None:
    data = zipped({name: b"x"})
    with pytest.raises(ArchiveRefused, match="a name that no file may have"):
        read_index(Held(data), len(data), FILE)


def central(data: bytes, field: int, value: bytes) -> bytes:
    """Return an archive with other bytes at an offset of its first member's central header."""
    at = data.find(b"PK\1\2") + field
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda data: central(data, 8, b"\1\0"), "an encrypted member"),
        (lambda data: central(data, 10, b"\x0c\0"), "a member of an unknown method"),
        (lambda data: central(data, 24, b"\xff\xff\xff\x7f"), "claims more than it can hold"),
        (lambda data: central(data, 20, b"\xff\xff\xff\x7f"), "members that share bytes"),
        (lambda data: central(data, 34, b"\1\0"), "a part of a zip archive"),
        (lambda data: central(data, 42, b"\xff\xff\xff\x7f"), "members that share bytes"),
        (lambda data: central(data, 24, b"\xff\xff\xff\xff"), "list of members is damaged"),
        (lambda data: central(data, 0, b"PK\3\4"), "list of members is damaged"),
        (lambda data: central(data, 28, b"\xff\xff"), "list of members is damaged"),
        (lambda data: b"prefix" + data, "list of members is damaged"),
    ],
)
def test_what_cannot_be_read_is_refused(spoil: Callable[[bytes], bytes], what: str) -> None:
    data = spoil(zipped())
    with pytest.raises(ArchiveRefused, match=what) as caught:
        read_index(Held(data), len(data), FILE)
    assert caught.value.file == FILE
    assert caught.value.remedy


def test_two_members_of_one_name_are_refused() -> None:
    data = zipped({"one.png": b"1", "two.png": b"2"}).replace(b"two.png", b"one.png")
    with pytest.raises(ArchiveRefused, match="two members of one name"):
        read_index(Held(data), len(data), FILE)


def test_members_that_share_bytes_are_refused() -> None:
    """As those of a bomb whose members all point into the same data."""
    data = zipped({"one.png": b"1" * 50, "two.png": b"2" * 50})
    second = data.rfind(b"PK\1\2")
    data = data[: second + 42] + bytes(4) + data[second + 46 :]
    with pytest.raises(ArchiveRefused, match="members that share bytes"):
        read_index(Held(data), len(data), FILE)


def test_a_member_may_not_inflate_to_more_than_it_says() -> None:
    data = zipped({"bomb.png": bytes(1 << 20)})
    data = central(data, 24, (1 << 10).to_bytes(4, "little"))
    with pytest.raises(ArchiveRefused, match="another size than the archive says"):
        unzipped(data)


def test_a_large_member_is_refused_before_it_is_read() -> None:
    held = Held(zipped({"large.png": bytes(1 << 20)}))
    index = read_index(held, len(held.data), FILE)
    held.reads.clear()
    with pytest.raises(ArchiveRefused, match="too large"):
        list(read_members(held, spans(index), FILE, most=1 << 16))
    assert held.reads == []


def test_a_member_that_another_header_stands_before_is_refused() -> None:
    data = zipped()
    local = data.find(next(iter(CONTENTS)).encode())
    with pytest.raises(ArchiveRefused, match="not where the archive says"):
        unzipped(data[:local] + b"f" + data[local + 1 :])


def test_a_range_names_its_members() -> None:
    index = read_index_of(zipped())[0]
    (whole,) = spans(index)
    last = members_of(index)[-1]
    assert (whole.offset, whole.length) == (0, last.offset + last.room)
    assert whole.members == members_of(index)


def test_members_in_another_order_than_their_list_are_put_by_offset() -> None:
    one, other = b"PK\1\2", zipped()
    start, end = other.find(one), other.rfind(b"PK\5\6")
    entries = [one + each for each in other[start:end].split(one)[1:]]
    assert unzipped(other[:start] + b"".join(reversed(entries)) + other[end:]) == CONTENTS
    index = read_index_of(other[:start] + b"".join(reversed(entries)) + other[end:])[0]
    assert index["offset"].to_pylist() == sorted(index["offset"].to_pylist())


def test_the_remedy_for_a_password_is_to_unpack() -> None:
    data = central(zipped(), 8, b"\1\0")
    with pytest.raises(ArchiveRefused) as refused:
        read_index(Held(data), len(data), FILE)
    assert "unzip ARCHIVE -d FOLDER" in str(refused.value.remedy)
