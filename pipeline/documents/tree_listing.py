"""The listing beside the mark of a part of a tree: the files in it, with their sizes and hashes.

A part is some class folders, each with all of its files; see `pipeline.exports.tree.ClassGroup`.
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.storage import Location, table_bounds

LISTING_SCHEMA = pa.schema(
    [
        ("file", pa.string()),  # <class>/<name>
        ("bytes", pa.int64()),
        ("xxh3_128", pa.string()),  # of the content, hex
    ]
)
"""Columns of a group's listing, sorted by file, bytewise."""

# By RE2, which has no lookahead: not two parts, or one that leads elsewhere.
_NO_FILE_OF_A_CLASS = r"^[^/]*$|/.*/|^/|/$|^\.{1,2}/|/\.{1,2}$"


def listing_bytes(table: pa.Table) -> bytes:
    """Return a group's listing as an Arrow file; equal listings give equal bytes."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, LISTING_SCHEMA) as writer:
        writer.write_table(table.cast(LISTING_SCHEMA).combine_chunks())
    return sink.getvalue()


def read_listing(path: Location) -> pa.Table:
    """Read a group's listing as `listing_bytes` made it.

    Raises:
        OutputDamaged: it is not as it was written.
    """
    with storage.open_arrow(path) as file:
        table_bounds.check_file(file)
        listing = pa.ipc.open_file(file).read_all()
        storage.check_table(listing, LISTING_SCHEMA)
        leading_away = pc.match_substring_regex(listing["file"], _NO_FILE_OF_A_CLASS)
        if pc.any(leading_away, min_count=0).as_py():
            raise pa.ArrowInvalid("a file that lies in no class folder")
        return listing


def missing(root: Location, listing: pa.Table) -> list[str]:
    """Return which files of a listing are absent or of another size; links are followed."""
    folders: dict[str, dict[str, int]] = {}
    for file, size in zip(listing["file"].to_pylist(), listing["bytes"].to_pylist(), strict=True):
        folder, _, name = file.partition("/")
        folders.setdefault(folder, {})[name] = size
    lacking = []
    for folder, wanted in folders.items():
        present = {
            entry.name: entry.size
            for entry in storage.entries(root / folder)
            if entry.kind == "file"
        }
        lacking += [f"{folder}/{name}" for name in wanted if present.get(name) != wanted[name]]
    return lacking
