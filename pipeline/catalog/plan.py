"""The plan: the catalog in shard order, in an Arrow file with one record batch per shard.

A worker maps the file and touches only the pages of its own batch; the file's footer is 24
bytes a shard, where a Parquet footer of 1,024 row groups takes 92 MB to open. Whoever makes a
plan holds some ten thousand rows at a time, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline import storage
from pipeline.catalog import earlier, generations
from pipeline.catalog import order as sharding
from pipeline.catalog import table as catalog
from pipeline.catalog.generations import KnownImages
from pipeline.catalog.spill import Buckets
from pipeline.catalog.table import SCHEMA
from pipeline.errors import OutputDamaged
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

_BUCKET = 1 << 16  # rows, about
_HASHES = pa.field("hash of the key", pa.binary(16))


def arrange(
    listed: Location,
    rows: int,
    order: str,
    seed: int,
    scratch: Location,
    before: KnownImages | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows of a catalog in the wanted order.

    Args:
        listed: the catalog.
        rows: how many it has.
        order: one of `sharding.ORDERS`.
        seed: of the hash order.
        scratch: temporary files are made beside it, under its name and more.
        before: the images of an output that is appended to: these come first, in their order.
    """
    words = catalog.read_words(listed)
    tables: Iterator[pa.Table] = (
        _with_words(table, words) for table in catalog.read(listed, with_sizes=True)
    )
    count = -(-rows // _BUCKET)
    if before is not None:
        places = generations.ranks(before, catalog.read(listed), order, seed)
        yield from _by_rank(tables, places, scratch, count)
    elif order == "list":  # which is how a catalog is sorted
        yield from tables
    elif order != "hash":
        yield from _by_rank(tables, _ranks(listed, rows, order), scratch, count)
    else:
        # To compute the hashes twice would take longer than all else.
        schema, tables = _schema_of(tables)
        with Buckets(scratch, schema.append(_HASHES), count) as buckets:
            for table in tables:
                hashes = sharding.key_hashes(table["key"].to_pylist(), seed)
                column = pa.FixedSizeBinaryArray.from_buffers(
                    _HASHES.type, len(hashes), [None, pa.py_buffer(hashes)]
                )
                hashed = table.append_column(_HASHES, column)
                buckets.add(hashed, sharding.hash_buckets(hashes, count))
            for number in range(count):
                yield _in_hash_order(buckets.read(number))


def _in_hash_order(bucket: pa.Table) -> pa.Table:
    """Return rows sorted by their hashes, without these."""
    rows = bucket.drop_columns([_HASHES.name])
    column = bucket[_HASHES.name].combine_chunks()
    hashes = np.frombuffer(column.buffers()[1] or b"", "S16", len(column), 16 * column.offset)
    return rows.take(pa.array(sharding.by_hash(hashes, rows["key"])))


def write(
    staged: storage.StagedFile, tables: Iterable[pa.Table], places: Sequence[int]
) -> list[str]:
    """Write a plan; equal rows give equal bytes.

    Args:
        staged: the file.
        tables: every image, in order; the values of a dictionary column are the same in all.
        places: shard i holds the rows [places[i], places[i + 1]).

    Returns:
        A hash of each shard's rows, so that a worker can check its own without the rest.
    """
    hashes = []
    schema, tables = _schema_of(tables)
    with staged.stream() as stream, pa.ipc.new_file(stream, schema) as writer:
        for batch in _cut(tables, schema, [stop - start for start, stop in pairwise(places)]):
            writer.write_batch(batch)
            hashes.append(_hash(batch))
    return hashes


def read_shard(path: Location, shard: int, expected: str | None = None) -> pa.RecordBatch:
    """Return the rows of one shard, in record order.

    Args:
        path: the plan.
        shard: 0-based number.
        expected: the hash that `write` returned for it; None: not checked.

    Raises:
        OutputDamaged: the rows are not those that were written.
    """
    with storage.open_arrow(path) as file:
        tablebounds.batch_check(file)(shard)
        stored = pa.ipc.open_file(file).get_batch(shard)
        rows = earlier.as_now(stored, SCHEMA)
        catalog.check(rows)
        if expected is not None:
            _compare(path, shard, stored, expected)
    return rows


def _compare(path: Location, shard: int, stored: pa.RecordBatch, expected: str) -> None:
    """Compare the rows of a shard, as they are stored, with their hash."""
    found = _hash(stored)
    if found != expected:
        raise OutputDamaged(
            "the plan is not as it was written",
            file=str(path),
            place=f"shard {shard}",
            expected=expected,
            found=found,
            remedy="remove the file and run the same command again: it is made anew",
        )


def read(path: Location, expected: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of each shard of a plan, in order.

    Args:
        path: the plan.
        expected: the hashes that `write` returned; None: they are not checked.

    Raises:
        OutputDamaged: the file is no plan, or the rows of a shard are not those that were written.
        Vanished: there is none.
    """
    with storage.open_arrow(path) as file:
        reader, check_batch = pa.ipc.open_file(file), tablebounds.batch_check(file)
        for shard in range(reader.num_record_batches if expected is None else len(expected)):
            check_batch(shard)
            stored = reader.get_batch(shard)
            rows = earlier.as_now(stored, SCHEMA)
            catalog.check(rows)
            if expected is not None:
                _compare(path, shard, stored, expected[shard])
            yield rows


def sources(path: Location) -> Iterator[pa.StringArray]:
    """Yield where the images of each shard of a plan lie, in order; of the rest no page is read.

    Raises:
        OutputDamaged: the file is no plan.
        Vanished: there is none.
    """
    with storage.open_arrow(path) as file:
        check_batch = tablebounds.batch_check(file)
        place = pa.ipc.open_file(file).schema.names.index("source")
        options = pa.ipc.IpcReadOptions(included_fields=[place])
        reader = pa.ipc.open_file(file, options=options)
        for shard in range(reader.num_record_batches):
            check_batch(shard)
            batch = reader.get_batch(shard)
            storage.check_table(batch, pa.schema([SCHEMA.field("source")]))
            yield batch.column(0)


def first_keys(path: Location, shards: int) -> list[str]:
    """Return the key of the first image of each shard of a plan; of the rest no page is read.

    Raises:
        OutputDamaged: the file is no plan of so many shards; or one of them has no image.
    """
    with storage.open_arrow(path) as file:
        check_batch = tablebounds.batch_check(file)
        for shard in range(shards):
            check_batch(shard)
        reader = pa.ipc.open_file(file)
        columns = [reader.get_batch(shard).column("key") for shard in range(shards)]
        if not all(map(len, columns)):
            raise pa.ArrowInvalid("a shard without an image")
        return [str(column[0].as_py()) for column in columns]


def same_values(one: pa.RecordBatch, other: pa.RecordBatch, passing: Collection[str]) -> bool:
    """Whether two batches of plans have the same values, to the bit, in all columns but some.

    Args:
        one: rows of a plan.
        other: rows of it or another.
        passing: names of the columns that may differ.
    """
    names = one.schema.names
    if one.num_rows != other.num_rows or names != other.schema.names:
        return False
    compared = [name for name in names if name not in passing]
    return _hash(one.select(compared)) == _hash(other.select(compared))


def _schema_of(tables: Iterable[pa.Table]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the columns that tables have, by the first of them, and the same tables."""
    source = iter(tables)
    first = list(islice(source, 1))
    return first[0].schema if first else SCHEMA, chain(first, source)


def _cut(
    tables: Iterable[pa.Table], schema: pa.Schema, sizes: Iterable[int]
) -> Iterator[pa.RecordBatch]:
    """Yield batches of the given sizes, which add up to the rows of all tables."""
    source = iter(tables)
    held = schema.empty_table()
    for size in sizes:
        while held.num_rows < size:
            held = pa.concat_tables([held, next(source)])
        # A copy: of a slice, Arrow would write some bytes of what follows it too.
        (batch,) = held.take(pa.array(np.arange(size))).combine_chunks().to_batches()
        yield batch
        held = held.slice(size)


def _with_words(table: pa.Table, words: dict[str, pa.StringArray]) -> pa.Table:
    """Return a table whose dictionary columns have these values."""
    for name, values in words.items():
        indices = pc.index_in(table[name].cast(pa.string()), values).combine_chunks()
        column = pa.DictionaryArray.from_arrays(indices, values)
        table = table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), column)
    return table


