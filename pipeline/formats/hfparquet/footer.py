"""The footer of a Parquet file: its schema, its row groups, and what `datasets` reads of it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.formats.hfparquet import thrift
from pipeline.formats.hfparquet.columns import Columns, Leaf

MAGIC: Final = b"PAR1"
_ABOUT: Final = "huggingface"  # where `datasets` looks for features
_CREATED_BY: Final = "shardmill"
_VERSION: Final = 2
_PLAIN, _RLE = 0, 3
_UNCOMPRESSED: Final = 0
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pages of a column in a row group: where they are, their bytes, and their entries."""

    offset: int
    size: int
    entries: int

    @property
    def end(self) -> int:
        """Where they end."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: how many rows it has, and the chunk of each column."""

    rows: int
    chunks: tuple[Chunk, ...]

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.chunks[-1].end


def encoded(columns: Columns, groups: Sequence[RowGroup], about: str) -> bytes:
    """Return a footer, its length and the magic number behind it.

    Args:
        columns: those of the file.
        groups: its row groups, in order.
        about: what `datasets` is to know of the columns.
    """
    pair = ((1, thrift.BINARY, thrift.text(_ABOUT)), (2, thrift.BINARY, thrift.text(about)))
    row_groups = [_row_group(columns, group, number) for number, group in enumerate(groups)]
    metadata = thrift.struct(
        [
            (1, thrift.I32, thrift.integer(_VERSION)),
            (2, thrift.LIST, thrift.sequence(thrift.STRUCT, columns.schema)),
            (3, thrift.I64, thrift.integer(sum(group.rows for group in groups))),
            (4, thrift.LIST, thrift.sequence(thrift.STRUCT, row_groups)),
            (5, thrift.LIST, thrift.sequence(thrift.STRUCT, [thrift.struct(pair)])),
            (6, thrift.BINARY, thrift.text(_CREATED_BY)),
        ]
    )
    return metadata + _LENGTH.pack(len(metadata)) + MAGIC


def _row_group(columns: Columns, group: RowGroup, number: int) -> bytes:
    chunks = [_chunk(leaf, chunk) for leaf, chunk in zip(columns.leaves, group.chunks, strict=True)]
    size = thrift.integer(sum(chunk.size for chunk in group.chunks))
    return thrift.struct(
        [
            (1, thrift.LIST, thrift.sequence(thrift.STRUCT, chunks)),
            (2, thrift.I64, size),
            (3, thrift.I64, thrift.integer(group.rows)),
            (5, thrift.I64, thrift.integer(group.chunks[0].offset)),
            (6, thrift.I64, size),
            (7, thrift.I16, thrift.integer(number)),
        ]
    )


def _chunk(leaf: Leaf, chunk: Chunk) -> bytes:
    encodings = [thrift.integer(each) for each in (_PLAIN, _RLE)]
    path = [thrift.text(name) for name in leaf.path]
    size = thrift.integer(chunk.size)
    described = thrift.struct(
        [
            (1, thrift.I32, thrift.integer(leaf.kind)),
            (2, thrift.LIST, thrift.sequence(thrift.I32, encodings)),
            (3, thrift.LIST, thrift.sequence(thrift.BINARY, path)),
            (4, thrift.I32, thrift.integer(_UNCOMPRESSED)),
            (5, thrift.I64, thrift.integer(chunk.entries)),
            (6, thrift.I64, size),
            (7, thrift.I64, size),
            (9, thrift.I64, thrift.integer(chunk.offset)),
        ]
    )
    return thrift.struct([(2, thrift.I64, thrift.integer(0)), (3, thrift.STRUCT, described)])
