"""Where the images of a catalog lie in a tree of class folders: ``<class folder>/<file name>``.

The folder is named after the class: by its id, such as a WNID; else by its name in words; else by
its number, with `DIGITS` digits or more, so that folders sorted by name are classes sorted by
number. Where the images were found in a folder of the name of their class, their files keep their
names. Else, as of image lists, whose paths may be of any folders, all of a path makes the name of
the file, ``_`` between its parts. A path that is listed more than once has its id before the
suffix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.catalog import earlier
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

DIGITS: Final = 5
"""How many digits the number of a class has at least where it is a name of a folder."""
_READ: Final = ["key", "source", "offset", "length", "class_index", "class_id", "class_text", "id"]


def of_number(class_index: int) -> str:
    """Return the folder of a class that has a number and no name."""
    return f"{class_index:0{DIGITS}d}"


def names(rows: pa.Table) -> pa.ChunkedArray:
    """Return the class folder of each image; "" of those that have no class."""
    ids, texts = _text(rows, "class_id"), _text(rows, "class_text")
    digits = rows["class_index"].cast(pa.string())
    padded = pc.utf8_lpad(digits, DIGITS, "0")
    numbers = pc.if_else(_is_numbered(rows), padded, "")
    return pc.if_else(pc.equal(ids, ""), pc.if_else(pc.equal(texts, ""), numbers, texts), ids)


def file_names(rows: pa.Table) -> pa.ChunkedArray:
    """Return the name of each image in its class folder."""
    last = pc.replace_substring_regex(rows["key"], r"^.*/", "")
    numbered = pc.or_(_is_numbered(rows), _lies_elsewhere(rows))
    if not pc.any(numbered).as_py():
        return last
    in_shard = pc.greater(rows["offset"], 0)  # many images have one source: the key alone tells
    named = pc.if_else(in_shard, rows["key"], rows["source"].cast(pa.string()))
    whole = pc.replace_substring(named, "/", "_")
    again = pc.and_(numbered, pc.not_equal(rows["key"], named))
    if pc.any(again).as_py():
        twice = zip(whole.to_pylist(), rows["id"].to_pylist(), again.to_pylist(), strict=True)
        whole = pa.chunked_array([[_with_id(n, i) if more else n for n, i, more in twice]])
    return pc.if_else(numbered, whole, last)


def paths(rows: pa.Table) -> pa.ChunkedArray:
    """Return where each image lies; the name of its file alone of those that have no class."""
    folders, files = names(rows), file_names(rows)
    return pc.if_else(
        pc.equal(folders, ""), files, pc.binary_join_element_wise(folders, files, "/")
    )


def read(path: Location, folders: Sequence[str], beginnings: Sequence[str] = ()) -> pa.Table:
    """Read the rows of some class folders, and of those whose names begin in one of some ways.

    Returns:
        Columns of a catalog, of an earlier version, too: those that say where the images lie.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        stored = earlier.stored_names(table.schema_arrow.names)
        numbers = pc.field("class_index").isin(_numbers(folders))
        if any(beginning.isdigit() for beginning in beginnings):
            numbers |= pc.field("class_index") >= 0
        wanted = numbers & (pc.field(stored["class_id"]) == "")
        for name in (stored["class_id"], stored["class_text"]):
            wanted |= pc.field(name).isin(pa.array(list(folders), pa.string()))
            for beginning in beginnings:
                wanted |= pc.starts_with(pc.field(name).cast(pa.string()), beginning)
        columns = [stored[name] for name in _READ]
        rows = pq.read_table(file, columns=columns, use_threads=False, filters=wanted)
        rows = rows.select(columns).rename_columns(_READ)
        # The words of one class may be the id of another.
        folder_names = names(rows)
        chosen = pc.is_in(folder_names, value_set=pa.array(list(folders), pa.string()))
        for beginning in beginnings:
            chosen = pc.or_(chosen, pc.starts_with(folder_names, beginning))
        return rows.filter(chosen)


def _text(rows: pa.Table, name: str) -> pa.ChunkedArray:
    return rows[name].cast(pa.string())


def _is_numbered(rows: pa.Table) -> pa.ChunkedArray:
    """Return of which images the class has a number and no name."""
    ids, texts = _text(rows, "class_id"), _text(rows, "class_text")
    nameless = pc.and_(pc.equal(ids, ""), pc.equal(texts, ""))
    return pc.and_(nameless, pc.greater_equal(rows["class_index"], 0))


def _lies_elsewhere(rows: pa.Table) -> pa.ChunkedArray:
    """Return which images have a class in words and lie in a folder of another name."""
    texts = _text(rows, "class_text")
    listed = pc.and_(pc.equal(_text(rows, "class_id"), ""), pc.not_equal(texts, ""))
    if not pc.any(listed).as_py():
        return listed
    folders = pc.replace_substring_regex(rows["key"], r"/?[^/]*$", "")
    apart = pc.not_equal(*(pc.utf8_normalize(each, "NFC") for each in (folders, texts)))
    in_root = pc.and_(pc.equal(folders, ""), pc.equal(texts, "."))
    return pc.and_(listed, pc.and_not(apart, in_root))


def _with_id(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}#{number}.{suffix}" if dot else f"{name}#{number}"


def _numbers(folders: Sequence[str]) -> pa.Array:
    digits = (name for name in folders if name.isascii() and name.isdigit() and len(name) < 11)  # noqa: PLR2004
    numbers = [int(name) for name in digits]
    return pa.array([each for each in numbers if each < 1 << 31], pa.int32())
