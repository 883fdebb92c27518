"""Images in the rows of a Parquet file: which column has them, and their bytes, row by row.

The bytes of an image lie in compressed pages. So a row is read with the others of its row group,
and the last group that was decoded is kept: who reads row after row decodes each once. For those
who read in another order there is `parquet_sources`.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import ArchiveRefused, OutputDamaged
from pipeline.storage import Location

MOST_GROUP_BYTES: Final = 1 << 30
"""Bytes of the images of a row group, unpacked, at most."""

_NAMES: Final = ("image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes", "content")
_BYTES: Final = "bytes"
PATH_NAMES: Final = ("path", "file_name", "filename", "image_path")
"""What columns with paths of images are called."""
_ALONE: Final = (*PATH_NAMES, "image")  # the same where no column has the bytes of images


def image_column(schema: pa.Schema) -> str | None:
    """Return the path of the column that has the bytes of images; None: none has.

    It is a struct with binary ``bytes``, as Hugging Face's datasets have it, one that is called as
    images are before others; or a binary column that is called so, as img2dataset has it.
    """
    structs = [field.name for field in schema if _has_bytes(field.type)]
    binary = {field.name for field in schema if _is_binary(field.type)}
    for column in (*(name for name in _NAMES if name in structs), *structs):
        return f"{column}.{_BYTES}"
    return next((name for name in _NAMES if name in binary), None)


def path_column(schema: pa.Schema) -> str:
    """Return the column that has the paths of images, as texts; "": none has."""
    kinds = {field.name: field.type for field in schema}
    return next((name for name in _ALONE if _is_text(kinds.get(name, pa.null()))), "")


@dataclass(frozen=True)
class RowGroups:
    """Which rows the row groups of a file have.

    Attributes:
        identity: all that decides the images in it: where it lies, how it looks, and the column.
        starts: the first row of each group, from 0, and how many rows there are.
    """

    identity: str
    starts: tuple[int, ...]

    def of(self, row: int) -> tuple[int, int] | None:
        """Return the group of a row, from 0, and its place there; None: there is no such row."""
        if not 0 <= row < self.starts[-1]:
            return None
        group = bisect_right(self.starts, row) - 1
        return group, row - self.starts[group]


class ParquetRows:
    """A Parquet file of images, open until it is closed.

    Args:
        path: where it lies; of one at an address a copy is fetched to this host.

    Raises:
        ArchiveRefused: it is no Parquet file, or no column of it has images or their paths.
    """

    def __init__(self, path: Location) -> None:
        self.path = path
        self._stack = ExitStack()
        self.file = opened(self._stack, path)
        column = image_column(self.file.schema_arrow) or ""
        if not column and not path_column(self.file.schema_arrow):
            raise ArchiveRefused(
                "no column has images or their paths",
                file=str(path),
                expected=f"a struct with binary {_BYTES}, a binary column: {', '.join(_NAMES)};"
                f" or texts: {', '.join(_ALONE)}",
                found=", ".join(self.file.schema_arrow.names)[:200],
                remedy="give the column one of these names",
            )
        self.column = column
        metadata, info = self.file.metadata, storage.stat(path)
        counts = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        identity = "\0".join(map(str, (path, info, column)))
        self.groups = RowGroups(identity, (0, *accumulate(counts)))
        self._kept: tuple[int, pa.Array] | None = None

    def images(self, group: int) -> pa.Array:
        """Return the images of a row group, binary; null where there is none, or a path alone.

        Raises:
            ArchiveRefused: it is damaged, or has more than `MOST_GROUP_BYTES`.
        """
        if not self.column:
            return pa.nulls(self.groups.starts[group + 1] - self.groups.starts[group], pa.binary())
        if self._kept is None or self._kept[0] != group:
            self._kept = None  # two groups are not held at once
            self._check_size(group)
            try:
                read = self.file.read_row_group(group, [self.column], use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise damaged(self.path, error) from error
            column = read.column(0).combine_chunks()
            if pa.types.is_struct(column.type):
                column = column.flatten()[column.type.get_field_index(_BYTES)]
            self._kept = (group, column)
        return self._kept[1]

    def image(self, row: int) -> memoryview:
        """Return the image of a row, from 0; no bytes where there is none, or no such row."""
        found = self.groups.of(row)
        if found is None:
            return memoryview(b"")
        group, place = found
        value = self.images(group)[place]
        return view(value) if value.is_valid else memoryview(b"")

    def forget(self) -> None:
        """Give the decoded row group up."""
        self._kept = None

    def close(self) -> None:
        """Give the file up."""
        self.forget()
        self._stack.close()

    def _check_size(self, group: int) -> None:
        found = self.file.metadata.row_group(group)
        columns = (found.column(place) for place in range(found.num_columns))
        size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema == self.column)
        if size > MOST_GROUP_BYTES:
            raise ArchiveRefused(
                "the images of a row group are too large to be held",
                file=str(self.path),
                place=f"row group {group}",
                expected=f"at most {MOST_GROUP_BYTES:,} bytes",
                found=f"{size:,} bytes",
                remedy="write the file anew with smaller row groups",
            )


def has_images(path: Location, *, or_paths: bool = False) -> bool:
    """Whether a column of a Parquet file has the bytes of images, or their paths if these count.

    Raises:
        ArchiveRefused: it is no Parquet file.
    """
    with ExitStack() as stack:
        schema = opened(stack, path).schema_arrow
        return bool(image_column(schema) or (or_paths and path_column(schema)))


def opened(stack: ExitStack, path: Location) -> pq.ParquetFile:
    """Return a Parquet file that is open as long as a stack.

    Raises:
        ArchiveRefused: it is no Parquet file.
    """
    try:
        return pq.ParquetFile(stack.enter_context(storage.open_arrow(path)))
    except (pa.ArrowException, OutputDamaged) as error:
        raise damaged(path, error) from error


def damaged(path: Location, error: Exception) -> ArchiveRefused:
    """Return the refusal of a file that the library does not read."""
    return ArchiveRefused(
        "the Parquet file is damaged, cut short, or none",
        file=str(path),
        found=str(error).partition("\n")[0][:200],
        remedy="get it again from where it came from, or move it elsewhere",
    )


def view(value: pa.BinaryScalar) -> memoryview:
    """Return the bytes of a value that is not null; they are valid as long as its array."""
    return memoryview(value.as_buffer()).cast("B")


def _has_bytes(kind: pa.DataType) -> bool:
    """Whether it is a struct of which ``bytes`` is binary."""
    inner = kind.get_field_index(_BYTES) if pa.types.is_struct(kind) else -1
    return inner >= 0 and _is_binary(kind.field(inner).type)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
