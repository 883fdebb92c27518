"""Facts: a row per image, a row group per shard."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import OutputDamaged
from pipeline.formats.record import Placement
from pipeline.shards import facts

_MANY = 1000


def shard_facts(shard: int, records: int) -> facts.FactsBuilder:
    builder = facts.FactsBuilder(shard)
    for record in range(records):
        placement = Placement(1000 * record, 900 + record)
        repair = "png" if record == 1 else None
        content = f"{record:032x}"
        builder.add(f"k{shard}/{record}", placement, (640, 480), "RGB", 700, repair, content)
    return builder


def write(path: Path, *builders: facts.FactsBuilder) -> Path:
    memory = io.BytesIO()
    facts.write(memory, [builder.table() for builder in builders])
    path.write_bytes(memory.getvalue())
    return path


def test_a_row_says_what_was_added() -> None:
    builder = shard_facts(3, 2)
    assert builder.records == 2
    table = builder.table()
    assert table.schema == facts.SCHEMA
    assert table.to_pylist()[1] == {
        "key": "k3/1",
        "shard": 3,
        "record": 1,
        "offset": 1000,
        "length": 901,
        "width": 640,
        "height": 480,
        "mode": "RGB",
        "bytes": 700,
        "repair": "png",
        "xxh3_128": f"{1:032x}",
    }
    assert table["repair"].to_pylist() == [None, "png"]


def test_facts_of_a_shard_that_gets_another_number_have_the_bytes_of_built_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "facts.arrow"
    path.write_bytes(facts.slice_bytes(shard_facts(3, 9).table()))
    builder = facts.FactsBuilder(7, [(row[0], 7, *row[2:]) for row in shard_facts(3, 9).rows])
    renumbered = facts.renumbered(facts.read_slice(path, 9), 7)
    assert facts.slice_bytes(renumbered) == facts.slice_bytes(builder.table())


def test_all_shards_are_read_together_or_one_by_one(tmp_path: Path) -> None:
    builders = [shard_facts(shard, shard + 1) for shard in range(4)]
    path = write(tmp_path / "facts", *builders)
    rows = [row for builder in builders for row in builder.table().to_pylist()]
    assert facts.read(path).schema == facts.SCHEMA
    assert facts.read(path).to_pylist() == rows
    for shard in range(4):
        assert (
            facts.read_shard(path, shard, _MANY).to_pylist() == builders[shard].table().to_pylist()
        )


def test_a_shard_of_more_than_a_million_images_is_still_one_row_group(tmp_path: Path) -> None:
    row, count = shard_facts(0, 1).table(), (1 << 20) + 1
    keys = pa.array(range(count)).cast(pa.string())
    many = row.take([0] * count).set_column(0, "key", keys)
    memory = io.BytesIO()
    facts.write(memory, [many, row])
    (tmp_path / "facts").write_bytes(memory.getvalue())
    assert facts.read_shard(tmp_path / "facts", 0, many.num_rows).num_rows == many.num_rows
    assert facts.read_shard(tmp_path / "facts", 1, 1).num_rows == 1


def test_equal_facts_give_equal_bytes(tmp_path: Path) -> None:
    files = [write(tmp_path / name, shard_facts(0, 5), shard_facts(1, 5)) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_damaged_facts_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "facts", shard_facts(0, 5))
    content = path.read_bytes()
    for damage in (b"", content[:-9], b"\xff" * len(content)):
        path.write_bytes(damage)
        for read in (facts.read, lambda path: facts.read_shard(path, 0, _MANY)):
            with pytest.raises(OutputDamaged) as refusal:
                read(path)
            assert refusal.value.file == str(path)
