"""The plan: a catalog in shard order, of which a worker reads its own rows and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import catalog, plan, storage
from pipeline.errors import OutputDamaged, Vanished
from pipeline.sharding import boundaries, permutation

WNIDS = ("n01", "n02", "n03")


def images(count: int) -> pa.Table:
    """A catalog of some images, in chunks whose dictionaries differ."""
    rows = [
        {
            "key": f"{WNIDS[number % 3]}/ü_{number}.JPEG",
            "source": "train.tar",
            "offset": 512 * number,
            "length": 100 + number,
            "class_index": number % 3,
            "synset": WNIDS[number % 3],
            "text": f"class {number % 3}",
            "boxes": [0.25, 0.5, 0.75, 1.0] * (number % 4),
        }
        for number in range(count)
    ]
    rows.sort(key=lambda row: str(row["key"]).encode())
    halves = [rows[: count // 2], rows[count // 2 :]]
    return pa.concat_tables(pa.Table.from_pylist(half, catalog.SCHEMA) for half in halves)


def write(path: Path, rows: pa.Table, shards: int) -> Path:
    with storage.StagedFile(path) as staged:
        plan.write(staged, rows, boundaries(rows.num_rows, shards))
        storage.publish(staged)
    return path


def rows_of(path: Path, shards: Sequence[int]) -> list[dict[str, object]]:
    return [row for shard in shards for row in plan.read_shard(path, shard).to_pylist()]


def test_a_catalog_is_arranged_by_key(tmp_path: Path) -> None:
    rows = images(50)
    keys = rows["key"].to_pylist()
    ordered = plan.arrange(rows, "hash", 7)
    assert ordered["key"].to_pylist() == [keys[place] for place in permutation(keys, "hash", 7)]
    by_key = {row["key"]: row for row in rows.to_pylist()}
    assert ordered.to_pylist() == [by_key[key] for key in ordered["key"].to_pylist()]


@pytest.mark.parametrize(("count", "shards"), [(50, 7), (9, 9), (1, 1), (50, 1)])
def test_the_shards_are_the_rows_cut_at_the_boundaries(
    tmp_path: Path, count: int, shards: int
) -> None:
    rows = plan.arrange(images(count), "hash", 0)
    path = write(tmp_path / "plan", rows, shards)
    assert rows_of(path, range(shards)) == rows.to_pylist()
    places = boundaries(count, shards)
    for shard in range(shards):
        batch = plan.read_shard(path, shard)
        assert batch.schema == catalog.SCHEMA
        assert batch.num_rows == places[shard + 1] - places[shard]


def test_equal_catalogs_give_equal_bytes_however_they_lie_in_memory(tmp_path: Path) -> None:
    rows = images(50)
    files = [
        write(tmp_path / str(number), plan.arrange(table, "hash", 3), 4)
        for number, table in enumerate(
            (rows, rows.combine_chunks(), pa.concat_tables([rows[:7], rows[7:]]))
        )
    ]
    assert len({file.read_bytes() for file in files}) == 1


def test_a_shard_is_read_without_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", images(60_000), 1_000)
    before = pa.total_allocated_bytes()
    batch = plan.read_shard(path, 500)
    assert batch.num_rows == 60
    assert pa.total_allocated_bytes() - before < path.stat().st_size // 100


def test_a_plan_that_is_gone_or_damaged_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", images(20), 2)
    with pytest.raises(Vanished):
        plan.read_shard(tmp_path / "absent", 0)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(OutputDamaged) as refusal:
        plan.read_shard(path, 0)
    assert refusal.value.file == str(path)


def test_a_catalog_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = images(20)
    files = [tmp_path / "a", tmp_path / "b"]
    for path in files:
        with storage.StagedFile(path) as staged:
            catalog.write(staged, rows)
            storage.publish(staged)
    assert catalog.read(files[0]).schema == catalog.SCHEMA
    assert catalog.read(files[0]).to_pylist() == rows.to_pylist()
    assert files[0].read_bytes() == files[1].read_bytes()
