"""What a table claims to hold is compared with what is known, before a row of it is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cputime import bounded_cpu

from pipeline import manifest, storage
from pipeline.annotations import boxtable
from pipeline.archives.index import INDEX_SCHEMA, ArchiveIndex
from pipeline.catalog import class_folders, plan
from pipeline.catalog import table as catalog
from pipeline.documents import fingerprint_tables, tree_listing
from pipeline.documents.tree_listing import LISTING_SCHEMA
from pipeline.errors import OutputDamaged
from pipeline.exports import parquet
from pipeline.shards import facts
from pipeline.storage import table_bounds as tablebounds
from pipeline.storage.local import fingerprints

_MANY = 1_000_000


def _rows(schema: pa.Schema, count: int) -> pa.Table:
    """Return equal rows, which take next to nothing once they are packed."""
    arrays = []
    for field in schema:
        value = pa.scalar(None, field.type)
        if pa.types.is_integer(field.type):
            value = pa.scalar(1, field.type)
        elif pa.types.is_string(field.type):
            value = pa.scalar("", field.type)
        if pa.types.is_dictionary(field.type):
            codes = pa.repeat(pa.scalar(0, field.type.index_type), count)
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array([""])))
        else:
            arrays.append(pa.repeat(value, count))
    return pa.table(arrays, schema)


def _parquet(path: Path, schema: pa.Schema, count: int = _MANY) -> Path:
    pq.write_table(_rows(schema, count), path, compression="zstd", row_group_size=count)
    return path


def _arrow(path: Path, schema: pa.Schema, count: int = _MANY, *, stream: bool = False) -> Path:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    open_ = pa.ipc.new_stream if stream else pa.ipc.new_file
    with open_(sink, schema, options=options) as writer:
        writer.write_table(_rows(schema, count), max_chunksize=count)
    path.write_bytes(sink.getvalue())
    return path


def _fingerprints(path: Path) -> object:
    content = path.read_bytes()
    fingerprint_tables.publish(path, fingerprints.SCHEMA.empty_table(), path.parent, root="/")
    path.write_bytes(content)
    entry = manifest.FileEntry(path.name, len(content), manifest.hash_bytes(content))
    mark = manifest.load(fingerprint_tables.mark_of(path)) | {"files": [entry.to_json()]}
    fingerprint_tables.mark_of(path).write_bytes(manifest.serialise(mark))
    return fingerprint_tables.load(path, path.parent)


_OF_PARQUET: dict[str, tuple[pa.Schema, Callable[[Path], object]]] = {
    "facts of a shard": (facts.SCHEMA, lambda path: facts.read_shard(path, 0, 1250)),
    "facts of a shard whose manifest is forged": (
        facts.SCHEMA,
        lambda path: facts.read_shard(path, 0, _MANY),
    ),
    "facts": (facts.SCHEMA, facts.read),
    "facts for an export": (facts.SCHEMA, lambda path: list(parquet.read_facts(path))),
    "a catalog": (catalog.SCHEMA, lambda path: list(catalog.read(path))),
    "words of a catalog": (catalog.SCHEMA, catalog.read_words),
    "classes of a catalog": (catalog.SCHEMA, lambda path: class_folders.read(path, ["a"])),
    "an index": (INDEX_SCHEMA, lambda path: ArchiveIndex(path)[0]),
}
_OF_ARROW: dict[str, tuple[pa.Schema, Callable[[Path], object]]] = {
    "a slice of facts": (facts.SCHEMA, lambda path: facts.read_slice(path, 1250)),
    "a plan": (catalog.SCHEMA, lambda path: plan.read_shard(path, 0)),
    "fingerprints": (fingerprints.SCHEMA, _fingerprints),
    "a listing": (LISTING_SCHEMA, tree_listing.read_listing),
    "annotations": (boxtable.SCHEMA, boxtable.read),
}


@pytest.mark.parametrize("name", _OF_PARQUET)
def test_a_parquet_file_of_millions_of_packed_rows_is_refused(name: str, tmp_path: Path) -> None:
    schema, read = _OF_PARQUET[name]
    path = _parquet(tmp_path / "table", schema)
    assert path.stat().st_size < _MANY
    with bounded_cpu(), pytest.raises(OutputDamaged, match="1,000,000 rows, where there are"):
        read(path)


@pytest.mark.parametrize("name", _OF_ARROW)
def test_an_arrow_file_of_millions_of_packed_rows_is_refused(name: str, tmp_path: Path) -> None:
    schema, read = _OF_ARROW[name]
    path = _arrow(tmp_path / "table.arrow", schema, stream=name == "annotations")
    assert path.stat().st_size < _MANY
    with bounded_cpu(), pytest.raises(OutputDamaged, match=r"rows, where|compressed batch"):
        read(path)


def test_one_long_value_is_refused_like_many_rows(tmp_path: Path) -> None:
    sink = io.BytesIO()
    table = pa.table(
        [["a" * (1 << 24)], pa.array([1], pa.uint64()), pa.array([1], pa.uint64()), [bytes(16)]],
        fingerprints.SCHEMA,
    )
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, fingerprints.SCHEMA, options=options) as writer:
        writer.write_table(table)
    (tmp_path / "a.arrow").write_bytes(sink.getvalue())
    with pytest.raises(OutputDamaged, match="that are packed into"):
        _fingerprints(tmp_path / "a.arrow")


def test_a_batch_that_is_named_many_times_is_counted_as_often(tmp_path: Path) -> None:
    path, sink = tmp_path / "a.arrow", io.BytesIO()
    with pa.ipc.new_file(sink, LISTING_SCHEMA) as writer:
        for _ in range(3):
            writer.write_table(_rows(LISTING_SCHEMA, 1000))
    path.write_bytes(sink.getvalue())
    with storage.open_arrow(path) as file:
        tablebounds.check_file(file, 3000)
    with pytest.raises(OutputDamaged, match="3,000 rows"), storage.open_arrow(path) as file:
        tablebounds.check_file(file, 2999)


@pytest.mark.parametrize("place", [-5, -8, -11, -30, 0, 40])
def test_headers_that_are_damaged_are_no_crash(tmp_path: Path, place: int) -> None:
    path = _arrow(tmp_path / "a.arrow", facts.SCHEMA, 3)
    content = path.read_bytes()
    for byte in (0, 0x7F, 0xFF):
        changed = bytearray(content)
        changed[place] = byte
        path.write_bytes(changed)
        try:
            with storage.open_arrow(path) as file:
                tablebounds.check_file(file, 3, packed=True)
        except OutputDamaged:
            continue
