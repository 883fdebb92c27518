"""Rows of a Parquet file as those of a list: a column has the paths of images, another the labels.

A Parquet file is such a list where the folder that its paths are relative to is named. Else it is
one of images, whose paths, if it has no more of them, are relative to its own folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pyarrow as pa

from pipeline import storage
from pipeline.archives import parquet_names, parquet_rows
from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.sources.imagelist.columns import Cell, Row, unknown_column
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.sources.imagelist.text_blocks import ROWS
from pipeline.storage import Location


def is_meant(job: Job) -> bool:
    """Whether a Parquet file is named, and another folder, or an archive, that its paths are in."""
    if job.packed or not job.root or not parquet_names.is_parquet(job.images):
        return False
    return storage.parse(job.root) != storage.parse(job.images).parent


def rows(path: Location, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a list; the line of each is its number, from 1.

    Raises:
        ArchiveRefused: it is no Parquet file, or is damaged.
        BadAnnotation: it has not each of the columns once; a value is neither text nor a number.
        UsageError: it has the images themselves.
    """
    with ExitStack() as stack:
        file = parquet_rows.opened(stack, path)
        names = _names(path, file.schema_arrow)
        for name in columns:
            if name not in names:
                raise unknown_column(path, 1, name, names)
            if names.count(name) > 1:
                what, remedy = f"more than one column {shown(name)}", "rename the others"
                raise refused(path, 1, what, "each column once", ", ".join(names), remedy)
        line = 1
        wanted = [*dict.fromkeys(columns)]
        batches = file.iter_batches(ROWS, columns=wanted, use_threads=False)
        while (batch := _next(path, batches)) is not None:
            values = [batch.column(name).to_pylist() for name in columns]
            for cells in zip(*values, strict=True):
                checked = (_cell(path, line, *each) for each in zip(columns, cells, strict=True))
                yield Row(line, tuple(checked))
                line += 1


def header(path: Location) -> tuple[str, ...]:
    """Return the names of the columns; errors as of `rows`."""
    with ExitStack() as stack:
        return _names(path, parquet_rows.opened(stack, path).schema_arrow)


def _next(path: Location, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        raise parquet_rows.damaged(path, error) from error


def _names(path: Location, schema: pa.Schema) -> tuple[str, ...]:
    column = parquet_rows.image_column(schema)
    if column is not None:
        raise UsageError(
            "--root is the folder that the paths of a list are relative to, and the Parquet file"
            " has the images themselves",
            file=str(path),
            expected="columns of paths and labels",
            found=f"images in the column {column}",
            remedy="leave --root out",
        )
    return tuple(schema.names)


def _cell(path: Location, line: int, name: str, value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = f"the value of {shown(name)} is neither a text nor a number"
        found = "null" if value is None else shown(str(value))
        remedy = "write the column anew, or name another one"
        raise refused(path, line, what, "a text or a number", found, remedy)
    return value
