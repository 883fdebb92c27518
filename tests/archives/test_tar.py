from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.archives import tar as scanning
from pipeline.archives.tar import BLOCK, ENDS_EARLY, Member, TarScanner
from pipeline.errors import ArchiveRefused

_END = bytes(2 * BLOCK)
_LONG = "l" * 120 + "/" + "o" * 180
_KINDS = {b"0": "file", b"1": "hardlink", b"2": "symlink", b"3": "device", b"4": "device"}
_KINDS |= {b"5": "directory", b"6": "fifo"}


def scan(archive: bytes, cuts: Sequence[int] = ()) -> list[Member]:
    scanner = TarScanner("a.tar", nested=True)
    found = []
    for begin, end in pairwise([0, *sorted(cuts), len(archive)]):
        found += scanner.feed(archive[begin:end])
    scanner.finish()
    return found


def named_sizes(archive: bytes) -> list[tuple[str, int]]:
    return [(member.name, member.size) for member in scan(archive)]


def refusal(archive: bytes) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        scan(archive)
    return caught.value


def end_of(archive: bytes) -> int:
    scanner = TarScanner("a.tar", nested=True)
    scanner.feed(archive)
    return scanner.end or 0


def tar_of(files: dict[str, bytes], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def every_kind(tar_format: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as tar:
        names = ["plain", "empty", "größe.jpg", "p" * 90 + "/" + "n" * 90, _LONG, "é" * 150]
        for number, kind in enumerate(_KINDS):
            for name in names[:4] if tar_format == tarfile.USTAR_FORMAT else names:
                info = tarfile.TarInfo(f"{number}{name}")
                info.type = kind
                info.linkname = name if tar_format != tarfile.USTAR_FORMAT else "target"
                info.size = 700 * len(name) if kind == b"0" and name != "empty" else 0
                tar.addfile(info, io.BytesIO(bytes(info.size)))
    return target.getvalue()


def header(
    name: bytes = b"a",
    size: int | bytes = 0,
    typeflag: bytes = b"0",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    *,
    signed: bool = False,
) -> bytes:
    field = b"%011o\0" % size if isinstance(size, int) else size
    front = name.ljust(124, b"\0") + field + bytes(12)
    assert len(front) == 148
    back = ((typeflag + bytes(100) + magic).ljust(189, b"\0") + prefix).ljust(356, b"\0")
    checksum = sum(front + back) + 8 * 0x20 - 256 * signed * sum(b > 127 for b in front + back)
    return front + b"%06o\0 " % checksum + back


def extended(typeflag: bytes, payload: bytes) -> bytes:
    return header(b"extended", len(payload), typeflag) + payload + bytes(-len(payload) % BLOCK)


def pax(key: str, value: str, typeflag: bytes = b"x") -> bytes:
    text = f" {key}={value}\n".encode()
    length = next(n for n in range(len(text), len(text) + 9) if len(str(n)) + len(text) == n)
    return extended(typeflag, b"%d%s" % (length, text))


@pytest.mark.parametrize("tar_format", range(3), ids=["ustar", "gnu", "pax"])
def test_every_kind_and_length_of_name_is_found_where_tarfile_finds_it(tar_format: int) -> None:
    archive = every_kind(tar_format)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        expected = [(m.name, m.offset_data, m.size, _KINDS[m.type]) for m in tar]
    assert [(m.name.rstrip("/"), *m[2:]) for m in scan(archive)] == expected


def test_members_of_nested_tars_stand_at_offsets_in_the_outer_one() -> None:
    inner = {"x.JPEG": b"x" * 1000, _LONG: b"long", "deep.tar": tar_of({"z": b"z"})}
    outer = {"n01.tar": tar_of(inner), "readme": b"hello", "n02.tar": tar_of({})}
    archive = tar_of(outer)
    found = scan(archive)
    assert [m.name for m in found] == ["n01.tar", *inner, "readme", "n02.tar"]
    for member in found:
        expected = (inner if member.container == "n01.tar" else outer)[member.name]
        assert archive[member.offset : member.offset + member.size] == expected


def test_nested_tars_are_plain_files_unless_asked_for() -> None:
    scanner = TarScanner("a.tar")
    assert [m.name for m in scanner.feed(tar_of({"n01.tar": b"no tar"}))] == ["n01.tar"]


_SPLIT = tar_of({"n01.tar": every_kind(tarfile.PAX_FORMAT), "é" * 200: b"data"})


@example(cuts=range(len(_SPLIT)))
@given(cuts=st.lists(st.integers(0, len(_SPLIT)), max_size=40))
def test_how_the_archive_is_cut_into_buffers_makes_no_difference(cuts: Sequence[int]) -> None:
    assert scan(_SPLIT, cuts) == scan(_SPLIT)


_SIZES = [b"00000001750\0", b"     1750 \0 ", b"1750".ljust(12, b"\0"), b"\0       1750"]


@pytest.mark.parametrize("field", [*_SIZES, b"\x80" + (1000).to_bytes(11, "big")])
def test_sizes_in_octal_and_in_base_256_are_understood(field: bytes) -> None:
    archive = header(b"a", field) + bytes(1024) + header(b"blank", bytes(12)) + _END
    assert named_sizes(archive) == [("a", 1000), ("blank", 0)]


def test_a_size_beyond_32_bits_is_followed() -> None:
    error = refusal(header(b"a", b"\x80" + (5 << 40).to_bytes(11, "big")))
    assert error.expected == f"{5 << 40} bytes of data, up to byte {(5 << 40) + BLOCK}"


@pytest.mark.parametrize(
    ("name", "typeflag", "magic", "kind", "size"),
    [
        (b"v7", b"\0", b"", "file", 700),
        (b"v7/", b"\0", b"", "directory", 0),
        (b"contiguous", b"7", b"ustar\x0000", "file", 700),
        (b"unheard of", b"Z", b"ustar\x0000", "other", 700),
        *((b"n01.tar", flag, b"ustar\x0000", _KINDS[flag], 0) for flag in list(_KINDS)[1:]),
    ],
)
def test_only_files_and_the_unheard_of_have_data_whatever_the_size_field_says(
    name: bytes, typeflag: bytes, magic: bytes, kind: str, size: int
) -> None:
    archive = header(name, 700, typeflag, magic) + bytes(1024 if size else 0) + header() + _END
    assert scan(archive)[0] == Member("", name.decode(), BLOCK, size, kind)
    assert len(scan(archive)) == 2


def test_only_posix_headers_have_a_prefix() -> None:
    archive = header(prefix=b"pre") + header(magic=b"ustar  \0", prefix=b"14757211205") + _END
    assert named_sizes(archive) == [("pre/a", 0), ("a", 0)]


def test_the_historic_signed_checksum_is_accepted() -> None:
    name = "é".encode() * 4
    assert scan(header(name, signed=True) + _END) == scan(header(name) + _END)


def test_a_wrong_checksum_is_refused_with_its_place() -> None:
    error = refusal(header(b"good") + header(b"a").replace(b"a", b"b", 1) + _END)
    assert error.file == "a.tar"
    assert error.place == f"byte {BLOCK}, after good"
    assert error.expected == f"a block of checksum {int(header(b'a')[148:154], 8)}"


def test_a_pax_header_describes_the_next_member_only() -> None:
    archive = pax("mtime", "1") + pax("path", "ünder") + pax("size", "3") + header() + bytes(512)
    archive += pax("linkpath", "x" * 300) + header(b"b", 0, b"2") + extended(b"x", b"") + header()
    assert named_sizes(archive + _END) == [("ünder", 3), ("b", 0), ("a", 0)]


def test_a_global_pax_header_holds_until_a_member_takes_it_back() -> None:
    archive = pax("path", "all", b"g") + header() + pax("path", "") + header(b"b")
    archive += pax("path", "own") + header() + header() + _END
    assert [name for name, _ in named_sizes(archive)] == ["all", "b", "own", "all"]


def test_a_pax_path_wins_over_a_gnu_long_name() -> None:
    path, name = pax("path", "pax"), extended(b"L", b"gnu\0")
    archive = path + name + header() + name + path + header() + name + header() + _END
    assert [name for name, _ in named_sizes(archive)] == ["pax", "pax", "gnu"]


def test_unsafe_names_are_reported_as_they_are() -> None:
    names = ["../../etc/passwd", "/etc/passwd", "a//b/./c", "n" * 4096]
    archive = b"".join(pax("path", name) + header() for name in names) + _END
    assert [name for name, _ in named_sizes(archive)] == names


_NO_HEADER = "no tar header where one should stand"
_BAD_PAX = [b"path=a\n", b"8 path=a\n", b"11 path=a\n", b"9 path=ab", b"7 path\n", b"-9 path=a\n"]
_BAD_PAX += [b"9 path=a\n0 path=a\n", b"9" * 30 + b" path=a\n", b"4 \n\n", b"\n"]
_BAD_SIZES = [
    b"\xff" * 12,
    b"00000000089\0",
    b"000+0000010\0",
    b"0000_000010\0",
    b"0\x000000000010",
]


@pytest.mark.parametrize(
    ("archive", "what"),
    [
        *((header(b"a", size), _NO_HEADER) for size in _BAD_SIZES),
        (tar_of({"n01.tar": b"\xfe\xd8\xff\xe0" * 1000}), _NO_HEADER),
        (header(b"a", b"\x80" + b"\xff" * 11), "a member is longer than its archive"),
        *((extended(b"x", payload), "a pax header is malformed") for payload in _BAD_PAX),
        *((pax("size", n), "a pax header gives no size") for n in ("-1", "1e3", "9" * 40)),
        *((header(b"a", 1 + (1 << 20), kind), "are too long") for kind in (b"x", b"g", b"K", b"L")),
        (pax("comment", "a") * 1100, "the extended headers of a member are too long"),
        (extended(b"L", b"n\0" + bytes(1 << 16)) * 16, "the extended headers of a member"),
        *((extended(kind, b"6 a=b\n" * 129), "too many records") for kind in (b"x", b"g", b"X")),
        (pax("path", "a") + _END, "an extended header has no member"),
        *((a, "a sparse file") for a in (header(b"a", 0, b"S"), pax("GNU.sparse.major", "1"))),
        *((header(n), "is not UTF-8") for n in (b"caf\xe9.jpg", b"\xed\xa0\x80")),
        *((pax("path", n), "too long, or holds a zero byte") for n in ("n" * 4097, "a\0b")),
        (pax("path", "n" * 513, b"g"), "a name of all members is too long"),
        (bytes(BLOCK), "a lone block of zeros among the members"),
    ],
)
def test_what_is_malformed_is_refused(archive: bytes, what: str) -> None:
    assert what in refusal(archive + header() + _END).what


def test_every_truncation_before_the_end_marker_is_refused() -> None:
    archive = tar_of({"n01.tar": tar_of({_LONG: b"l" * 600, "b": b"b"}), "c": b"c"})
    end = end_of(archive)
    assert 0 < end < len(archive)
    for cut in (block + odd for block in range(0, end, BLOCK) for odd in (0, 1, 511)):
        assert refusal(archive[:cut]).what == ENDS_EARLY
    for cut in range(end, len(archive), 1111):
        assert scan(archive[:cut]) == scan(archive)


def test_a_truncated_nested_tar_is_refused_in_an_intact_outer_one() -> None:
    inner = tar_of({_LONG: b"l" * 600, "b": b"b"})
    cuts = [block + odd for block in range(0, end_of(inner), BLOCK) for odd in (0, 300)]
    for cut in cuts[1:]:
        assert "n01.tar" in str(refusal(tar_of({"n01.tar": inner[:cut], "next": b""})).place)


@pytest.mark.parametrize("piece", [1 << 20, 700, 512, 100])
def test_a_nested_tar_that_cannot_be_read_is_noted_where_that_is_asked_for(piece: int) -> None:
    inner = tar_of({"a": b"a" * 600, "b": b"b"})
    broken = {
        "gzip.tar": b"\x1f\x8b" + bytes(900),
        "short.tar": b"BZh",
        "garbage.tar": b"\x55" * 3000,
        "cut.tar": inner[:1600],
        "lone.tar": header(b"x") + bytes(BLOCK) + header(b"y"),
        "sparse.tar": header(b"x", typeflag=b"S"),
        "longer.tar": header(b"x", 5000) + bytes(2048),
    }
    whole = tar_of({"n01.tar": inner, **broken, "n02.tar": inner, "after": b"!"})
    scanner, found = TarScanner("a.tar", nested=True, keep_broken=True), list[Member]()
    for at in range(0, len(whole), piece):
        found += scanner.feed(whole[at : at + piece])
    scanner.finish()
    assert [each.name for each in scanner.broken] == list(broken)
    assert [each.name for each in scanner.broken if each.is_foreign] == ["gzip.tar", "short.tar"]
    for each in scanner.broken:
        alone = refusal(tar_of({each.name: broken[each.name]}))
        assert (each.refusal.what, each.refusal.remedy) == (alone.what, alone.remedy)
        assert each.name in str(each.refusal.place)
    tops = [member.name for member in found if not member.container]
    assert tops == ["n01.tar", *broken, "n02.tar", "after"]
    assert [member.name for member in found if member.container == "n02.tar"] == ["a", "b"]
    with pytest.raises(ArchiveRefused, match="ends too early"):
        TarScanner("a.tar", nested=True, keep_broken=True).finish()


def test_of_broken_nested_tars_no_end_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_MOST_BROKEN", 2)
    scanner = TarScanner("a.tar", nested=True, keep_broken=True)
    with pytest.raises(ArchiveRefused, match="gzip data"):
        scanner.feed(tar_of({f"{number}.tar": b"\x1f\x8b" for number in range(3)}))


def test_a_truncation_says_which_member_it_cuts() -> None:
    error = refusal(tar_of({"n01.tar": tar_of({"x.JPEG": b"x" * 5000})})[:3000])
    assert error.place == f"in x.JPEG of n01.tar, whose data begin at byte {2 * BLOCK}"
    assert error.expected == f"5000 bytes of data, up to byte {2 * BLOCK + 5000}"
    assert error.found == "the end of the file, at byte 3000"


def test_a_member_longer_than_its_nested_tar_is_refused_at_once() -> None:
    inner = header(b"x", 5000) + bytes(2048)
    error = refusal(tar_of({"n01.tar": inner})[: 2 * BLOCK])
    assert error.place == f"byte {BLOCK}, after n01.tar"
    assert error.expected == f"5000 bytes at byte {2 * BLOCK}"
    assert error.found == f"the end of it, at byte {BLOCK + len(inner)}"


@pytest.mark.parametrize("archive", [b"", header(), header() + bytes(BLOCK), bytes(BLOCK)])
def test_an_archive_without_an_end_marker_is_refused(archive: bytes) -> None:
    assert refusal(archive).what == ENDS_EARLY
    if archive:
        assert "a nested tar ends too early" in refusal(tar_of({"n01.tar": archive})).what


def test_a_nested_tar_without_a_byte_has_no_members() -> None:
    assert named_sizes(tar_of({"n01.tar": b"", "n02.tar": tar_of({"a": b"x"})})) == [
        ("n01.tar", 0),
        ("n02.tar", 10240),
        ("a", 1),
    ]


@pytest.mark.parametrize("name", ["._n01.tar", "__MACOSX/._n01.tar", "./PaxHeader/n01.tar"])
def test_clutter_that_is_named_like_a_tar_is_a_file_like_any_other(name: str) -> None:
    assert named_sizes(tar_of({name: b"\0\5\x16\7" * 30, "b": b"b"})) == [(name, 120), ("b", 1)]


def test_what_follows_the_end_marker_is_ignored() -> None:
    archive = tar_of({"n01.tar": header(b"x") + _END + b"junk" * 512})
    assert scan(archive + tar_of({"b": b""})) == scan(archive)
    assert len(scan(archive)) == 2


def test_a_refusal_stays_a_refusal() -> None:
    scanner = TarScanner("a.tar")
    with pytest.raises(ArchiveRefused) as first:
        scanner.feed(b"<html>" * 100)
    for call in (lambda: scanner.feed(_END), scanner.finish):
        with pytest.raises(ArchiveRefused) as again:
            call()
        assert again.value is first.value


_SMALL = tar_of({"n01.tar": tar_of({_LONG: b"l", "b": b"bb"}, tarfile.PAX_FORMAT), "é": b"c"})


@given(st.lists(st.tuples(st.integers(0, len(_SMALL) - 1), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_are_refused_or_harmless(damage: list[tuple[int, int]]) -> None:
    archive = bytearray(_SMALL)
    for at, value in damage:
        archive[at] = value
    with contextlib.suppress(ArchiveRefused):
        for member in scan(bytes(archive)):
            assert BLOCK <= member.offset <= member.offset + member.size <= len(archive)


def test_as_many_extended_headers_as_real_archives_have_are_read() -> None:
    attributes = b"".join(
        b"%d SCHILY.xattr.user.%03d=%s\n" % (30 + 8000, number, b"v" * 8002)
        for number in range(100)
    )
    archive = (extended(b"x", attributes) + pax("path", "a") + header()) * 3
    assert named_sizes(archive + _END) == [("a", 0)] * 3
