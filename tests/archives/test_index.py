from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from indexing import verify_and_index
from support import mini_source

from pipeline.archives import index
from pipeline.archives.index import (
    ArchiveIndex,
    VerifiedArchive,
    verify_only,
)
from pipeline.archives.tar import Member
from pipeline.errors import ArchiveMissing, ArchiveRefused, OutputDamaged, TransientError
from pipeline.storage import FileInfo


def tar_of(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


_NESTED = tar_of({"n01.tar": tar_of({"x.JPEG": b"x" * 3000, "y.JPEG": b"y"}), "readme": b"hello"})


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "raw" / "a.tar"
    path.parent.mkdir()
    path.write_bytes(_NESTED)
    return path


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.index.parquet"


def refused(archive: Path, out: Path, md5: str | None, size: int | None = None) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        verify_and_index(archive, out, expected_md5=md5, expected_size=size, nested=True)
    assert list(out.parent.iterdir()) == []
    assert caught.value.file == str(archive)
    return caught.value


def read_index(listing: Path) -> pa.Table:
    parts = ArchiveIndex(listing)
    nothing = index.INDEX_SCHEMA.empty_table()
    return pa.concat_tables([nothing, *(parts[part] for part in range(len(parts)))])


def test_a_right_archive_is_indexed(archive: Path, listing: Path) -> None:
    md5 = md5_of(_NESTED)
    found = verify_and_index(archive, listing, expected_md5=md5.upper(), nested=True)
    info = FileInfo(len(_NESTED), str(archive.stat().st_mtime_ns))
    assert found == VerifiedArchive("a.tar", info, md5, 4)
    assert sorted(os.listdir(listing.parent)) == ["a.index.members", listing.name]
    table = read_index(listing)
    assert table.schema.equals(index.INDEX_SCHEMA)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("", "n01.tar", 512, 10240, "file"),
        ("n01.tar", "x.JPEG", 1024, 3000, "file"),
        ("n01.tar", "y.JPEG", 1024 + 3072 + 512, 1, "file"),
        ("", "readme", 512 + 10240 + 512, 5, "file"),
    ]


def test_nested_tars_stay_closed_unless_asked_for(archive: Path, listing: Path) -> None:
    assert verify_and_index(archive, listing, expected_md5=None, nested=False).members == 2
    assert read_index(listing)["name"].to_pylist() == ["n01.tar", "readme"]


def test_an_empty_tar_has_an_empty_index(archive: Path, listing: Path) -> None:
    archive.write_bytes(tar_of({}))
    assert verify_and_index(archive, listing, expected_md5=None, nested=True).members == 0
    assert read_index(listing).num_rows == 0


def test_the_same_archive_makes_the_same_bytes(archive: Path, listing: Path) -> None:
    verify_and_index(archive, listing, expected_md5=None, nested=True)
    os.utime(archive, ns=(0, 0))
    again = listing.with_name("again.parquet")
    verify_and_index(archive, again, expected_md5=None, nested=True)
    assert again.read_bytes() == listing.read_bytes()


