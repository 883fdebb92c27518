"""Images in Parquet files, read in any order: no row group is decoded for each image."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, stored

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.errors import NoPermission, OutputConflict, ShardmillError
from pipeline.storage.local import listing

GROUPS, ROWS = 16, 4


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The row groups whose images this process decodes, one after another."""
    groups = list[int]()
    read = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: Any = None, **more: Any) -> pa.Table:
        if columns == ["jpg"]:
            groups.append(group)
        return read(self, group, columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    return groups


@pytest.fixture
def images(tmp_path: Path) -> list[bytes | None]:
    """The images in a file, two of them of no bytes."""
    listed: list[bytes | None] = [bytes([n]) * (n % 7 + 1) for n in range(GROUPS * ROWS)]
    listed[5], listed[6] = None, b""
    table = pa.table({"jpg": pa.array(listed, pa.binary())})
    for name in ("a.parquet", "b.PARQUET"):
        pq.write_table(table, tmp_path / name, row_group_size=ROWS)
    return listed


def unpacked_files(root: Path) -> list[Path]:
    return [each for each in storage.unpacked_folder(root).glob("*") if each.is_file()]


def check(sources: storage.Sources, images: list[bytes | None], order: list[int]) -> None:
    for row in order:
        for name in ("a.parquet", "b.PARQUET"):
            expected = images[row] or b""
            assert bytes(sources.read(name, row + 1, len(expected))) == expected


def test_rows_in_any_order_decode_each_group_once(
    tmp_path: Path, images: list[bytes | None], decoded: list[int]
) -> None:
    order = random.Random(1).sample(range(len(images)), len(images))
    with packed_sources.open_sources(tmp_path) as sources:
        for row in order:
            sources.will_need("a.parquet", row + 1, 0)
        check(sources, images, order)
    assert len(decoded) <= 2 * GROUPS
    del decoded[:]
    with packed_sources.open_sources(tmp_path) as sources:  # such as another process, a shard later
        sources.will_need("a.parquet", len(images), 0)
        sources.will_need("a.parquet", 1, 0)
        check(sources, images, order)
    assert decoded == []


def test_rows_in_order_are_not_unpacked(
    tmp_path: Path, images: list[bytes | None], decoded: list[int]
) -> None:
    with packed_sources.open_sources(tmp_path) as sources:
        for row, image in enumerate(images):
            sources.will_need("a.parquet", min(row + 9, len(images)), 0)
            assert bytes(sources.read("a.parquet", row + 1, 9)) == (image or b"")
    assert decoded == list(range(GROUPS))
    assert unpacked_files(tmp_path) == []


def test_what_was_unpacked_and_is_damaged_or_gone_is_unpacked_again(
    tmp_path: Path, images: list[bytes | None]
) -> None:
    order = list(reversed(range(len(images))))
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, order)
    for number, path in enumerate(unpacked_files(tmp_path)):
        content = path.read_bytes()
        path.write_bytes((content[:-1], bytes(len(content)), content[:13], b"")[number % 4])
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, order)
        storage.give_up_unpacked(tmp_path)
        assert unpacked_files(tmp_path) == []
        check(sources, images, order)


def test_an_image_that_is_not_as_expected_is_decoded_anew(
    tmp_path: Path, images: list[bytes | None]
) -> None:
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, [9, 8, 1])
        for path in unpacked_files(tmp_path):
            path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        row = 8 // ROWS * ROWS + ROWS  # the last of its group, from 1
        sources.not_cached("a.parquet", row, 9)
        assert bytes(sources.read("a.parquet", row, 99)) == images[row - 1]


@pytest.mark.parametrize("name", ["unpacked_folder", "keep_unpacked", "is_unpacked"])
@pytest.mark.parametrize("error", [NoPermission("read-only"), OutputConflict("in the way")])
def test_what_cannot_be_unpacked_is_decoded(
    tmp_path: Path,
    images: list[bytes | None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: ShardmillError,
) -> None:
    monkeypatch.setattr(storage, name, Mock(side_effect=error))
    with packed_sources.open_sources(tmp_path) as sources:
        sources.will_need("a.parquet", 9, 0)
        sources.will_need("a.parquet", 1, 0)
        check(sources, images, [9, 3, 12, 5, 6, 3])
        sources.not_cached("a.parquet", 4, 9)
        check(sources, images, [3])


def test_what_was_unpacked_and_cannot_be_removed_is_not_read_again(
    tmp_path: Path, images: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, [9, 8, 1])
        for path in unpacked_files(tmp_path):
            path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        refused = Mock(side_effect=NoPermission("read-only"))
        monkeypatch.setattr(storage, "forget_unpacked", refused)
        row = 8 // ROWS * ROWS + ROWS  # the last of its group, from 1
        sources.not_cached("a.parquet", row, 9)
        sources.will_need("a.parquet", row, 9)
        assert bytes(sources.read("a.parquet", row, 99)) == images[row - 1]
        refused.assert_called_once()


def test_what_cannot_be_given_up_stays(
    tmp_path: Path, images: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, [9, 3])
    refused = Mock(side_effect=NoPermission("read-only"))
    monkeypatch.setattr("pipeline.storage.unpacked.deleting.carry_out", refused)
    storage.give_up_unpacked(tmp_path)
    assert unpacked_files(tmp_path)


def test_what_will_be_needed_may_be_gone(tmp_path: Path, images: list[bytes | None]) -> None:
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, [9, 3])
        storage.give_up_unpacked(tmp_path)
        sources.not_cached("a.parquet", 10, 9)  # has closed what was unpacked
        sources.will_need("a.parquet", 4, 9)
        check(sources, images, [3])


def test_without_room_groups_are_decoded_again(
    tmp_path: Path, images: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "free_bytes", lambda _folder: 0)
    with packed_sources.open_sources(tmp_path) as sources:
        check(sources, images, [9, 3, 12, 5, 6, 3])
    assert unpacked_files(tmp_path) == []


def test_a_shuffled_job_decodes_each_group_twice_at_most_and_leaves_nothing(
    tmp_path: Path, out: Path, decoded: list[int]
) -> None:
    drawn = [encoded(number) for number in range(24)]
    path = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"jpg": drawn}), path, row_group_size=3)
    words = ("imagelist", path, "--out", out, "--shards", 4)
    ended = shardmill(*words)
    assert ended.returncode == 0, ended.stderr
    assert sorted(decoded) == sorted([*range(8), *range(8)])  # when it is looked at, and for shards
    assert {image for _, image in stored(out, "tfrecord", "photos")} == {*drawn}
    assert "already complete" in shardmill(*words).stdout  # a command removes it when it ends
    assert unpacked_files(tmp_path) == []
