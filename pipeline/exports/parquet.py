"""The Parquet export: one row per image, all that catalog, label table and facts say.

Columns, null where nothing is known::

    split           string         name of the split
    file_name       string         relative path of the image, "/"-separated
    wnid            string         the id of its class
    class_id        int64          its 0-based place in the label table
    ilsvrc_id       int32          its class's number in the development kit, from 1
    words           string         its class in words
    width, height   int32          pixels
    mode            string         of the image: L, RGB, ...
    source_mode     string         of the source: L, RGB, CMYK, ...; or GIF, WEBP, BMP, ...
    bytes           int64          of the image
    xxh3_128        string         of the image: 32 hex digits
    boxes           list<struct<xmin, ymin, xmax, ymax: float>>
                                   of each object, as fractions of the source's width and height

and of each shard format that the images were written in, as ``tfrecord_shard``::

    <format>_shard     int32       0-based
    <format>_record    int32       0-based in the shard
    <format>_bytes     int64       of the image there, null where it is the one of `bytes`
    <format>_xxh3_128  string      likewise

`width`, `height`, `mode`, `bytes` and `xxh3_128` are of the image as the first format that holds
it stores it; `source_mode` alone is of the file that was read. Formats differ where one repairs an
image and another does not. An image that is left out of all has a row, with nulls there.

Where a source says more of its images than the catalog, the columns of `parquet_objects` follow
`boxes`.

An image list or a folder has the columns of `columns_of_lists` in the place of those before
`width`, and no `boxes`.

Rows are in the order of the catalogs; a row group has `ROWS` at most, of one split. Hugging
Face's `datasets` finds under ``huggingface`` in the metadata of the schema that `class_id` is a
``ClassLabel``, whose names are the ids of the classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.catalog import class_folders
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError
from pipeline.exports import columns_of_lists, parquet_objects
from pipeline.exports.exported_split import ExportedSplit
from pipeline.exports.row_groups import ROWS, class_label, grouped, write_groups
from pipeline.exports.stored_images import StoredImages
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

VERSION = 2
BOX = pa.struct([(name, pa.float32()) for name in ("xmin", "ymin", "xmax", "ymax")])

_INT, _LONG, _TEXT = pa.int32(), pa.int64(), pa.string()
_CLASS = [("wnid", _TEXT), ("class_id", _LONG), ("ilsvrc_id", _INT), ("words", _TEXT)]
_SIZE = [("width", _INT), ("height", _INT), ("mode", _TEXT), ("source_mode", _TEXT)]
_CONTENT = [("bytes", _LONG), ("xxh3_128", _TEXT)]
_COMMON = [("split", _TEXT), ("file_name", _TEXT), *_CLASS, *_SIZE, *_CONTENT]
_COMMON += [("boxes", pa.list_(BOX))]
_OF_LIST = [("split", _TEXT), *columns_of_lists.COLUMNS, *_SIZE, *_CONTENT]
_OF_FORMAT = [("shard", _INT), ("record", _INT), *_CONTENT]
_FACTS = ["key", "shard", "record", "width", "height", "mode", "bytes", "xxh3_128", "repair"]
_ILSVRC_ID = "ilsvrc2012_id"


def schema(
    formats: Iterable[str],
    class_ids: Sequence[str],
    class_names: Sequence[str] | None = None,
    *,
    described: bool = False,
) -> pa.Schema:
    """Return the columns of the export.

    Args:
        formats: shard formats, in the order of their columns; "", facts without shards, has none.
        class_ids: of the label table.
        class_names: see `ExportedSplit`; None: the columns are those of a label table.
        described: whether a source says more of its images than the catalog.
    """
    shown = [name for name in formats if name]
    of_formats = [(f"{name}_{what}", kind) for name in shown for what, kind in _OF_FORMAT]
    if class_names is None:
        of_source = list(parquet_objects.COLUMNS) if described else []
        columns = [*_COMMON, *of_source, *of_formats]
        return pa.schema(columns, class_label("class_id", class_ids))
    label = class_label(columns_of_lists.CLASS, class_names)
    return pa.schema(_OF_LIST + of_formats, label)


def write(staged: storage.StagedFile, splits: Sequence[ExportedSplit], table: LabelTable) -> int:
    """Write the export; the same arguments give the same bytes.

    A split is joined in memory: some 60 bytes an image, and 8 more for each format.

    Returns:
        The number of rows.

    Raises:
        OutputDamaged: facts are of images that the catalog lacks, or of one twice.
        ConfigError: the label table has a class number that is none.
    """
    formats = tuple(dict.fromkeys(name for split in splits for name in split.facts))
    numbers = ilsvrc_ids(table)
    groups = (group for split in splits for group in grouped(_parts(split, formats, numbers)))
    class_names = shared_names(split.class_names for split in splits)
    described = any(split.described for split in splits)
    columns = schema(formats, table.class_ids, class_names, described=described)
    return write_groups(staged, columns, groups)


def shared_names(every: Iterable[Sequence[str] | None]) -> tuple[str, ...] | None:
    """Return the names of classes that all splits have; None: those of a label table.

    Args:
        every: of each split its names, as of `ExportedSplit`; where those of one are not the first
            of another's, no number has one name, and none is returned.
    """
    names = [tuple(each) for each in every if each is not None]
    longest = max(names, key=len, default=None)
    if longest is None or all(each == longest[: len(each)] for each in names):
        return longest
    return ()


def read_facts(path: Location) -> Iterator[pa.Table]:
    """Yield the facts of an output in parts: the columns that the export needs."""
    with storage.open_arrow(path) as file:
        facts = pq.ParquetFile(file)
        tablebounds.check_groups(facts, file)
        for part in facts.iter_batches(ROWS, columns=_FACTS, use_threads=False):
            whole = pc.match_substring_regex(part["xxh3_128"], "^[0-9a-f]{32}$")
            holes = any(part[name].null_count for name in _FACTS if name != "repair")
            if holes or whole.false_count:
                raise pa.ArrowInvalid("a fact is missing, or no hash")
            yield pa.table(part)


def ilsvrc_ids(table: LabelTable) -> pa.Array:
    """Return the number of each class in the development kit; nulls where nobody knows."""
    texts = pa.array(table.columns.get(_ILSVRC_ID, [None] * len(table.class_ids)), pa.string())
    try:
        return texts.cast(pa.int32())
    except pa.ArrowInvalid as error:
        what, place = "not a number of a class", f"column {_ILSVRC_ID}"
        raise ConfigError(what, file=str(table.path), place=place, found=str(error)) from error


def of_catalog(
    rows: pa.Table, folder: str | None, numbers: pa.Array, *, in_class_folders: bool = True
) -> dict[str, pa.Array]:
    """Return the columns that a part of a catalog gives.

    `folder` and `in_class_folders` are as of `ExportedSplit`, and `numbers` as `ilsvrc_ids`
    returns them.
    """
    of_class = folder is not None and in_class_folders
    names = class_folders.paths(rows) if of_class else rows["key"]
    ids = _but(rows["class_index"], -1)
    return {
        "file_name": pc.binary_join_element_wise(folder, names, "/") if folder else names,
        "wnid": _but(rows["class_id"].cast(pa.string()), ""),
        "class_id": ids,
        "ilsvrc_id": numbers.take(ids) if len(numbers) else pa.nulls(len(ids), pa.int32()),
        "words": _but(rows["class_text"].cast(pa.string()), ""),
        "boxes": _boxes(rows["objects"]),
    }


def _but(column: pa.ChunkedArray, nothing: object) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, nothing), None, column)


def _boxes(column: pa.ChunkedArray) -> pa.ListArray:
    listed = pc.list_flatten(column).combine_chunks()
    ends = np.cumsum(pc.list_value_length(column).to_numpy(), dtype=np.int32)
    boxes = pa.StructArray.from_arrays([listed.field(f.name) for f in BOX], fields=list(BOX))
    return pa.ListArray.from_arrays(np.append(np.int32(0), ends), boxes)


def _parts(split: ExportedSplit, formats: Sequence[str], numbers: pa.Array) -> Iterator[pa.Table]:
    """Yield the rows of a split, a table for each part of its catalog."""
    stored = StoredImages(split, formats)
    described = None if split.described is None else iter(split.described())
    start = 0
    for rows in split.rows():
        here = slice(start, start := start + rows.num_rows)
        if split.class_names is None:
            in_folders = split.in_class_folders
            found = of_catalog(rows, split.folder, numbers, in_class_folders=in_folders)
        else:
            found = columns_of_lists.of_catalog(rows)
        found |= stored.columns(here)
        if described is not None:
            said = next(described)
            found |= dict(zip(said.column_names, said.columns, strict=True))
        yield pa.table(found | {"split": pa.repeat(split.name, rows.num_rows)})
