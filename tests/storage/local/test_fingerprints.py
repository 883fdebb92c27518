"""Fingerprints of files: kept, read back, and compared with how files look now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from pipeline import storage
from pipeline.documents import fingerprint_tables
from pipeline.errors import OutputDamaged
from pipeline.storage.local import fingerprints
from pipeline.storage.local.fingerprints import FileStamps, FingerprintsBuilder

FILES = {"b.jpg": 11, "a/ü.jpg": 12, "c.jpg": 13}


def builder() -> FingerprintsBuilder:
    found = FingerprintsBuilder()
    for name, stamp in FILES.items():
        found.add(name, stamp, xxhash.xxh3_128_digest(name.encode()))
    return found


def stamps(files: dict[str, int]) -> FileStamps:
    values = np.fromiter(files.values(), np.uint64, len(files))
    return FileStamps.of(fingerprints.path_hashes(list(files)), values)


def test_a_table_is_read_back_as_it_was_published(tmp_path: Path) -> None:
    path, table = tmp_path / "sources" / "00000.arrow", builder().table()
    assert fingerprint_tables.load(path, tmp_path) is None
    fingerprint_tables.publish(path, table, tmp_path, root="/images")
    loaded = fingerprint_tables.load(path, tmp_path)
    assert loaded is not None
    assert loaded[1].equals(table)
    assert (loaded[0].root, loaded[0].content) == (
        "/images",
        fingerprints.content_digest(table),
    )


@pytest.mark.parametrize("suffix", [".arrow", ".json"])
def test_no_byte_of_it_may_change(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "00000.arrow"
    fingerprint_tables.publish(path, builder().table(), tmp_path)
    victim = path.with_suffix(suffix)
    content = victim.read_bytes()
    for place in range(0, len(content), 97):
        victim.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(OutputDamaged):
            fingerprint_tables.load(path, tmp_path)


def test_a_table_without_its_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "00000.arrow"
    fingerprint_tables.publish(path, builder().table(), tmp_path)
    path.unlink()
    with pytest.raises(OutputDamaged, match="gone"):
        fingerprint_tables.load(path, tmp_path)


def test_contents_and_paths_are_in_the_digest_and_stamps_are_not() -> None:
    table = builder().table()
    names, contents = table["path"].to_pylist(), table["content"].to_pylist()
    others = np.array([1, 2, 3], np.uint64)
    digest = fingerprints.content_digest(table)
    assert fingerprints.content_digest(fingerprints.table(names, others, contents)) == digest
    for changed in ((names[::-1], contents), (names, contents[::-1]), (names, [None] * 3)):
        found = fingerprints.table(changed[0], others, changed[1])
        assert fingerprints.content_digest(found) != digest


def test_files_that_look_different_are_told_from_the_rest() -> None:
    kept = builder().table()
    for now, rows in (
        (FILES, []),
        (FILES | {"z.jpg": 1}, []),
        (FILES | {"c.jpg": 9, "b.jpg": storage.ABSENT}, [0, 2]),
    ):
        found = stamps(now).differing(kept)
        assert found is not None
        assert found.tolist() == rows


@pytest.mark.parametrize("now", [{}, {"b.jpg": 11, "a/ü.jpg": 12}])
def test_of_files_that_are_not_known_nothing_is_said(now: dict[str, int]) -> None:
    assert stamps(now).differing(builder().table()) is None


def test_many_files_are_read_in_their_order(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(150)]
    for name in names:
        (tmp_path / name).write_text(name)
    contents = [content for _, content in fingerprints.read_files(tmp_path, names)]
    assert contents == [xxhash.xxh3_128_digest(name.encode()) for name in names]


def test_the_columns_are_those_of_the_schema() -> None:
    assert builder().table().schema.equals(fingerprints.SCHEMA)
    assert fingerprints.table(pa.array(["a"]), np.array([7], np.uint64), [None]).num_rows == 1
