"""The rows of a plan by segment: each segment reads its own, and damage is noticed."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.segments.layout import SegmentLayout
from pipeline.segments.rows import ROW, RUN, UNKNOWN, WrittenRows, read_rows, write_rows

LAYOUT = SegmentLayout("0" * 12, ("a.tar", "b.tar"), (50_000, 70_000), 16_000, 5)


class Known:
    """Knows what images with an even offset were."""

    def at(self, sources: Sequence[str], offsets: Sequence[int]) -> list[bytes | None]:
        pairs = zip(sources, offsets, strict=True)
        return [None if offset % 2 else known(source, offset) for source, offset in pairs]


def known(source: str, offset: int) -> bytes:
    return xxhash.xxh3_128_digest(f"{source} {offset}".encode())


def drawn(chance: random.Random, shards: int, images: int) -> list[pa.RecordBatch]:
    """Return a plan of images that lie anywhere; some of them in no archive."""
    archives = {"a.tar": 50_000, "b.tar": 70_000, "elsewhere": 1000}
    plan = []
    for _ in range(shards):
        sources = chance.choices(list(archives), k=images)
        columns = {
            "source": sources,
            "offset": [chance.randrange(archives[source]) for source in sources],
            "length": [chance.randrange(10_000) for _ in sources],
        }
        plan.append(pa.record_batch(columns))
    return plan


def expected(plan: list[pa.RecordBatch], segment: int) -> list[tuple[object, ...]]:
    """Return the rows of a segment, found by looking at each row of the plan."""
    found = list[tuple[object, ...]]()
    for shard, batch in enumerate(plan):
        for place, row in enumerate(batch.to_pylist()):
            source, offset = row["source"], row["offset"]
            if source not in LAYOUT.archives:
                continue
            position = offset + (50_000 if source == "b.tar" else 0)
            if position // LAYOUT.segment_bytes == segment:
                was = UNKNOWN if offset % 2 else known(source, offset)
                found.append((position, row["length"], shard, place, was))
    return found


def written(plan: list[pa.RecordBatch], place: Path, at_once: int = 37) -> WrittenRows:
    with storage.StagedFile(place) as staged:
        found = write_rows(staged, LAYOUT, plan, Known(), at_once=at_once)
        storage.publish(staged)
    return found


@pytest.mark.parametrize("at_once", [1, 37, 100, 10_000])
def test_each_segment_reads_its_rows_in_the_order_of_the_plan(
    tmp_path: Path, chance: random.Random, at_once: int
) -> None:
    plan = drawn(chance, 5, 60)
    found = written(plan, tmp_path / "rows", at_once)
    rows = [read_rows(tmp_path / "rows", found, number) for number in range(LAYOUT.segments)]
    assert [each.tolist() for each in rows] == [
        expected(plan, number) for number in range(LAYOUT.segments)
    ]
    assert found.images == sum(map(len, rows)) < 300
    assert found.runs == -(-found.images // at_once)


def test_a_plan_without_an_image_in_an_archive_has_no_rows(tmp_path: Path) -> None:
    for plan in ([], [pa.record_batch({"source": ["x"], "offset": [1], "length": [1]})]):
        found = written(plan, tmp_path / "rows")
        assert found == WrittenRows(0, 0)
        assert len(read_rows(tmp_path / "rows", found, 3)) == 0


def test_the_same_plan_gives_the_same_bytes_and_progress(
    tmp_path: Path, chance: random.Random
) -> None:
    plan, contents, done = drawn(chance, 4, 30), set[bytes](), list[int]()
    for name in ("one", "two"):
        with storage.StagedFile(tmp_path / name) as staged:
            write_rows(staged, LAYOUT, iter(plan), Known(), done.append)
            storage.publish(staged)
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1
    assert done == [30, 60, 90, 120] * 2


def test_no_flipped_bit_and_no_cut_goes_unnoticed(tmp_path: Path, chance: random.Random) -> None:
    place, plan = tmp_path / "rows", drawn(chance, 3, 20)
    found = written(plan, place)
    whole = place.read_bytes()
    assert len(whole) == found.images * ROW.itemsize + (found.runs * LAYOUT.segments * RUN.itemsize)
    right = [read_rows(place, found, number).tolist() for number in range(LAYOUT.segments)]
    for at in range(0, len(whole), 3):
        content = bytearray(whole)
        content[at] ^= 1 << chance.randrange(8)
        place.write_bytes(content)
        assert not differing(place, found, right)
    place.write_bytes(whole[:-1])
    with pytest.raises(OutputDamaged, match=f"segment {LAYOUT.segments - 1}"):
        read_rows(place, found, LAYOUT.segments - 1)


def differing(place: Path, found: WrittenRows, right: list[object]) -> list[int]:
    """Return the segments whose rows are others than they were, and are not refused."""
    others, refused = list[int](), 0
    for number in range(LAYOUT.segments):
        try:
            others += [number] * (read_rows(place, found, number).tolist() != right[number])
        except OutputDamaged:
            refused += 1
    assert refused <= 1  # no segment depends on the rows of another
    return others


def test_memory_does_not_grow_with_the_plan(tmp_path: Path) -> None:
    def plan(shards: int) -> Iterator[pa.RecordBatch]:
        for _ in range(shards):
            offsets = np.arange(0, 50_000, 10)
            yield pa.record_batch(
                {"source": ["a.tar"] * len(offsets), "offset": offsets, "length": offsets}
            )

    def peak(shards: int) -> int:
        tracemalloc.start()
        with storage.StagedFile(tmp_path / "rows") as staged:
            write_rows(staged, LAYOUT, plan(shards), Known(), at_once=4096)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(60) < 1.5 * peak(4)
