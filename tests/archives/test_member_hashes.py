from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from indexing import verify_and_index
from xxhash import xxh3_128_digest

from pipeline import manifest, paths, storage
from pipeline.archives import index, member_hashes
from pipeline.archives.index import ArchiveIndex
from pipeline.archives.member_hashes import KnownMembers, MemberHashes
from pipeline.documents.records import MemberHashesMark
from pipeline.errors import OutputDamaged

_MD5 = "0" * 32


def tar_of(files: dict[str, bytes], *, folders: tuple[str, ...] = ()) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


_SMALL = tar_of(
    {
        "n01.tar": tar_of({"x.JPEG": b"x" * 3000, "empty": b"", "ü" * 150: b"long name"}),
        "none.tar": b"",
        "readme": b"hello",
    },
    folders=("folder",),
)


def indexed(content: bytes, folder: Path) -> tuple[list[dict[str, object]], MemberHashes]:
    """Return the rows of an archive's index, and the hashes of its members."""
    archive, path = folder / "a.tar", folder / "a.index"
    archive.write_bytes(content)
    verify_and_index(archive, path, expected_md5=None, nested=True)
    parts = ArchiveIndex(path)
    rows = [row for part in range(len(parts)) for row in parts[part].to_pylist()]
    return rows, MemberHashes(path.with_suffix(".members"))


def offsets(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


# A step of 700 bytes cuts headers, contents and padding, and one of 512 ends where a header does.
@pytest.mark.parametrize("step", [1 << 20, 700, 512])
def test_every_member_but_a_nested_tar_has_the_hash_of_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("pipeline.archives.passage._STEP", step)
    rows, hashes = indexed(_SMALL, tmp_path)
    assert len(rows) == 7
    known = hashes.at(np.array([row["offset"] for row in rows], np.int64))
    for row, content in zip(rows, known, strict=True):
        start, size = row["offset"], row["size"]
        assert isinstance(start, int)
        assert isinstance(size, int)
        expected = xxh3_128_digest(_SMALL[start : start + size])
        assert content == (None if row["name"] == "n01.tar" else expected), row


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_hashes_are_found_in_whatever_batch_and_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(member_hashes, "_BATCH", batch)
    monkeypatch.setattr("pipeline.archives.passage._STEP", 1024)
    files = {f"{number}": bytes([number]) * 600 for number in range(20)}
    rows, hashes = indexed(tar_of(files), tmp_path)
    with pa.memory_map(str(tmp_path / "a.members")) as file:
        batches = pa.ipc.open_file(file).num_record_batches
    assert (batches == 1) == (batch == 1000)
    starts = [row["offset"] for row in reversed(rows)]
    expected = [xxh3_128_digest(bytes([number]) * 600) for number in reversed(range(20))]
    assert hashes.at(np.array(starts, np.int64)) == expected
    assert hashes.at(offsets(0, 511, 513, 1 << 60, 512)) == [None, None, None, None, expected[-1]]
    assert hashes.at(offsets()) == []


def test_an_archive_without_members_has_no_hashes(tmp_path: Path) -> None:
    rows, hashes = indexed(tar_of({}), tmp_path)
    assert rows == []
    assert hashes.at(offsets(0, 512)) == [None, None]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """An output folder with the member hashes of an archive ``a.tar``."""
    out = tmp_path / "out"
    archive, listing = tmp_path / "a.tar", paths.archive_index(out, "a.tar")
    archive.write_bytes(_SMALL)
    with (
        storage.StagedFile(listing) as staged,
        storage.StagedFile(paths.member_hashes(out, "a.tar")) as hashes,
    ):
        index.verify_and_index(archive, staged, hashes, expected_md5=None, nested=True)
        member_hashes.publish(out, "a.tar", _MD5, hashes)
    return out


def test_the_hashes_of_several_archives_are_looked_up_together(kept: Path) -> None:
    known = KnownMembers.of(kept, [("a.tar", _MD5), ("absent.tar", _MD5)])
    start = _SMALL.index(b"hello")
    sources = ["absent.tar", "a.tar", "b.tar", "a.tar"]
    assert (
        known.at(sources, [start, start, start, 3])
        == [None, xxh3_128_digest(b"hello")] + [None] * 2
    )
    assert KnownMembers().at(["a.tar"], [start]) == [None]


def put(out: Path, md5: str, content: bytes) -> None:
    """Publish what an archive ``a.tar`` holds, whatever is kept of one of that name."""
    archive = out.parent / "a.tar"
    archive.write_bytes(content)
    with (
        storage.StagedFile(paths.archive_index(out, "a.tar")) as staged,
        storage.StagedFile(paths.member_hashes(out, "a.tar")) as hashes,
    ):
        index.verify_and_index(archive, staged, hashes, expected_md5=None, nested=True)
        member_hashes.publish(out, "a.tar", md5, hashes)


def test_the_hashes_of_an_archive_that_was_replaced_stay(kept: Path) -> None:
    start, second = _SMALL.index(b"hello"), "2" * 32
    put(kept, second, _SMALL.replace(b"hello", b"HELLO"))
    for _ in range(2):  # the first archive comes back, and changes nothing of what is known
        for md5, content in ((_MD5, b"hello"), (second, b"HELLO")):
            known = KnownMembers.of(kept, [("a.tar", md5)])
            assert known.at(["a.tar"], [start]) == [xxh3_128_digest(content)]
        put(kept, _MD5, _SMALL)
    assert dict(member_hashes.of_replaced(kept)).keys() >= {second}
    assert member_hashes.load(kept, "a.tar", "1" * 32) is None


def test_what_is_not_whole_or_of_another_archive_counts_as_absent(kept: Path) -> None:
    assert member_hashes.load(kept, "a.tar", _MD5) is not None
    assert member_hashes.load(kept, "a.tar", "1" * 32) is None
    table = paths.member_hashes(kept, "a.tar")
    mark = member_hashes.mark_of(table)
    whole = table.read_bytes()
    for damaged in (whole[:-9], whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], b""):
        table.write_bytes(damaged)
        assert member_hashes.load(kept, "a.tar", _MD5) is None
    table.unlink()
    assert member_hashes.load(kept, "a.tar", _MD5) is None
    table.write_bytes(whole)
    assert member_hashes.load(kept, "a.tar", _MD5) is not None
    mark.write_bytes(mark.read_bytes()[:-1])
    assert member_hashes.load(kept, "a.tar", _MD5) is None


def test_a_table_of_other_columns_or_with_holes_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "table.arrow"
    holes = pa.record_batch(
        [pa.array([512]), pa.array([None], pa.binary(16))], member_hashes.SCHEMA
    )
    other = pa.record_batch({"offset": [512]})
    for batch in (holes, other):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as sink:
            sink.write_batch(batch)
        with pytest.raises(OutputDamaged):
            MemberHashes(path)


def test_the_mark_says_of_which_archive_they_are(kept: Path) -> None:
    mark = manifest.read(
        member_hashes.mark_of(paths.member_hashes(kept, "a.tar")), MemberHashesMark
    )
    assert (mark.archive, mark.md5) == ("a.tar", _MD5)
    assert [entry.file for entry in mark.files] == [".shardmill/archives/a.tar.members.arrow"]


def test_the_same_archive_makes_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        indexed(_SMALL, tmp_path / name)
        found.append((tmp_path / name / "a.members").read_bytes())
    assert found[0] == found[1]
