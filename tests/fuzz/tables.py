"""The tables that the program keeps for itself: valid ones, and the readers of damaged ones."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from catalogrows import objects
from indexing import verify_and_index

from pipeline import storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.archives.index import INDEX_SCHEMA, ArchiveIndex
from pipeline.archives.member_hashes import MemberHasher
from pipeline.archives.tar import Member
from pipeline.catalog import class_folders, plan
from pipeline.catalog import table as catalog
from pipeline.formats.record import Placement
from pipeline.shards import facts
from pipeline.shards.facts import FactsBuilder

_ROWS, _SHARDS = 6, 2
_numbers = itertools.count()


def _listed() -> pa.Table:
    rows = [
        {
            "key": f"n0{number % 2}/ü_{number}.JPEG",
            "filename": f"ü_{number}.JPEG",
            "source": "train.tar",
            "offset": 512 * number,
            "length": 100,
            "class_index": number % 2,
            "class_id": f"n0{number % 2}",
            "class_text": f"class {number % 2}",
            "objects": objects([0.0, 0.25, 0.5, 1.0] * (number % 3), list(range(number % 3))),
        }
        for number in range(_ROWS)
    ]
    return pa.Table.from_pylist(rows, catalog.SCHEMA)


def _staged(write: Callable[[storage.StagedFile], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        with storage.StagedFile(path) as staged:
            write(staged)
            storage.publish(staged)
        return path.read_bytes()


@cache
def catalogs() -> tuple[bytes, ...]:
    rows = _listed()
    return (_staged(lambda staged: catalog.write(staged, [rows[:4], rows[4:]])),)


@cache
def plans() -> tuple[bytes, ...]:
    return (_staged(lambda staged: plan.write(staged, [_listed()], [0, 3, _ROWS])),)


@cache
def slices() -> tuple[bytes, ...]:
    builder = FactsBuilder(0)
    for number in range(_ROWS):
        repair = "a PNG" if number == 1 else None
        place = Placement(100 * number, 100)
        builder.add(f"ü{number}", place, (8, 9), "RGB", 60, repair, "0" * 32)
    return (facts.slice_bytes(builder.table()),)


@cache
def indexes(archive: bytes) -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        tar, index = Path(folder) / "a.tar", Path(folder) / "index"
        tar.write_bytes(archive)
        verify_and_index(tar, index, expected_md5=None, nested=True)
        return (index.read_bytes(),)


def member_hashes() -> tuple[bytes, ...]:
    def write(staged: storage.StagedFile) -> None:
        content = memoryview(bytes(100 * _ROWS))
        members = [Member("", f"{row}", 100 * row, 100, "file") for row in range(_ROWS)]
        with staged.stream() as stream, pa.ipc.new_file(stream, memberhashes.SCHEMA) as sink:
            hasher = MemberHasher(sink, lambda _: False)
            hasher.take(content, members)
            hasher.finish()

    return (_staged(write),)


def try_catalog(data: bytes, folder: Path) -> None:
    """Every row has every column."""
    with _laid(data, folder) as path:
        _check(catalog.read(path), catalog.SCHEMA)
        for words in catalog.read_words(path).values():
            words.to_pylist()
        assert all(row["class_id"] for row in class_folders.read(path, ["n01"]).to_pylist())


def try_plan(data: bytes, folder: Path) -> None:
    """Every row has every column."""
    with _laid(data, folder) as path:
        batches = [plan.read_shard(path, shard) for shard in range(_SHARDS)]
        _check([pa.Table.from_batches([batch]) for batch in batches], catalog.SCHEMA)


def try_slice(data: bytes, folder: Path) -> None:
    """Every value can be read."""
    with _laid(data, folder) as path:
        _check([facts.read_slice(path, _ROWS)], facts.SCHEMA)


def try_archive_index(data: bytes, folder: Path) -> None:
    """Every row has every column."""
    with _laid(data, folder) as path:
        parts = ArchiveIndex(path)
        _check([parts[part] for part in range(len(parts))], INDEX_SCHEMA)


def try_member_hashes(data: bytes, folder: Path) -> None:
    """Every hash has 16 bytes."""
    with _laid(data, folder) as path:
        known = memberhashes.MemberHashes(path).at(np.arange(0, 100 * _ROWS, 50))
        assert all(content is None or len(content) == memberhashes.SIZE for content in known)


@contextlib.contextmanager
def _laid(data: bytes, folder: Path) -> Iterator[Path]:
    """Lay each document in a file of its own: a table that is still mapped must not change."""
    path = folder / f"table-{next(_numbers)}"
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink()


def _check(tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    for table in tables:
        assert table.schema.equals(schema)
        assert len(table.to_pylist()) == table.num_rows
