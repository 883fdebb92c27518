"""The plan: a catalog in shard order, of which a worker reads its own rows and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from catalogrows import as_before, objects

from pipeline import storage
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.catalog.order import ORDERS, boundaries, permutation
from pipeline.errors import OutputDamaged, Vanished

WNIDS = ("n01", "n02", "n03")


def images(count: int) -> pa.Table:
    """A catalog of some images, in chunks whose dictionaries differ."""
    rows = [
        {
            "key": f"{WNIDS[number % 3]}/ü_{number}.JPEG",
            "filename": f"ü_{number}.JPEG",
            "source": "train.tar",
            "offset": 512 * number,
            "length": 100 + number,
            "class_index": number % 3,
            "class_id": WNIDS[number % 3],
            "class_text": f"class {number % 3}",
            "line": 0,
            "objects": objects([0.25, 0.5, 0.75, 1.0] * (number % 4), [number] * (number % 4)),
        }
        for number in range(count)
    ]
    rows.sort(key=lambda row: str(row["key"]).encode())
    halves = [rows[: count // 2], rows[count // 2 :]]
    return pa.concat_tables(pa.Table.from_pylist(half, catalog.SCHEMA) for half in halves)


def listed(path: Path, rows: pa.Table, group: int = 13) -> Path:
    """A catalog of these rows in small row groups."""
    with storage.StagedFile(path) as staged:
        catalog.write(staged, [rows[start : start + group] for start in range(0, len(rows), group)])
        storage.publish(staged)
    return path


def arranged(folder: Path, rows: pa.Table, order: str = "hash", seed: int = 0) -> pa.Table:
    path = listed(folder / "catalog", rows)
    return pa.concat_tables(plan.arrange(path, len(rows), order, seed, folder / "plan"))


def write(path: Path, tables: Sequence[pa.Table], shards: int) -> Path:
    with storage.StagedFile(path) as staged:
        plan.write(staged, tables, boundaries(sum(map(len, tables)), shards))
        storage.publish(staged)
    return path


def rows_of(path: Path, shards: Sequence[int]) -> list[dict[str, object]]:
    return [row for shard in shards for row in plan.read_shard(path, shard).to_pylist()]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rows_at_once", [7, 1 << 16])
def test_a_catalog_is_arranged_whatever_the_number_of_rows_that_are_held(
    tmp_path: Path, order: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_BUCKET", rows_at_once)
    rows = images(50)
    keys, groups = rows["key"].to_pylist(), rows["class_id"].to_pylist()
    ordered = arranged(tmp_path, rows, order, 7)
    places = permutation(keys, order, 7, groups)
    by_key = {row["key"]: row for row in rows.to_pylist()}
    assert ordered.to_pylist() == [by_key[keys[place]] for place in places]
    assert [path.name for path in tmp_path.iterdir()] == ["catalog"]


@pytest.mark.parametrize(("count", "shards"), [(50, 7), (9, 9), (1, 1), (50, 1)])
def test_the_shards_are_the_rows_cut_at_the_boundaries(
    tmp_path: Path, count: int, shards: int
) -> None:
    rows = arranged(tmp_path, images(count))
    path = write(tmp_path / "plan", [rows[:7], rows[7:]], shards)
    assert rows_of(path, range(shards)) == rows.to_pylist()
    places = boundaries(count, shards)
    for shard in range(shards):
        batch = plan.read_shard(path, shard)
        assert batch.schema == catalog.SCHEMA
        assert batch.num_rows == places[shard + 1] - places[shard]


def test_equal_catalogs_give_equal_bytes_however_they_lie_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, files = images(50), []
    for group, rows_at_once in ((3, 50), (50, 50), (7, 9)):
        monkeypatch.setattr(plan, "_BUCKET", rows_at_once)
        path = listed(tmp_path / "catalog", rows, group)
        tables = list(plan.arrange(path, len(rows), "hash", 3, tmp_path / "plan"))
        files.append(write(tmp_path / str(group), tables, 4).read_bytes())
    assert len(set(files)) == 1


def test_a_shard_is_read_without_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", [images(18_000).combine_chunks()], 300)
    before = pa.total_allocated_bytes()
    batch = plan.read_shard(path, 150)
    assert batch.num_rows == 60
    assert pa.total_allocated_bytes() - before < path.stat().st_size // 100


def test_the_first_key_of_each_shard_is_known(tmp_path: Path) -> None:
    rows = images(20).combine_chunks()
    path = write(tmp_path / "plan", [rows], 3)
    keys = rows["key"].to_pylist()
    assert plan.first_keys(path, 3) == [keys[place] for place in boundaries(20, 3)[:3]]
    with pytest.raises(OutputDamaged):
        plan.first_keys(path, 4)


def test_where_the_images_lie_is_known_without_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", [images(20).combine_chunks()], 3)
    before = [batch["source"] for batch in plan.read(path)]
    path.write_bytes(path.read_bytes().replace("ü_".encode(), b"\xff\xff_"))
    assert list(plan.sources(path)) == before
    with pytest.raises(OutputDamaged):
        list(plan.read(path))
    path.write_bytes(path.read_bytes().replace(b"train.tar", b"\xff.tar.tar"))
    with pytest.raises(OutputDamaged):
        list(plan.sources(path))


def test_values_are_compared_in_all_columns_but_some(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", [images(20).combine_chunks()], 2)
    one, other = plan.read_shard(path, 0), plan.read_shard(path, 1)
    assert plan.same_values(one, plan.read_shard(path, 0), ())
    assert not plan.same_values(one, other, ())
    assert plan.same_values(one, other, catalog.SCHEMA.names)
    assert not plan.same_values(one, other.slice(1), catalog.SCHEMA.names)
    sized = one.append_column("width", pa.array([5] * one.num_rows, pa.int32()))
    assert not plan.same_values(one, sized, ())  # an image of another size would be refused
    assert plan.same_values(sized, sized, ())


def test_a_plan_that_is_gone_or_damaged_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", [images(20).combine_chunks()], 2)
    with pytest.raises(Vanished):
        plan.read_shard(tmp_path / "absent", 0)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(OutputDamaged) as refusal:
        plan.read_shard(path, 0)
    assert refusal.value.file == str(path)


def test_a_shard_of_other_rows_than_were_planned_is_refused(tmp_path: Path) -> None:
    rows = images(20).combine_chunks()
    with storage.StagedFile(tmp_path / "plan") as staged:
        hashes = plan.write(staged, [rows], boundaries(20, 2))
        storage.publish(staged)
    assert plan.read_shard(tmp_path / "plan", 1, hashes[1]).num_rows == 10
    with pytest.raises(OutputDamaged, match="the plan is not as it was written") as refusal:
        plan.read_shard(tmp_path / "plan", 0, hashes[1])
    assert refusal.value.place == "shard 0"


def test_a_plan_of_an_earlier_version_is_read_as_one_of_this(tmp_path: Path) -> None:
    now = images(3).unify_dictionaries().combine_chunks()
    (batch,) = as_before(now).combine_chunks().to_batches()
    with pa.ipc.new_file(str(tmp_path / "plan"), batch.schema) as writer:
        writer.write_batch(batch)
    found = plan.read_shard(tmp_path / "plan", 0, plan._hash(batch))
    assert found.schema == catalog.SCHEMA
    assert catalog.dicts(found) == catalog.dicts(now)