@pytest.mark.parametrize("sizes", [[10, 10, 5], [10, 10], [10], [1]])
def test_rows_are_written_in_groups_of_bounded_size(
    archive: Path, listing: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    monkeypatch.setattr(index, "_ROW_GROUP", 10)
    names = [f"{number}.JPEG" for number in range(sum(sizes))]
    archive.write_bytes(tar_of(dict.fromkeys(names, b"x")))
    assert verify_and_index(archive, listing, expected_md5=None, nested=True).members == sum(sizes)
    groups = pq.ParquetFile(listing).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == sizes
    assert read_index(listing)["name"].to_pylist() == names


def test_a_wrong_md5_is_refused_with_both(archive: Path, listing: Path) -> None:
    error = refused(archive, listing, "0" * 32, 99)
    assert error.what == "the archive does not have the published MD5"
    assert error.expected == f"MD5 {'0' * 32}, 99 bytes"
    assert error.found == f"MD5 {md5_of(_NESTED)}, {len(_NESTED)} bytes"
    assert "another archive" in str(error.remedy)


def test_a_wrong_md5_comes_with_what_the_scan_found(archive: Path, listing: Path) -> None:
    archive.write_bytes(_NESTED[:3000])
    error = refused(archive, listing, md5_of(_NESTED))
    assert error.found == (
        f"MD5 {md5_of(_NESTED[:3000])}, 3000 bytes\n"
        "the tar archive ends too early: in x.JPEG of n01.tar, whose data begin at byte 1024, "
        "expected 3000 bytes of data, up to byte 4024, found the end of the file, at byte 3000"
    )
    assert error.remedy == "the download broke off; download it again"


def test_a_malformed_archive_is_hashed_to_its_end(archive: Path, listing: Path) -> None:
    content = b"no tar" * 500_000
    archive.write_bytes(content)
    error = refused(archive, listing, md5_of(_NESTED))
    assert f"MD5 {md5_of(content)}, {len(content)} bytes\nno tar header" in str(error.found)


@pytest.mark.parametrize("cut", [0, 512, 3000, len(_NESTED) - 10_240])
def test_a_cut_tar_of_the_right_md5_is_refused(archive: Path, listing: Path, cut: int) -> None:
    archive.write_bytes(_NESTED[:cut])
    assert refused(archive, listing, md5_of(_NESTED[:cut])).what == "the tar archive ends too early"


@pytest.mark.parametrize(
    ("name", "content", "missing", "cause"),
    [
        ("a.tar", b"<!DOCTYPE html><title>Log in</title>", None, "a web page was saved"),
        ("a.tar.gz", tar_of({}), None, "decompressed on the way, as some browsers do"),
        ("a.tgz", tar_of({}), 1, "decompressed on the way, as some browsers do"),
        ("a.tar", _NESTED, 5, "broke off: the last 5 bytes are missing"),
        ("a.tar.gz", gzip.compress(b"", mtime=0), 7, "broke off: the last 7 bytes are missing"),
        ("a.tar", _NESTED, 0, "damaged on the way, or is another archive"),
        ("a.tar", b"", None, "the download broke off"),
    ],
)
def test_a_wrong_md5_comes_with_its_likely_cause(
    archive: Path, listing: Path, name: str, content: bytes, missing: int | None, cause: str
) -> None:
    given = archive.with_name(name)
    given.write_bytes(content)
    size = None if missing is None else len(content) + missing
    if name == "a.tar":
        assert cause in str(refused(given, listing, "0" * 32, size).remedy)
    else:
        with pytest.raises(ArchiveRefused) as caught:
            verify_only(given, expected_md5="0" * 32, expected_size=size)
        assert cause in str(caught.value.remedy)


@pytest.mark.parametrize("archive_bytes", [_NESTED[:3000], _NESTED[:600] + b"?" * 5000])
def test_no_download_is_advised_where_the_md5_is_right(
    archive: Path, listing: Path, archive_bytes: bytes
) -> None:
    archive.write_bytes(archive_bytes)
    error = refused(archive, listing, md5_of(archive_bytes))
    assert "another download would be no different" in str(error.remedy)


@pytest.mark.parametrize("right", [True, False])
def test_of_a_foreign_class_tar_far_inside_the_md5_is_known_first(
    archive: Path, listing: Path, right: bool
) -> None:
    packed = gzip.compress(tar_of({"x.JPEG": b"x"}))
    content = tar_of({"a.tar": tar_of({"x.JPEG": bytes(2 << 20)}), "b.tar": packed})
    archive.write_bytes(content)
    error = refused(archive, listing, md5_of(content) if right else "0" * 32)
    assert ("nothing is damaged" in str(error.remedy)) == right
    assert ("download it again" in str(error.remedy)) != right
    assert "gzip data, and no tar archive" in (error.what if right else str(error.found))


def test_an_archive_with_a_first_member_that_is_not_expected_is_not_read_to_its_end(
    archive: Path, listing: Path
) -> None:
    archive.write_bytes(tar_of({"._a": b"", "b": bytes(9 << 20), "c": b""}))
    seen, read = [], list[int]()

    def check(member: Member) -> None:
        seen.append(member.name)
        raise ArchiveRefused("not this", file=str(archive))

    with pytest.raises(ArchiveRefused, match="not this"):
        verify_and_index(
            archive,
            listing,
            expected_md5=None,
            nested=True,
            progress=read.append,
            check_first=check,
        )
    assert (seen, read, os.listdir(listing.parent)) == (["b"], [], [])


def test_only_the_first_member_is_checked_at_once(archive: Path, listing: Path) -> None:
    seen: list[str] = []
    verify_and_index(
        archive,
        listing,
        expected_md5=None,
        nested=True,
        check_first=lambda member: seen.append(member.name),
    )
    assert seen == ["n01.tar"]


def test_an_index_in_place_outlives_a_refusal(archive: Path, listing: Path) -> None:
    verify_and_index(archive, listing, expected_md5=None, nested=True)
    before = listing.read_bytes()
    with pytest.raises(ArchiveRefused):
        verify_and_index(archive, listing, expected_md5="0" * 32, nested=True)
    assert listing.read_bytes() == before
    assert sorted(os.listdir(listing.parent)) == ["a.index.members", listing.name]


def test_the_size_decides_where_no_md5_is_known(archive: Path, listing: Path) -> None:
    error = refused(archive, listing, None, len(_NESTED) - 1)
    assert error.what == "the archive does not have the published size"
    assert error.expected == f"{len(_NESTED) - 1} bytes"
    verify_and_index(archive, listing, expected_md5=None, expected_size=len(_NESTED), nested=True)


def test_a_right_md5_overrules_a_wrong_size(archive: Path, listing: Path) -> None:
    md5 = md5_of(_NESTED)
    found = verify_and_index(archive, listing, expected_md5=md5, expected_size=1, nested=True)
    assert found.info.size == len(_NESTED)


@pytest.mark.parametrize("name", ["none.tar", "raw", "raw/a.tar/below.tar"])
def test_an_archive_that_is_no_file_is_missing(archive: Path, listing: Path, name: str) -> None:
    missing = archive.parents[1] / name
    with pytest.raises(ArchiveMissing, match="the archive is not there"):
        verify_and_index(missing, listing, expected_md5=None, nested=True)
    with pytest.raises(ArchiveMissing, match="the archive is not there"):
        verify_only(missing, expected_md5=None)
    assert list(listing.parent.iterdir()) == []


@pytest.mark.parametrize("change", ["grows", "is replaced", "is removed"])
def test_an_archive_that_changes_while_it_is_read_may_be_tried_again(
    archive: Path, listing: Path, change: str
) -> None:
    def disturb(_: int) -> None:
        if change == "grows":
            with archive.open("ab") as file:
                file.write(b"more")
        elif archive.exists():
            archive.unlink()
            if change == "is replaced":
                archive.write_bytes(_NESTED)
                os.utime(archive, ns=(1, 1))

    with pytest.raises(TransientError, match="changed while it was read") as caught:
        verify_and_index(archive, listing, expected_md5="0" * 32, nested=True, progress=disturb)
    assert not caught.value.permanent
    assert list(listing.parent.iterdir()) == []


def test_progress_is_told_every_16_mebibytes_and_at_the_end(archive: Path, listing: Path) -> None:
    content = tar_of({"big": bytes(40 << 20)})
    archive.write_bytes(content)
    told: list[int] = []
    verify_and_index(archive, listing, expected_md5=None, nested=True, progress=told.append)
    assert told == [16 << 20, 32 << 20, len(content)]


def test_a_compressed_archive_is_only_hashed(archive: Path) -> None:
    content = gzip.compress(_NESTED)
    given = archive.with_name("a.tgz")
    given.write_bytes(content)
    found = verify_only(given, expected_md5=md5_of(content), expected_size=len(content))
    assert (found.name, found.md5, found.members) == ("a.tgz", md5_of(content), 0)
    with pytest.raises(ArchiveRefused, match="does not have the published MD5"):
        verify_only(given, expected_md5=md5_of(b""))


def test_a_damaged_index_is_refused(archive: Path, listing: Path) -> None:
    verify_and_index(archive, listing, expected_md5=None, nested=True)
    good = listing.read_bytes()
    pq.write_table(pa.table({"name": ["x"]}), listing)
    other = listing.read_bytes()
    for content in (other, b"junk" * 100, good[:-5], good[: len(good) // 2], b"PAR1" + good[9:]):
        listing.write_bytes(content)
        with pytest.raises(OutputDamaged, match="the index of an archive is damaged"):
            read_index(listing)


def test_the_real_mini_set_is_indexed(tmp_path: Path) -> None:
    source = mini_source()
    if source is None:
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
    expected = json.loads((source / "EXPECTED.json").read_text())
    tables = {}
    for name, facts in expected["archives"].items():
        md5, listing = facts["md5"], tmp_path / name
        if name.endswith(".tar"):
            found = verify_and_index(source / name, listing, expected_md5=md5, nested=True)
            tables[name] = read_index(listing).to_pylist()
            assert found.members == len(tables[name])
        else:
            found = verify_only(source / name, expected_md5=md5)
        assert found.info.size == facts["bytes"]
    train = Counter(row["container"] for row in tables["ILSVRC2012_img_train.tar"])
    classes = {f"{wnid}.tar" for wnid in expected["train_classes"]}
    assert train.pop("") == len(classes)
    assert train.keys() == classes
    assert train.total() == expected["train_images"]
    assert len(tables["ILSVRC2012_img_val.tar"]) == expected["val_images"]
    for name, rows in tables.items():
        content = (source / name).read_bytes()
        images = [row for row in rows if not row["name"].endswith(".tar")]
        starts = Counter(content[row["offset"] :][:3] for row in images)
        assert set(starts) <= {b"\xff\xd8\xff", b"\x89PN"}