def _ranks(listed: Location, rows: int, order: str) -> npt.NDArray[np.int64]:
    """Return int64 of shape [rows]: the place of each row of a catalog in an order."""
    if order == "im2rec":
        places = sharding.im2rec(rows)
    else:
        names = pa.concat_tables(
            pa.table({"group": table["class_id"].cast(pa.string()), "key": table["key"]})
            for table in catalog.read(listed)
        )
        places = (
            sharding.inception(names) if order == "inception" else sharding.by_name(names["key"])
        )
    ranks = np.empty_like(places)
    ranks[places] = np.arange(len(places))
    return ranks


def _by_rank(
    tables: Iterable[pa.Table], ranks: npt.NDArray[np.int64], scratch: Location, count: int
) -> Iterator[pa.Table]:
    """Yield rows by rank, the ranks being 0 to len(ranks) - 1."""
    if (ranks[1:] > ranks[:-1]).all():
        yield from tables
        return
    numbers = ranks * count // max(1, len(ranks))
    schema, tables = _schema_of(tables)
    with Buckets(scratch, schema, count) as buckets:
        start = 0
        for table in tables:
            buckets.add(table, numbers[start : start + table.num_rows])
            start += table.num_rows
        for number in range(count):
            places = np.argsort(ranks[numbers == number])
            yield buckets.read(number).take(pa.array(places))


def _hash(rows: pa.RecordBatch) -> str:
    """Return the xxh3-128 of rows, whatever else their dictionaries hold."""
    hasher = xxhash.xxh3_128()
    for column in rows.columns:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        hasher.update(pa.RecordBatch.from_arrays([plain], ["values"]).serialize())
    return hasher.hexdigest()
